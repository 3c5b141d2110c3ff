"""Lanes of one job, made by hand."""

from __future__ import annotations

from typing import Any

from report.analyses.slot_lanes import Lane, LaneJob, Segment, SlotLanes, State


def lanes_with(name: str = "threads-4", *, waited_s: float = 0.0, **known: Any) -> SlotLanes:
    """Return the lanes of a job that was in these states for so long, one after another.

    ``known`` has seconds by the name of a `State`, and other fields of the lanes.
    """
    states_s = {State[key]: known.pop(key) for key in list(known) if key in State.__members__}
    segments, at_s = [], waited_s
    for state, spent_s in states_s.items():
        segments.append(Segment(state=state, begin_s=at_s, end_s=at_s + spent_s))
        at_s += spent_s
    job = LaneJob(
        number=1,
        kind="cpu.primes",
        outcome="done",
        lane=0,
        begin_s=waited_s,
        end_s=at_s,
        waited_s=waited_s,
        states_s=states_s,
    )
    return SlotLanes(
        name=name,
        pool="threads",
        slots=(Lane(name="slot 1", segments=tuple(segments)),),
        threads=(),
        jobs=(job,),
        waiting=((0.0, 1), (waited_s, 0)) if waited_s else ((0.0, 0),),
        sample_hz=200,
        sampler_share=known.pop("sampler_share", None),
        **known,
    )
