"""The split of a job's time, and percentiles only where there are jobs enough."""

from __future__ import annotations

import polars as pl
import pytest

from collector.metrics import broker_waits_ns, prefetch_waits_ns, responses_ns
from report.rows.latency import pool_causes, pool_sorted, wait_parts, whole_span
from report.trials.latency_spans import PARTS, SPANS, WaitParts, measure_spans
from report.trials.wait_causes import Cause
from tests.summaries import known

MS = 1_000_000


def jobs(count: int, *, outcome: str = "done") -> pl.DataFrame:
    """Return jobs due 10 ms apart: 1 ms late, 2 ms in the broker, 3 prefetched, 4 executing."""
    stamps_ms = {"due_ns": 0, "sent_ns": 1, "received_ns": 3, "started_ns": 6, "finished_ns": 10}
    return pl.select(seq=pl.int_range(count)).with_columns(
        trial=0,
        attempt=0,
        outcome=pl.lit(outcome),
        **{name: (pl.col("seq") * 10 + at_ms) * MS for name, at_ms in stamps_ms.items()},
    )


def test_the_parts_make_up_the_response() -> None:
    """1 + 2 + 3 + 4 ms are the 10 ms from due to finished."""
    spans = pool_sorted([measure_spans(jobs(40))])

    parts = [known(getattr(wait_parts(spans), name)).p50 for name in PARTS]
    assert parts == pytest.approx([0.001, 0.002, 0.003, 0.004])
    assert known(whole_span(spans["response"])).p50 == pytest.approx(sum(parts))
    assert known(whole_span(spans["wait"])).p50 == pytest.approx(0.006)


def test_a_percentile_takes_jobs_enough() -> None:
    """Of forty jobs p90 is told in a part, and p95 on not; p99.9 takes 2,995."""
    few, many = (pool_sorted([measure_spans(jobs(count))]) for count in (40, 3_000))

    assert known(wait_parts(few).broker).p90 == pytest.approx(0.002)
    assert known(wait_parts(few).broker).p95 is None
    assert known(whole_span(few["wait"])).p99 == pytest.approx(0.006)
    assert known(whole_span(few["wait"])).p99_9 is None
    assert known(whole_span(many["wait"])).p99_9 == pytest.approx(0.006)
    assert known(wait_parts(many).execution).p99_9 == pytest.approx(0.004)


def test_repetitions_are_pooled_and_never_averaged() -> None:
    """The slow tenth of two trials together, not the mean of two tenths."""
    slow = jobs(30).with_columns(pl.col("finished_ns") + 990 * MS)

    spans = pool_sorted([measure_spans(jobs(170)), measure_spans(slow)])

    found = known(whole_span(spans["execution"]))
    assert found.p50 == pytest.approx(0.004)
    assert found.p95 == pytest.approx(0.994)


def test_a_cause_that_a_trial_lacks_counts_as_no_wait() -> None:
    """Two trials together, all jobs and then each part; the means add up to that of the wait."""
    queued = pl.DataFrame({"part": ["a", "b"], Cause.QUEUE: [MS, 3 * MS]})
    held = pl.DataFrame({"part": ["a", "a"], Cause.QUEUE: [0, 0], Cause.BUSY: [5 * MS, 7 * MS]})

    whole, a, b = pool_causes([queued, held], parts=["a", "b"])

    assert (whole.part, whole.jobs) == ("", 4)
    assert whole.mean_s == pytest.approx(0.004)
    assert {cause: one.share for cause, one in whole.causes.items()} == {
        Cause.BUSY: pytest.approx(0.75),
        Cause.QUEUE: pytest.approx(0.25),
    }
    assert sum(one.mean_s for one in whole.causes.values()) == pytest.approx(whole.mean_s)
    assert (a.part, a.jobs) == ("a", 3)
    assert a.causes[Cause.BUSY].mean_s == pytest.approx(0.004)
    assert (b.part, b.jobs, [*b.causes]) == ("b", 1, [Cause.QUEUE])


def test_nothing_measured_tells_nothing() -> None:
    """No valid trial: every figure is None, and none is missing."""
    spans = pool_sorted([])

    assert {name: whole_span(times_ns) for name, times_ns in spans.items()} == dict.fromkeys(SPANS)
    assert wait_parts(spans) == WaitParts()
    assert pool_causes([]) == ()


def test_only_what_was_stamped_and_done_has_a_span() -> None:
    """A worker sends a retry at a moment nobody wrote down; a job that failed was not answered."""
    retried = jobs(2).with_columns(attempt=pl.Series([0, 1]))

    assert broker_waits_ns(retried).to_list() == [2 * MS]
    assert prefetch_waits_ns(retried).to_list() == [3 * MS, 3 * MS]
    assert responses_ns(jobs(3, outcome="failed")).to_list() == []
