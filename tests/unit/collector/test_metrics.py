"""A trial's figures, against values worked out by hand and by a slow plain count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.metrics import (
    FIGURE_COLUMNS,
    Figures,
    executions_ns,
    figures,
    peak_in_flight,
    percentiles,
    waits_ns,
)
from collector.reasons import Code, Reason
from collector.schema import RECORD_SCHEMA, conform
from poolbench.summaries import Percentiles
from tests.summaries import known

S = 1_000_000_000


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return records of the given values."""
    frame = pl.DataFrame(list(rows), infer_schema_length=None)
    return conform(frame, schema=RECORD_SCHEMA)


def finishing(*finishes_s: float, outcome: str = "done", takes_s: float = 1.0) -> pl.DataFrame:
    """Return one job for each finish, due at 1 s and begun ``takes_s`` before its end."""
    rows = [
        {"seq": seq, "started_ns": int((finish_s - takes_s) * S), "finished_ns": int(finish_s * S)}
        for seq, finish_s in enumerate(finishes_s)
    ]
    known = {"trial": 0, "due_ns": S, "sent_ns": S, "outcome": outcome}
    return table(*({**known, **row} for row in rows))


def capacity(records: pl.DataFrame, *, slots: int) -> Figures:
    """Return the figures of a capacity trial."""
    return figures(records, slots=slots, is_capacity=True)


def test_capacity_throughput_leaves_out_the_filling_of_the_slots() -> None:
    """(n - k) / (f_n - f_k): twelve finishes, two slots; the slow first two don't count."""
    finishes = [50.0, 60.0, *(61.0 + step for step in range(10))]
    records = finishing(*finishes, takes_s=1.5)

    assert capacity(records, slots=2).throughput_per_s == pytest.approx(10 / 10)


def test_slots_that_were_never_busy_fill_nothing() -> None:
    """A hundred greenlets run one job that computes at a time: k is 1, and ten jobs are enough."""
    found = capacity(finishing(*range(10, 20)), slots=100)

    assert found.throughput_per_s == pytest.approx(1.0)
    assert found.peak_in_flight == 1


def test_capacity_throughput_counts_done_executions_only() -> None:
    """A contender that fails fast is not fast."""
    records = pl.concat([finishing(*range(2, 12)), finishing(*range(2, 90), outcome="failed")])

    assert capacity(records, slots=1).throughput_per_s == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("finishes_s", "slots", "expected"),
    [
        # fewer than five finishes for each in flight are mostly beginning and end
        (range(10, 14), 2, Reason.of(Code.FEW_JOBS, done=4, in_flight=1, needed=5)),
        ((), 1, Reason.of(Code.FEW_JOBS, done=0, in_flight=1, needed=5)),
        (range(10, 19), 0, Reason.of(Code.SLOTS_UNKNOWN)),
        # no division by zero: the clock could not tell
        ([9.0] * 10, 1, Reason.of(Code.SAME_INSTANT)),
    ],
)
def test_capacity_throughput_is_refused_with_a_reason(
    finishes_s: Sequence[float], slots: int, expected: Reason
) -> None:
    """No figure is guessed."""
    found = capacity(finishing(*finishes_s), slots=slots)

    assert (found.throughput_per_s, found.reasons) == (None, (expected,))


@pytest.mark.parametrize(
    ("finishes_s", "throughput_per_s", "reasons"),
    [
        pytest.param((3, 5, 7, 9), 4 / 8, (), id="from-due-at-1-s-to-the-last-end"),
        pytest.param((0.5,), None, (Reason.of(Code.DONE_BEFORE_DUE),), id="clock-set-back"),
    ],
)
def test_rate_throughput_runs_from_the_first_due_time(
    finishes_s: Sequence[float], throughput_per_s: float | None, reasons: tuple[Reason, ...]
) -> None:
    """Up to the last job done; where that was before the due time, there is a reason instead."""
    found = figures(finishing(*finishes_s), slots=4, is_capacity=False)

    assert (found.throughput_per_s, found.reasons) == (throughput_per_s, reasons)


