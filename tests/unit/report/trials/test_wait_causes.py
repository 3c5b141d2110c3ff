"""Why jobs waited: each cause by an example, and that the causes add up to the wait."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.run_manifest import Canvas, Contender, PlannedPart, PlannedTrial, WorkerGroup
from collector.schema import RECORD_SCHEMA, conform
from poolbench.job_options import JobOptions
from report.trials.wait_causes import wait_causes

ONE_SLOT = Contender(name="solo", pool="solo", slots=1)
TWO_WORKERS = Contender(name="pair", pool="prefork", slots=2, workers=2)


def job(seq: int, **times: Any) -> dict[str, Any]:
    """Return a record of a job that is due and sent at 0, with more of its columns."""
    return {"seq": seq, "attempt": 0, "due_ns": 0, "sent_ns": 0, "worker": "pair-1@here"} | times


def ran(seq: int, received: int, started: int, finished: int | None, **more: Any) -> dict[str, Any]:
    """Return a record with the moments of an execution, ns."""
    moments = {"received_ns": received, "started_ns": started, "finished_ns": finished}
    return job(seq, **moments, **more)


def split(
    *records: dict[str, Any],
    contender: Contender = ONE_SLOT,
    **options: JobOptions,
) -> pl.DataFrame:
    """Return the waits of these records; ``options`` are those of the parts of a mix."""
    parts = [
        PlannedPart(name=name, kind="io.sleep", parameters={}, share=0.5, options=one)
        for name, one in options.items()
    ]
    return split_parts(*records, contender=contender, parts=parts)


def split_parts(
    *records: dict[str, Any], parts: list[PlannedPart], contender: Contender = ONE_SLOT
) -> pl.DataFrame:
    """Return the waits of these records of a mix."""
    plan = PlannedTrial(
        trial=0,
        contender=contender.name,
        pool=contender.pool,
        slots=contender.slots,
        kind="mix" if parts else "io.sleep",
        block=0,
        workload="work",
        is_pilot=False,
        parts=tuple(parts),
    )
    frame = conform(pl.DataFrame(records, infer_schema_length=None), schema=RECORD_SCHEMA)
    return wait_causes(frame, plan=plan, contender=contender)


def last(waits: pl.DataFrame) -> dict[str, int]:
    """Return cause → wait of the last job; without causes that it doesn't have."""
    return {cause: wait for cause, wait in waits.drop("part").row(-1, named=True).items() if wait}


def test_a_wait_is_split_where_its_cause_changes() -> None:
    """In the queue until it is received, then beside a busy slot, then beside an idle one."""
    found = split(ran(0, 0, 0, 50), ran(1, 20, 60, 90))

    assert last(found) == {"queue": 20, "busy": 30, "idle_slot": 10}


def test_a_countdown_goes_before_the_queue_and_busy_slots() -> None:
    """Whether a worker has received the job or not; the rest of the wait has other causes."""
    found = split(ran(0, 0, 0, 50), ran(1, 10, 60, 90, eta_ns=30))
    late = split(ran(0, 0, 0, 50), ran(1, 40, 60, 90, eta_ns=30))

    assert last(found) == {"countdown": 30, "busy": 20, "idle_slot": 10}
    assert last(late) == {"countdown": 30, "queue": 10, "busy": 10, "idle_slot": 10}


def test_a_retry_waits_from_the_end_of_the_attempt_before() -> None:
    """Until its countdown is over; its job has the causes of both attempts."""
    again = ran(0, 95, 120, 130) | {"attempt": 1, "eta_ns": 110}
    found = split(ran(0, 5, 20, 100), again)

    assert last(found) == {"queue": 5, "idle_slot": 25, "countdown": 10}


