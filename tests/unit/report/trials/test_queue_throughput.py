"""A throughput from a queue's lengths: what it leaves out, and when there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.legend import integrity
from report.summary import summarize
from report.trials.queue_throughput import MIN_JOBS, UNACCOUNTED, fetched_per_s
from tests.synthetic import Contender, Workload, edit_manifest, edit_trials, make_run

S = 1_000_000_000


def draining(*, count: int, per_s: float, burst: int = 0, every_s: float = 0.05) -> list[Any]:
    """Return looks at a queue from which ``burst`` jobs go at once and the others evenly."""
    looks = []
    for step in range(10_000):
        length = max(0, count - burst - int(per_s * step * every_s))
        looks.append((step * int(every_s * S), length))
        if not length:
            break
    return looks


@given(per_s=st.floats(min_value=100, max_value=5_000), every_s=st.floats(0.01, 0.1))
def test_the_rate_of_an_even_flow_is_found(per_s: float, every_s: float) -> None:
    """However seldom one looks: lengths are exact, so that only their ends matter."""
    looks = draining(count=5_000, per_s=per_s, every_s=every_s)

    found, reason = fetched_per_s(looks, count=5_000, reserved=0)

    if found is None:
        assert "middle" in reason
    else:
        assert found == pytest.approx(per_s, rel=0.02)


def test_what_a_worker_reserves_is_left_out() -> None:
    """A worker of many slots takes a quarter of the backlog before it has done a job."""
    looks = draining(count=1_000, per_s=100, burst=250)

    assert fetched_per_s(looks, count=1_000, reserved=250)[0] == pytest.approx(100, rel=0.01)


def test_an_empty_end_is_no_middle() -> None:
    """The last look tells that the queue was empty by then, and not since when."""
    looks = [*draining(count=1_000, per_s=500), (1_000 * S, 0)]

    assert fetched_per_s(looks, count=1_000, reserved=0)[0] == pytest.approx(500, rel=0.01)


@pytest.mark.parametrize(
    ("looks", "words"),
    [
        ([], "was not seen in its middle twice"),
        ([(0, 1_000), (S, 0)], "was not seen in its middle twice"),
        ([(0, 900), (S, 900 - MIN_JOBS + 1)], f"it takes {MIN_JOBS}"),
        ([(0, 800), (S, 800)], f"it takes {MIN_JOBS}"),
    ],
)
def test_too_little_is_said(looks: list[tuple[int, int]], words: str) -> None:
    """There is no figure then, and no division by zero."""
    found, reason = fetched_per_s(looks, count=1_000, reserved=0)

    assert found is None
    assert words in reason


PLAIN = Contender(name="plain", pool="threads", slots=4)
BARE = Contender(name="bare", pool="threads", slots=4)
NOOP = Workload(
    name="no-op",
    kind="io.sleep",
    per_s={"plain": 400.0, "bare": 400.0},
    parameters={"delay_ms": 0},
)


def unrecorded_run(path: Path) -> dict[str, Any]:
    """Return the summary of a run in which `bare` left no records."""
    folder = make_run(path, contenders=[PLAIN, BARE], workloads=[NOOP], jobs=2_000)
    contenders = folder.read_manifest()["contenders"]
    contenders[1]["settings"] = {"probe": False}
    edit_manifest(folder, contenders=contenders)

    def measure_by_queue(trial: dict[str, Any]) -> None:
        per_s = (800 if trial["contender"] == "bare" else 600) * (1 + trial["block"] / 100)
        trial["measured_by"], trial["reserved"] = "queue", 20
        trial["queue_lengths"] = draining(count=trial["sent"], per_s=per_s)
        trial["redis_commands"], trial["redis_bytes"] = 5 * trial["sent"], 4_000 * trial["sent"]
        if trial["contender"] == "bare":
            trial["ended_by_celery"] = trial["sent"]

    edit_trials(folder, change=measure_by_queue)
    folder.write_jobs(folder.read_jobs().filter(contender="plain"))
    return summarize(folder)


def test_all_contenders_of_such_a_run_are_measured_alike(tmp_path: Path) -> None:
    """Records of the others are their account, and their throughput is their queue's too."""
    plain, bare = unrecorded_run(tmp_path / "run")["rows"]

    assert plain["throughput_per_s"]["median"] == pytest.approx(612, rel=0.01)
    assert bare["throughput_per_s"]["median"] == pytest.approx(816, rel=0.01)
    assert (plain["mark"], plain["ledger"]["lost"], plain["is_accounted"]) == ("", 0, True)


def test_a_row_without_records_says_so(tmp_path: Path) -> None:
    """It is no claim about jobs done: marked, in the ledger, and in the run's first line."""
    summary = unrecorded_run(tmp_path / "run")
    bare = summary["rows"][1]

    assert bare["mark"] == "~"
    assert any(UNACCOUNTED in reason for reason in bare["reasons"])
    assert (bare["ledger"]["lost"], bare["ledger"]["unaccounted"]) == (0, 10_000)
    assert (bare["is_accounted"], bare["jobs"], bare["wait_s"]) == (False, 0, None)
    is_whole, text = integrity(summary)
    assert not is_whole
    assert "10,000 of 20,000 done, 10,000 unaccounted" in text
    assert any("bare ran without the probe" in note for note in summary["notes"])


def test_a_row_without_records_leads_no_verdict(tmp_path: Path) -> None:
    """It was a third faster, and the verdict doesn't name it."""
    (verdict,) = unrecorded_run(tmp_path / "run")["verdicts"]

    assert verdict["best"] != "bare"
    assert "bare" not in verdict["text"]


def test_costs_are_for_the_jobs_that_ended(tmp_path: Path) -> None:
    """By Celery's own count where there are no records."""
    plain, bare = unrecorded_run(tmp_path / "run")["rows"]

    for row in (plain, bare):
        assert row["redis_commands_per_job"] == pytest.approx(5)
        assert row["redis_bytes_per_job"] == pytest.approx(4_000)
        assert row["cpu_s_per_1000_jobs"] > 0
