"""Monitors the machine during a trial: who spends its CPU time, and steps of the clock."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil

from collector.run_manifest import Disturbance
from lab.instruments.process_sampler import RECORDER, process_clock_s

#: Number of readings of both clocks. The pair with the shortest time between them counts, since
#: this process may be descheduled between the two.
CLOCK_READINGS = 3

#: Who spends the CPU time that is neither the run's nor the kernel's.
FOREIGN = "foreign"

#: The same of the kernel's own threads, which work for everybody.
KERNEL = "kernel"

#: Who spends that of a process of the run and of its children, by its name or by a word of its
#: command line; the first found counts.
_OWNERS = {
    "valkey-server": "broker",
    "redis-server": "broker",
    RECORDER: "recorder",
    "flower": "Flower",
    "worker.app": "workers",
    "producer.sender": "sender",
    "lab.fixtures.pinger": "pinger",
    "upstream": "upstream",
    "lab.fixtures.delay_proxy": "proxies",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCounters:
    """The machine's counters at one time; they only increase."""

    #: By the monotonic clock, seconds.
    at_s: float
    #: CPU time of all processes, and CPU time that the hypervisor gave to others, seconds.
    busy_s: float
    stolen_s: float
    #: CPU time of the run's processes and the kernel's threads by who spent it, with that of ended
    #: children, seconds.
    cpu_s: Mapping[str, float]
    #: CPU time of each foreign process that can be seen, by id and name, seconds.
    foreign_s: Mapping[tuple[int, str], float]
    #: Wall clock minus monotonic clock, seconds.
    clock_s: float


class MachineMonitor:
    """Reads the counters of the machine, and of all its processes."""

    def __init__(self, *, server_cpu_s: Callable[[], float] = lambda: 0.0) -> None:
        """Set the function that returns the CPU time of a local server of another owner."""
        self._server_cpu_s = server_cpu_s
        #: Of the run's processes, which stay its own when their parent ends.
        self._owners = {psutil.Process(): "lab"}

    def read(self) -> MachineCounters:
        """Return the counters now; this takes some milliseconds, more with many processes."""
        processes = {one.pid: one for one in psutil.process_iter(["ppid", "name", "cpu_times"])}
        cpu_s, foreign_s = defaultdict[str, float](float), dict[tuple[int, str], float]()
        for pid, process in processes.items():
            owner, times = self._owner(pid, processes=processes), process.info["cpu_times"]
            if times is None:
                # macOS shows those of other users to root alone
                continue
            spent_s = process_clock_s(pid) or times.user + times.system
            if owner != FOREIGN:
                cpu_s[owner] += spent_s + times.children_user + times.children_system
            elif process.info["name"] not in _OWNERS:
                # a server may be the run's own, though the lab didn't start it
                foreign_s[pid, process.info["name"]] = spent_s
        cpu_s["broker"] += self._server_cpu_s()
        machine = psutil.cpu_times()
        return MachineCounters(
            at_s=time.monotonic(),
            # without interrupts: they belong to no process, and include the run's own traffic
            busy_s=machine.user + machine.system + getattr(machine, "nice", 0.0),
            stolen_s=getattr(machine, "steal", 0.0),
            cpu_s=cpu_s,
            foreign_s=foreign_s,
            clock_s=_clock_s(),
        )

    def since(self, before: MachineCounters) -> Disturbance:
        """Return the changes since an earlier reading."""
        return disturbance(before, after=self.read(), cores=os.cpu_count() or 1)

    def _owner(self, pid: int, *, processes: Mapping[int, psutil.Process]) -> str:
        """Return who spends a process's CPU time: by its own name, else as its parent's."""
        process = processes.get(pid)
        if process is None:
            return FOREIGN
        if process not in self._owners:
            if process.info["name"] == "kthreadd":
                return KERNEL
            owner = self._owner(process.info["ppid"] or 0, processes=processes)
            if owner in (FOREIGN, KERNEL):
                return owner
            words = _command(process)
            names = {process.info["name"], *words}
            owner = next((named for word, named in _OWNERS.items() if word in names), owner)
            if not words:
                # just started: Linux shows no command line for a moment
                return owner
            self._owners[process] = owner
        return self._owners[process]


def disturbance(before: MachineCounters, *, after: MachineCounters, cores: int) -> Disturbance:
    """Return the changes between two readings on a machine with this number of cores."""
    capacity_s = (after.at_s - before.at_s) * cores
    cpu_s = {
        # negative if a process ended and its parent did not wait for it
        who: max(0.0, spent_s - before.cpu_s.get(who, 0.0))
        for who, spent_s in after.cpu_s.items()
    }
    # the machine counts in ticks, and may lag behind the nanoseconds of processes
    cpu_s[FOREIGN] = max(0.0, after.busy_s - before.busy_s - sum(cpu_s.values()))
    stolen_s = after.stolen_s - before.stolen_s
    by_process = {
        one: spent_s - before.foreign_s.get(one, 0.0) for one, spent_s in after.foreign_s.items()
    }
    (_, largest), most_s = max(by_process.items(), key=lambda one: one[1], default=((0, ""), 0.0))
    return Disturbance(
        foreign_cpu_share=round((cpu_s[FOREIGN] + stolen_s) / capacity_s, 4),
        stolen_cpu_share=round(stolen_s / capacity_s, 4),
        clock_step_s=after.clock_s - before.clock_s,
        cpu_s={who: seen_s for who, spent_s in cpu_s.items() if (seen_s := round(spent_s, 4))},
        largest_foreign=largest if most_s > 0 else "",
    )


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


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
