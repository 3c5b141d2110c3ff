"""Writes lanes as a trace that Perfetto shows (ui.perfetto.dev). Pure.

The format is Chrome's Trace Event Format in its JSON object form, which Perfetto documents as
readable (https://perfetto.dev/docs/getting-started/other-formats). Times are microseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from report.analyses.slot_lanes import SlotLanes
from report.charts.slots import LOOKS

#: Number of the first thread that is no slot.
_THREADS_FROM = 10_000

_QUEUE = "jobs in the queue"


def to_trace(lanes: Sequence[SlotLanes]) -> dict[str, Any]:
    """Return the trace: a process for each worker, a thread for each lane, slices for jobs.

    The slice of a job contains one for each state of its slot.
    """
    events = [event for pid, one in enumerate(lanes, start=1) for event in _events(one, pid=pid)]
    return {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {"writer": "poolbench", "sampled at Hz": max(one.sample_hz for one in lanes)},
    }


def _events(lanes: SlotLanes, *, pid: int) -> Iterator[dict[str, Any]]:
    yield _named("process_name", lanes.name, pid=pid, tid=0)
    for tid, lane in enumerate(lanes.slots, start=1):
        yield _named("thread_name", lane.name, pid=pid, tid=tid)
    for job in lanes.jobs:
        yield _slice(
            f"job {job.number}", "job", job.begin_s, job.end_s, pid=pid, tid=job.lane + 1,
            args={"kind": job.kind, "outcome": job.outcome, "waited before, s": job.waited_s},
        )  # fmt: skip
    places = [
        *enumerate(lanes.slots, start=1),
        *enumerate(lanes.threads, start=_THREADS_FROM),
    ]
    for tid, lane in places:
        if tid >= _THREADS_FROM:
            yield _named("thread_name", lane.name, pid=pid, tid=tid)
        for one in lane.segments:
            name = LOOKS[one.state].name
            yield _slice(name, "state", one.begin_s, one.end_s, pid=pid, tid=tid)
    for at_s, count in lanes.waiting:
        yield {
            "ph": "C", "name": _QUEUE, "ts": _us(at_s), "pid": pid, "tid": 0,
            "args": {"jobs": count},
        }  # fmt: skip


def _named(what: str, name: str, *, pid: int, tid: int) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def _slice(
    name: str,
    category: str,
    begin_s: float,
    end_s: float,
    *,
    pid: int,
    tid: int,
    args: dict[str, Any] | None = None,
) -> dict[str, Any]:
    begin_us = _us(begin_s)
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "ts": begin_us,
        "dur": round(_us(end_s) - begin_us, 3),
        "pid": pid,
        "tid": tid,
        "args": args or {},
    }


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 3)
