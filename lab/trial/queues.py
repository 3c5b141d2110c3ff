"""Addresses pilots to a contender's queues. Pure."""

from __future__ import annotations

from dataclasses import replace

from collector.run_manifest import Contender, Part, Workload
from lab.experiment.model import MIX
from poolbench.job_options import JobOptions

#: Name of the part of a pilot that reaches one queue.
PILOT = "pilot"


def spread(workload: Workload, *, contender: Contender) -> Workload:
    """Return a workload of one kind whose jobs reach all groups of a contender, by their slots.

    The jobs of each group go to its first queue. A contender that consumes nothing but its default
    queue gets the workload unchanged, and so do tasks of a user's app, which routes them.
    """
    if contender.queues_consumed == {""} or workload.mix:
        return workload
    parts = tuple(
        Part(
            name=group.name or PILOT,
            kind=workload.kind,
            parameters=workload.parameters,
            share=group.slots * group.workers / contender.slots,
            options=JobOptions(queue=next(iter(group.queues), "")),
        )
        for group in contender.crew
    )
    return replace(workload, kind=MIX, parameters={}, mix=parts, is_in_sequence=True)


def addressed(workload: Workload, *, contender: Contender, queue: str) -> Workload:
    """Return a workload of one kind whose jobs go where a contender's jobs for ``queue`` go.

    They go to the default queue of a contender that doesn't consume ``queue``, if it has one.
    """
    consumed = contender.queues_consumed
    if workload.mix:
        return workload
    if queue and queue in consumed:
        part = Part(
            name=PILOT,
            kind=workload.kind,
            parameters=workload.parameters,
            share=1.0,
            options=JobOptions(queue=queue),
        )
        return replace(workload, kind=MIX, parameters={}, mix=(part,))
    return workload if "" in consumed else spread(workload, contender=contender)
