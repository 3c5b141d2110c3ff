"""Options of jobs: what follows from them."""

from __future__ import annotations

import pytest

from poolbench.job_options import JobOptions, Retry


@pytest.mark.parametrize(
    ("limit", "per_s"), [("", None), ("6/m", 0.1), ("2/s", 2.0), ("36/h", 0.01)]
)
def test_a_rate_limit_is_a_rate(limit: str, per_s: float | None) -> None:
    """In starts a second, whatever its period."""
    assert JobOptions(rate_limit=limit).limit_per_s == (per_s and pytest.approx(per_s))


def test_the_longest_pause_is_that_of_a_countdown_or_of_a_rate_limit() -> None:
    """No line of a job comes for that time, although nothing is wrong."""
    assert JobOptions().longest_pause_s == 0
    assert JobOptions(countdown_s=4.0, retry=Retry(share=0.1, countdown_s=9.0)).longest_pause_s == 9
    assert JobOptions(countdown_s=4.0, rate_limit="6/m").longest_pause_s == 10


def test_jobs_that_end_alike_have_options_of_their_own() -> None:
    """Their shares add up to 1, and each fate is certain; what else they have is kept."""
    options = JobOptions(queue="io", fail_share=0.3, retry=Retry(share=0.1, countdown_s=5.0))

    fates = options.fates

    assert [share for share, _ in fates] == pytest.approx([0.6, 0.3, 0.1])
    assert [one for _, one in fates] == [
        JobOptions(queue="io"),
        JobOptions(queue="io", fail_share=1.0),
        JobOptions(queue="io", retry=Retry(share=1.0, countdown_s=5.0)),
    ]
    assert JobOptions(fail_share=1.0).fates == ((1.0, JobOptions(fail_share=1.0)),)
    assert JobOptions().fates == ((1.0, JobOptions()),)
