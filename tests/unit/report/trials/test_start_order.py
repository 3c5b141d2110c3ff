"""How far jobs start in the order that their priorities ask for, against a plain count."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.run_manifest import PlannedPart, PlannedTrial
from collector.schema import RECORD_SCHEMA, conform
from poolbench.job_options import JobOptions
from report.trials.start_order import StartOrder, start_order

#: A job of a part: when it is due and when it starts, ns.
Job = tuple[str, int, int]


def order_of(
    jobs: list[Job], *, eta_ns: int | None = None, **priorities: int | None
) -> StartOrder | None:
    """Return the order of jobs of parts with these priorities."""
    parts = tuple(
        PlannedPart(
            name=name,
            kind="io.sleep",
            parameters={},
            share=0.5,
            options=JobOptions(priority=priority),
        )
        for name, priority in priorities.items()
    )
    plan = PlannedTrial(
        trial=0, contender="solo", pool="solo", slots=1, kind="mix", block=0, workload="work",
        is_pilot=False, parts=parts,
    )  # fmt: skip
    rows: list[dict[str, Any]] = [
        {"seq": seq, "attempt": 0, "part": part, "due_ns": due, "started_ns": start}
        for seq, (part, due, start) in enumerate(jobs)
    ]
    rows[0]["eta_ns"] = eta_ns
    frame = conform(pl.DataFrame(rows, infer_schema_length=None), schema=RECORD_SCHEMA)
    return start_order(frame, plan=plan)


def test_pairs_that_waited_together_are_counted() -> None:
    """Of two jobs that never waited at the same time, neither overtook the other."""
    jobs = [("low", 0, 10), ("high", 5, 20), ("low", 5, 30), ("high", 40, 50)]

    assert order_of(jobs, high=0, low=9) == StartOrder(pairs=2, in_order=1)


def test_a_countdown_is_no_wait_for_a_slot() -> None:
    """A job of high priority that may not start yet is overtaken by nobody."""
    jobs = [("high", 0, 30), ("low", 0, 10), ("low", 0, 40)]

    assert order_of(jobs, eta_ns=20, high=0, low=9) == StartOrder(pairs=1, in_order=1)


def test_a_job_that_starts_before_its_countdown_is_over_never_waited() -> None:
    """A pool's timer may be a little early; the job forms no pair."""
    jobs = [("low", 0, 18), ("high", 19, 19)]

    assert order_of(jobs, eta_ns=20, high=0, low=9) is None


@pytest.mark.parametrize("low", [0, None])
def test_equal_priorities_ask_for_no_order(low: int | None) -> None:
    """Redis serves a message without a priority as one of priority 0."""
    assert order_of([("high", 0, 10), ("low", 0, 5)], high=0, low=low) is None


@given(
    jobs=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.integers(1, 20)),
        min_size=1,
        max_size=9,
        unique_by=lambda job: job[1] + job[2],
    )
)
def test_every_pair_is_counted_once(jobs: list[Job]) -> None:
    """Of any jobs of three priorities, as a comparison of each two says."""
    priority = {"a": 0, "b": 3, "c": 9}
    waits = [(part, due, due + wait) for part, due, wait in jobs]
    plain = [
        (priority[one[0]] < priority[other[0]]) == (one[2] < other[2])
        for one, other in combinations(waits, 2)
        if one[0] != other[0] and one[1] <= other[2] and other[1] <= one[2]
    ]
    found = order_of(waits, **priority)

    assert (found.pairs, found.in_order) == (len(plain), sum(plain)) if found else not plain
