"""What a run reports of jobs that blocked an event loop."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from collector.reasons import Code
from collector.run_manifest import Contender
from report.summary import summarize
from report.trials.loop_blocking import TrialBlocking, find_blocking, measure_blocking
from tests.summaries import codes, known, row_of
from tests.synthetic import S, Workload, make_run

_MS = S // 1_000

_ASYNCIO = Contender(name="asyncio-4", pool="asyncio", slots=4)
_THREADS = Contender(name="threads-4", pool="threads", slots=4)
_SOLO = Contender(name="solo", pool="solo", slots=1)
_FILE = Workload(
    name="io.file", kind="io.file", per_s={"asyncio-4": 10.0, "threads-4": 40.0, "solo": 10.0}
)


def blocking(*blocked_ms: int | None, are_lost: bool = False) -> TrialBlocking:
    """Return what a trial of jobs of 100 ms, one after the other, reports of its loop."""
    jobs = pl.DataFrame({"blocked_ms": blocked_ms}, schema={"blocked_ms": pl.Int64})
    index = pl.int_range(pl.len())
    return measure_blocking(
        jobs.select(
            started_ns=index * 100 * _MS,
            finished_ns=pl.when(not are_lost).then((index + 1) * 100 * _MS),
            blocked_ns=pl.col("blocked_ms") * _MS,
        )
    )


def test_the_share_is_of_the_time_from_first_start_to_last_finish() -> None:
    """150 ms of 400; the longest of one job; how many of how many."""
    found = known(find_blocking([blocking(90, 0), blocking(60, None)], pool="asyncio"))

    assert found.share == pytest.approx(150 / 400)
    assert (found.longest_s, found.jobs, found.seen) == (0.09, 2, 4)
    assert found.reason.code is Code.LOOP_BLOCKED
    assert found.reason.parameters["share"] == found.share


def test_a_loop_that_nobody_blocked_is_reported_too() -> None:
    """Silence could mean that nobody looked; other pools have no loop and say nothing."""
    trials = [blocking(0, None)]

    assert known(find_blocking(trials, pool="asyncio")).reason.code is Code.LOOP_FREE
    for pool in ("gevent", "threads", "prefork", "solo"):
        assert find_blocking(trials, pool=pool) is None


def test_without_a_job_nothing_is_known() -> None:
    """A row without a valid trial, and trials whose jobs never ended."""
    assert find_blocking([], pool="asyncio") is None
    assert find_blocking([blocking(None, are_lost=True)], pool="asyncio") is None


def test_row_and_verdict_say_what_blocking_did(tmp_path: Path) -> None:
    """Jobs blocked asyncio's loop for 90 of their 100 ms: figures, and one plain sentence."""
    folder = make_run(tmp_path / "run", contenders=[_ASYNCIO, _THREADS, _SOLO], workloads=[_FILE])
    blocked_ns = pl.when(pl.col("contender") == "asyncio-4").then(90 * _MS).alias("blocked_ns")
    folder.write_jobs(folder.read_jobs().with_columns(blocked_ns))

    summary = summarize(folder)
    row = row_of(summary, "asyncio-4")
    found = known(row.blocking)

    assert found.share == pytest.approx(0.9, abs=0.1)
    assert (found.longest_s, found.jobs, found.seen) == (0.09, 200, 200)
    assert codes(row) == [Code.LOOP_BLOCKED]
    assert "`io.file` blocks asyncio's loop: for " in summary.verdicts[0].text
    assert "and no other job ran." in summary.verdicts[0].text
    assert [row.blocking for row in summary.rows if row.pool != "asyncio"] == [None, None]