@pytest.mark.parametrize(
    ("shape", "queued"),
    [("chain", {"b": 5, "c": 15}), ("chord", {"b": 25, "c": 15}), ("group", {"b": 25, "c": 45})],
)
def test_a_later_link_waits_from_the_end_of_those_before(
    shape: str, queued: dict[str, int]
) -> None:
    """A chain's of the one before, a chord's body of all; those of a group are due at once."""
    canvas = Canvas(name="all", shape=shape)
    moments = {"a": (0, 0, 20), "b": (25, 25, 30), "c": (45, 45, 50)}
    parts = [
        PlannedPart(name=name, kind="io.sleep", parameters={}, share=1 / 3, canvas=canvas)
        for name in moments
    ]
    records = [ran(seq, *at, part=name) for seq, (name, at) in enumerate(moments.items())]

    found = split_parts(*records, parts=parts)

    assert dict(found.select("part", "queue").rows()) == {"a": 0, **queued}


@pytest.mark.parametrize("limited", ["slow", "alike"])
def test_a_rate_limit_is_that_of_the_kind(limited: str) -> None:
    """It holds what a worker has received, even from a part that doesn't set it itself."""
    limit = JobOptions(rate_limit="6/m")
    found = split(ran(0, 30, 90, 95, part=limited), slow=limit, alike=JobOptions())

    assert last(found) == {"queue": 30, "rate_limit": 60}


@pytest.mark.parametrize(
    "celery",
    [
        {"task_default_rate_limit": "6/m"},
        {"task_annotations": {"io.sleep": {"rate_limit": "6/m"}}},
        {"task_annotations": {"*": {"rate_limit": "6/m"}}},
        {"task_annotations": [{"other": {}}, {"io.sleep": {"rate_limit": "6/m"}}]},
    ],
)
def test_a_contender_may_limit_kinds_too(celery: dict[str, Any]) -> None:
    """By Celery's settings, for jobs with and without a mix."""
    contender = replace(ONE_SLOT, celery=celery)
    record = ran(0, 30, 90, 95)

    for found in (
        split(record, contender=contender),
        split(record | {"part": "a"}, contender=contender, a=JobOptions()),
    ):
        assert last(found) == {"queue": 30, "rate_limit": 60}


def test_a_limit_of_one_group_holds_no_job_of_another() -> None:
    """Celery's setting limits the workers that have it alone."""
    limited = {"task_default_rate_limit": "6/m"}
    groups = (
        WorkerGroup(name="a", pool="solo", slots=1, queues=("a",), celery=limited),
        WorkerGroup(name="b", pool="solo", slots=1, queues=("b",)),
    )
    contender = Contender(name="x", pool="solo", slots=2, groups=groups)
    records = [
        ran(seq, 0, 50, 80, worker=f"x:{name}:1@here", part=name) for seq, name in enumerate("ab")
    ]

    found = split(*records, contender=contender, a=JobOptions(queue="a"), b=JobOptions(queue="b"))

    assert found["rate_limit"].to_list() == [50, 0]
    assert found["idle_slot"].to_list() == [0, 50]


def test_an_idle_slot_of_another_worker_is_a_cause_of_its_own() -> None:
    """As long as its own worker is busy: the job would have started there."""
    other = {"worker": "pair-2@here"}
    found = split(
        ran(0, 0, 0, 80), ran(1, 0, 0, 30, **other), ran(2, 10, 100, 120), contender=TWO_WORKERS
    )

    assert last(found) == {"queue": 10, "busy": 20, "idle_worker": 50, "idle_slot": 20}


def test_another_queue_is_no_place_for_a_job() -> None:
    """A worker that doesn't consume the job's queue could not have run it, idle or not."""
    groups = tuple(
        WorkerGroup(name=name, pool="prefork", slots=1, queues=(name,)) for name in ("a", "b")
    )
    contender = Contender(name="x", pool="prefork", slots=2, groups=groups)
    waiting = [
        ran(seq, 0, 80 * seq, 80 + 80 * seq, worker="x:a:1@here", part="a") for seq in (0, 1)
    ]
    found = split(*waiting, contender=contender, a=JobOptions(queue="a"))
    shared = split(
        *waiting,
        contender=replace(contender, groups=(groups[0], replace(groups[1], queues=("a", "b")))),
        a=JobOptions(queue="a"),
    )

    assert last(found) == {"busy": 80}
    assert last(shared) == {"idle_worker": 80}


