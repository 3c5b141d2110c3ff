"""Watches the machine beside a trial: who else took its CPU, and whether its clock was set."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil

from collector.run_manifest import Disturbance
from lab.instruments.process_sampler import process_clock_s

#: Of so many readings of both clocks the closest pair is taken: between the two, this process may
#: have been put aside.
CLOCK_READINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The machine at a moment; all counters only grow."""

    #: By the monotonic clock, seconds.
    at_s: float
    #: What all processes have computed, and what the hypervisor gave to others instead, seconds.
    busy_s: float
    stolen_s: float
    #: Process id → what a process of the run has computed, seconds.
    own_s: Mapping[int, float]
    #: What a server of the run computed that is no child of the lab, seconds.
    server_s: float
    #: Wall clock less monotonic clock, seconds.
    clock_s: float


class Watch:
    """Looks at the whole machine, and at the processes of this run, which the lab has started."""

    def __init__(self, *, server_cpu_s: Callable[[], float] = lambda: 0.0) -> None:
        """Know how to ask a server on this machine, which is no child of the lab, for its CPU."""
        self._server_cpu_s = server_cpu_s
        self._lab = psutil.Process()

    def look(self) -> Look:
        """Return the machine as it is; takes some milliseconds."""
        pids = [os.getpid(), *(child.pid for child in self._lab.children(recursive=True))]
        known = {pid: process_clock_s(pid) for pid in pids}
        times = psutil.cpu_times()
        return Look(
            at_s=time.monotonic(),
            # without interrupts: they are nobody's, and carry the run's own traffic
            busy_s=times.user + times.system + getattr(times, "nice", 0.0),
            stolen_s=getattr(times, "steal", 0.0),
            own_s={pid: cpu_s for pid, cpu_s in known.items() if cpu_s is not None},
            server_s=self._server_cpu_s(),
            clock_s=_clock_s(),
        )

    def since(self, before: Look) -> Disturbance:
        """Return what happened since a look."""
        return disturbance(before, after=self.look(), cores=os.cpu_count() or 1)


def disturbance(before: Look, *, after: Look, cores: int) -> Disturbance:
    """Return what happened between two looks at a machine of so many cores.

    Where a process of the run has ended in between, what it computed can't be told from what
    others did: there is no share.
    """
    span_s = after.at_s - before.at_s
    clock_step_s = after.clock_s - before.clock_s
    has_ended = bool(before.own_s.keys() - after.own_s.keys())
    if has_ended or span_s <= 0:
        return Disturbance(foreign_cpu_share=None, stolen_cpu_share=None, clock_step_s=clock_step_s)
    own_s = sum(cpu_s - before.own_s.get(pid, 0.0) for pid, cpu_s in after.own_s.items())
    own_s += after.server_s - before.server_s
    stolen_s = after.stolen_s - before.stolen_s
    others_s = max(0.0, after.busy_s - before.busy_s - own_s)
    capacity_s = span_s * cores
    return Disturbance(
        foreign_cpu_share=round((others_s + stolen_s) / capacity_s, 4),
        stolen_cpu_share=round(stolen_s / capacity_s, 4),
        clock_step_s=clock_step_s,
    )


def _clock_s() -> float:
    """Return wall clock less monotonic clock: it changes when the wall clock is set.

    Both are slewed alike, so that a clock that is slowly put right doesn't show.
    """
    readings = []
    for _ in range(CLOCK_READINGS):
        before_ns = time.monotonic_ns()
        wall_ns = time.time_ns()
        after_ns = time.monotonic_ns()
        readings.append((after_ns - before_ns, wall_ns - (before_ns + after_ns) // 2))
    return min(readings)[1] / 1e9