def test_trial_without_a_job_done_has_reasons_instead_of_figures() -> None:
    """Nothing done: no figure at all, and no exception."""
    found = figures(table(), slots=4, is_capacity=False)

    assert (found.throughput_per_s, found.wait_s, found.execution_s, found.lag_s) == (None,) * 4
    assert (found.peak_in_flight, found.reasons) == (0, (Reason.of(Code.NO_JOB_DONE),))


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.integers(0, 10**12), min_size=1, max_size=300))
def test_percentile_is_the_least_value_that_covers_its_share(values: list[int]) -> None:
    """At least p % of the values are no greater, and of any smaller measured value fewer."""
    found = known(percentiles(pl.Series(values)))

    for percent, value_s in ((50, found.p50), (95, found.p95), (99, found.p99)):
        candidates = [
            v for v in values if 100 * sum(o <= v for o in values) >= percent * len(values)
        ]
        assert value_s == min(candidates) / S


def test_wait_counts_once_a_job_and_from_when_it_was_due() -> None:
    """A retried or redelivered job waited until its first start; without a due time it is out."""
    records = table(
        {"trial": 0, "seq": 0, "due_ns": 10, "started_ns": 90, "attempt": 1},
        {"trial": 0, "seq": 0, "due_ns": 10, "started_ns": 30, "attempt": 0},
        {"trial": 1, "seq": 0, "due_ns": 10, "started_ns": 50, "attempt": 0},
        {"trial": 0, "seq": 1, "due_ns": 10, "started_ns": None, "attempt": 0},
        {"trial": 0, "seq": None, "due_ns": None, "started_ns": 70, "attempt": 0},
    )

    assert sorted(waits_ns(records)) == [20, 40]


def test_execution_is_that_of_jobs_done() -> None:
    """A failure's and a timeout's duration say nothing about the work."""
    records = pl.concat([finishing(4), finishing(9, outcome="timed-out")])

    assert executions_ns(records).to_list() == [S]


def test_lag_is_the_producers_lateness() -> None:
    """Sent - due stands beside every latency; where nothing has a time, there is none."""
    late = table({"trial": 0, "seq": 0, "due_ns": S, "sent_ns": 3 * S})

    assert figures(late, slots=1, is_capacity=False).lag_s == Percentiles(p50=2.0, p95=2.0, p99=2.0)
    assert percentiles(pl.Series([None], dtype=pl.Int64)) is None


@pytest.mark.parametrize(
    ("spans", "peak"),
    [([], 0), ([(0, 10), (10, 20)], 1), ([(0, 10), (9, 20), (5, 6)], 2), ([(0, None), (1, 2)], 1)],
)
def test_peak_in_flight(spans: list[tuple[int, int | None]], peak: int) -> None:
    """Touching executions don't overlap; one whose end is unknown is left out."""
    rows = [{"started_ns": start, "finished_ns": end} for start, end in spans]

    assert peak_in_flight(table(*rows)) == peak


@settings(max_examples=60, deadline=None)
@given(spans=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), min_size=1, max_size=12))
def test_peak_in_flight_is_that_of_plain_counting(spans: list[tuple[int, int]]) -> None:
    """The sweep finds what looking at every instant finds."""
    rows = [{"started_ns": start, "finished_ns": start + taken} for start, taken in spans]

    plain = max(sum(s <= now < s + taken for s, taken in spans) for now in range(41))

    assert peak_in_flight(table(*rows)) == plain


@pytest.mark.parametrize(
    ("boots", "sender", "is_shared"),
    [
        (["a", "a"], None, True),
        (["a", None], "a", True),
        (["a", "b"], None, False),
        (["a", "a"], "b", False),
        ([None], "b", True),
    ],
)
def test_latencies_of_another_host_are_called_out(
    boots: list[str | None], sender: str | None, *, is_shared: bool
) -> None:
    """Two clocks are never subtracted in silence."""
    rows = [{"trial": 0, "seq": 0, "boot_id": boot, "due_ns": 0} for boot in boots]

    found = figures(table(*rows), slots=1, is_capacity=False, sender_boot_id=sender)

    assert found.is_clock_shared is is_shared
    assert (Reason.of(Code.FOREIGN_CLOCK) in found.reasons) is not is_shared


def test_figures_need_few_columns() -> None:
    """A report may leave the rest of a million records on disk."""
    whole = finishing(*range(2, 20))

    assert capacity(whole.select(FIGURE_COLUMNS), slots=1) == capacity(whole, slots=1)