def test_a_worker_that_ran_nothing_is_idle() -> None:
    """It has no record, but its slots could have run the jobs."""
    found = split(ran(0, 0, 0, 80), ran(1, 10, 80, 90), contender=TWO_WORKERS)

    assert last(found) == {"queue": 10, "idle_worker": 70}


@pytest.mark.parametrize(
    ("first", "contender"),
    [
        (ran(0, 0, 0, None), ONE_SLOT),
        (ran(0, 0, 0, 90, worker=None), TWO_WORKERS),
        (ran(0, 0, 0, 90), Contender(name="any", pool="prefork", slots=0)),
        (
            ran(0, 0, 0, 90),
            Contender(name="any", pool="prefork", slots=2, arguments=("--autoscale", "2,1")),
        ),
    ],
    ids=["no-end", "no-worker", "no-slots", "autoscale"],
)
def test_what_the_records_do_not_show_is_unknown(
    first: dict[str, Any], contender: Contender
) -> None:
    """An execution without an end, a worker without a name, slots without a number."""
    found = split(first, ran(1, 20, 60, 90, worker=first["worker"]), contender=contender)

    assert last(found) == {"queue": 20, "unknown": 40}


def test_a_wait_without_its_receiving_is_unknown() -> None:
    """The countdown is known all the same."""
    found = split(ran(0, 0, 60, 90, eta_ns=40) | {"received_ns": None})

    assert last(found) == {"countdown": 40, "unknown": 20}


def test_jobs_that_never_started_have_no_wait() -> None:
    """They are no rows, so that percentiles are those of jobs that ran."""
    found = split(job(0, received_ns=10), ran(1, 20, 60, 90))

    assert found.height == 1


moments = st.integers(0, 40)
executions = st.fixed_dictionaries(
    {
        "seq": st.integers(0, 5),
        "attempt": st.integers(0, 2),
        "worker": st.sampled_from(["pair-1@here", "pair-2@here", None]),
        "part": st.sampled_from(["a", "b", None]),
        "due_ns": st.just(3),
        "eta_ns": st.none() | moments,
        "received_ns": st.none() | moments,
        "started_ns": st.none() | moments,
        "finished_ns": st.none() | moments,
    }
)


@given(
    records=st.lists(executions, min_size=1, max_size=12),
    is_limited=st.booleans(),
    contender=st.sampled_from([ONE_SLOT, TWO_WORKERS]),
)
def test_the_causes_add_up_to_the_wait(
    records: list[dict[str, Any]], *, is_limited: bool, contender: Contender
) -> None:
    """Of any records, by a plain count; no cause is negative."""
    limit = JobOptions(rate_limit="6/m" if is_limited else "")
    found = split(*records, contender=contender, a=limit)

    waits = plain_waits(records)
    assert [*map(sum, found.drop("part").rows())] == [wait for _, wait in sorted(waits.items())]
    assert found.height == len(waits)
    assert all(wait >= 0 for row in found.drop("part").rows() for wait in row)


def plain_waits(records: list[dict[str, Any]]) -> dict[int, int]:
    """Return seq → wait of the executions whose beginning is known, one after another."""
    first: dict[tuple[int, int], dict[str, Any]] = {}
    for one in records:
        at = (one["seq"], one["attempt"])
        if one["started_ns"] is not None:
            is_first = at not in first or one["started_ns"] < first[at]["started_ns"]
            first[at] = one if is_first else first[at]
    waits: dict[int, int] = {}
    for (seq, attempt), one in first.items():
        before = first.get((seq, attempt - 1), {})
        begin = one["due_ns"] if attempt == 0 else before.get("finished_ns")
        if begin is not None:
            waits[seq] = waits.get(seq, 0) + max(0, one["started_ns"] - begin)
    return waits
