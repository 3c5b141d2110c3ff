"""Splits the waits of recorded jobs by cause, as the waits of a trial are split. Pure.

A recording has no plan: queues, slots and rate limits are those that its workers reported. The wait
of each execution begins when it was published; where that is unknown, when it was received.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from collector.recording import Recording
from collector.run_manifest import Contender, PlannedPart, PlannedTrial, WorkerGroup
from poolbench.job_options import JobOptions
from report.profile.levels import slots_of
from report.rows.latency import pool_causes
from report.trials.wait_causes import COLUMNS, WaitCauses, wait_causes


def waits_by_task(recording: Recording) -> Mapping[str, WaitCauses]:
    """Return the waits of each task's executions by cause; "" is all tasks together.

    Empty if no execution that started has the moment when it was received or published.
    """
    begin_ns = pl.coalesce("published_ns", "received_ns")
    crew = _crew(recording)
    started = recording.jobs.filter(pl.col("started_ns").is_not_null(), begin_ns.is_not_null())
    if started.is_empty():
        return {}
    part = pl.concat_str(pl.col("kind"), pl.col("queue").fill_null(""), separator="\n")
    records = started.with_columns(
        seq=pl.int_range(pl.len(), dtype=pl.Int64),
        attempt=pl.lit(0, pl.Int64),
        due_ns=begin_ns,
        part=part,
        worker=_name(pl.col("session")),
    ).select(*COLUMNS, "kind", "queue")
    parts = records.select("part", "kind", "queue").unique()
    kinds = dict(parts.select("part", "kind").iter_rows())
    found = wait_causes(
        pl.concat([records, _absences(recording, crew=crew)], how="diagonal"),
        plan=_plan(parts, limits=_rate_limits(recording)),
        contender=Contender(name="recording", pool="", slots=0, groups=crew),
    )
    by_task = found.with_columns(part=pl.col("part").cast(pl.String).replace_strict(kinds))
    tasks = sorted(by_task["part"].unique())
    whole, *each = pool_causes([by_task], parts=tasks)
    return {"": whole, **({one.part: one for one in each} or {tasks[0]: whole})}


def _name(session: pl.Expr) -> pl.Expr:
    """Return the names of the sessions' workers, with the group as `group_of` finds it."""
    return pl.format("worker:{}:1", session)


def _crew(recording: Recording) -> tuple[WorkerGroup, ...]:
    """Return a group for each session: its slots, 0 if their number changed, and its queues."""
    found = []
    for at, session in enumerate(recording.sessions):
        slots, is_fixed = slots_of(recording, session=at)
        worker = session.worker
        found.append(
            WorkerGroup(
                name=str(at),
                pool=worker.pool if worker else "",
                slots=slots if is_fixed else 0,
                queues=worker.queues if worker else (),
            )
        )
    return tuple(found)


def _absences(recording: Recording, *, crew: tuple[WorkerGroup, ...]) -> pl.DataFrame:
    """Return executions that keep the slots of a session busy while there is none.

    They are no jobs: without them, a worker that isn't there would have idle slots.
    """
    first_ns = min(one.begin_ns for one in recording.sessions)
    last_ns = max(one.end_ns for one in recording.sessions)
    rows = [
        {"worker": f"worker:{group.name}:1", "started_ns": begin_ns, "finished_ns": end_ns}
        for session, group in zip(recording.sessions, crew, strict=True)
        for begin_ns, end_ns in ((first_ns, session.begin_ns), (session.end_ns, last_ns))
        for _ in range(group.slots)
        if begin_ns < end_ns
    ]
    schema = {"worker": pl.String, "started_ns": pl.Int64, "finished_ns": pl.Int64}
    return pl.DataFrame(rows, schema)


def _rate_limits(recording: Recording) -> Mapping[str, str]:
    """Return the rate limit of each registered task, such as ``10/m``; empty without one."""
    workers = [one.settings for one in recording.workers]
    default = next((one for s in workers if (one := s.get("task_default_rate_limit"))), "")
    return {
        name: str(options.get("rate_limit", default) or "")
        for name, options in recording.tasks.items()
    }


def _plan(parts: pl.DataFrame, *, limits: Mapping[str, str]) -> PlannedTrial:
    """Return the plan of a trial with a part for each task and queue."""
    return PlannedTrial(
        trial=0,
        contender="recording",
        pool="",
        slots=0,
        kind="",
        block=0,
        workload="",
        is_pilot=False,
        parts=tuple(
            PlannedPart(
                name=part,
                kind=kind,
                parameters={},
                share=1 / parts.height,
                options=JobOptions(queue=queue or "", rate_limit=limits.get(kind, "")),
            )
            for part, kind, queue in parts.iter_rows()
        ),
    )
