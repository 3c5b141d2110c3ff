"""Figures of workers themselves, from their trials."""

from __future__ import annotations

from collector.worker_figures import PingAnswers, StartFigures
from report.trials.worker_figures import measure_pings, medians, sum_pings
from tests.summaries import known


def start(all_slots_s: float, *, processes: int, pss_bytes: int | None = 50) -> StartFigures:
    """Return how a worker started."""
    return StartFigures(
        first_job_s=1.0, all_slots_s=all_slots_s, pss_bytes=pss_bytes, processes=processes
    )


def test_a_ping_without_an_answer_counts_with_the_limit() -> None:
    """Of twenty, two had none: p95 is the limit, and no more is known."""
    answers = (None, *(0.01 * place for place in range(1, 19)), None)

    found = known(measure_pings(PingAnswers(timeout_s=1.0, answers_s=answers)))

    assert (found.pings, found.missed, found.missed_share) == (20, 2, 0.1)
    assert (found.p50_s, found.p95_s, found.max_s) == (0.1, 1.0, 1.0)


def test_without_a_ping_there_is_no_figure() -> None:
    """Nor in a trial of another measure."""
    assert measure_pings(None) is None
    assert measure_pings(PingAnswers(timeout_s=1.0)) is None


def test_a_row_has_the_median_of_each_figure() -> None:
    """Of the trials that have it; a count stays a count."""
    trials = [start(1.2, processes=4), start(1.6, processes=5, pss_bytes=None)]

    found = known(medians(trials))

    assert found == start(1.4, processes=4, pss_bytes=50)
    assert medians([]) is None


def test_the_pings_of_all_repetitions_are_counted() -> None:
    """Times are medians of the repetitions; what was sent and missed adds up."""
    answers = [(0.1, 0.1), (0.3, None)]
    trials = [measure_pings(PingAnswers(timeout_s=1.0, answers_s=one)) for one in answers]

    found = known(sum_pings([known(one) for one in trials]))

    assert (found.pings, found.missed, found.p50_s) == (4, 1, 0.2)
