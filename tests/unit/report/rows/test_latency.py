"""The split of a job's time, and percentiles only where there are jobs enough."""

from __future__ import annotations

import polars as pl
import pytest

from collector.metrics import broker_waits_ns, prefetch_waits_ns, responses_ns
from report.rows.latency import pool_sorted, wait_parts, whole_span
from report.trials.latency_spans import PARTS, SPANS, WaitParts, measure_spans
from tests.summaries import known

MS = 1_000_000


def jobs(count: int, *, outcome: str = "done") -> pl.DataFrame:
    """Return jobs due 10 ms apart: 1 ms late, 2 ms in the broker, 3 prefetched, 4 executing."""
    due_ns = [index * 10 * MS for index in range(count)]
    return pl.DataFrame(
        {
            "trial": [0] * count,
            "seq": [*range(count)],
            "attempt": [0] * count,
            "due_ns": due_ns,
            "sent_ns": [due + 1 * MS for due in due_ns],
            "received_ns": [due + 3 * MS for due in due_ns],
            "started_ns": [due + 6 * MS for due in due_ns],
            "finished_ns": [due + 10 * MS for due in due_ns],
            "outcome": [outcome] * count,
        }
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


def test_nothing_measured_tells_nothing() -> None:
    """No valid trial: every figure is None, and none is missing."""
    spans = pool_sorted([])

    assert {name: whole_span(times_ns) for name, times_ns in spans.items()} == dict.fromkeys(SPANS)
    assert wait_parts(spans) == WaitParts()


def test_a_retry_lay_in_no_broker_that_was_stamped() -> None:
    """The worker sends it, at a moment nobody wrote down: only first attempts count there."""
    retried = jobs(2).with_columns(attempt=pl.Series([0, 1]))

    assert broker_waits_ns(retried).to_list() == [2 * MS]
    assert prefetch_waits_ns(retried).to_list() == [3 * MS, 3 * MS]


def test_only_jobs_done_have_a_response() -> None:
    """One that failed was not answered."""
    assert responses_ns(jobs(3, outcome="failed")).to_list() == []


def test_every_part_is_measured() -> None:
    """The split names spans that a trial keeps."""
    assert set(PARTS) <= set(SPANS)
