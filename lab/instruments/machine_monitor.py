"""Monitors the machine during a trial: CPU time of other processes, and steps of the clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil

from collector.run_manifest import Disturbance
from lab.instruments.process_sampler import process_clock_s

#: Number of readings of both clocks. The pair with the shortest time between them counts, since
#: this process may be descheduled between the two.
CLOCK_READINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCounters:
    """The machine's counters at one time; they only increase."""

    #: By the monotonic clock, seconds.
    at_s: float
    #: CPU time of all processes, and CPU time that the hypervisor gave to others, seconds.
    busy_s: float
    stolen_s: float
    #: CPU time of each process of the run by process id, seconds.
    own_s: Mapping[int, float]
    #: CPU time of the run's server if it is no child of the lab, seconds.
    server_s: float
    #: Wall clock minus monotonic clock, seconds.
    clock_s: float


class MachineMonitor:
    """Reads the counters of the machine, and of this run's processes, which the lab started."""

    def __init__(self, *, server_cpu_s: Callable[[], float] = lambda: 0.0) -> None:
        """Set the function that returns the CPU time of a local server of another owner."""
        self._server_cpu_s = server_cpu_s
        self._lab = psutil.Process()

    def read(self) -> MachineCounters:
        """Return the counters now; this takes some milliseconds."""
        pids = [os.getpid(), *(child.pid for child in self._lab.children(recursive=True))]
        known = {pid: process_clock_s(pid) for pid in pids}
        times = psutil.cpu_times()
        return MachineCounters(
            at_s=time.monotonic(),
            # without interrupts: they belong to no process, and include the run's own traffic
            busy_s=times.user + times.system + getattr(times, "nice", 0.0),
            stolen_s=getattr(times, "steal", 0.0),
            own_s={pid: cpu_s for pid, cpu_s in known.items() if cpu_s is not None},
            server_s=self._server_cpu_s(),
            clock_s=_clock_s(),
        )

    def since(self, before: MachineCounters) -> Disturbance:
        """Return the changes since an earlier reading."""
        return disturbance(before, after=self.read(), cores=os.cpu_count() or 1)


def disturbance(before: MachineCounters, *, after: MachineCounters, cores: int) -> Disturbance:
    """Return the changes between two readings on a machine with this number of cores.

    The shares are None if a process of the run ended in between: its CPU time can't be separated
    from that of others.
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
    """Return wall clock minus monotonic clock: it changes when the wall clock is set.

    Both are slewed alike, so that a slow correction of the clock doesn't change it.
    """
    readings = []
    for _ in range(CLOCK_READINGS):
        before_ns = time.monotonic_ns()
        wall_ns = time.time_ns()
        after_ns = time.monotonic_ns()
        readings.append((after_ns - before_ns, wall_ns - (before_ns + after_ns) // 2))
    return min(readings)[1] / 1e9
