"""Disturbances by other processes, from two readings of the machine's counters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lab.instruments.machine_monitor import MachineCounters, MachineMonitor, disturbance

BEFORE = MachineCounters(
    at_s=100.0, busy_s=50.0, stolen_s=1.0, own_s={1: 10.0, 2: 5.0}, server_s=3.0, clock_s=1e9
)


@pytest.mark.parametrize(
    ("changes", "foreign_share", "stolen_share"),
    [
        # the run's workers and its server used all CPU time
        ({"busy_s": 53.0, "own_s": {1: 12.0, 2: 5.5}, "server_s": 3.5}, 0, 0),
        # one core of two for two seconds is half of the machine
        ({"busy_s": 53.0, "own_s": {1: 11.0, 2: 5.0}}, 0.5, 0),
        # the hypervisor's other guests are others too
        ({"busy_s": 51.0, "own_s": {1: 11.0, 2: 5.0}, "stolen_s": 1.8}, 0.2, 0.2),
        # a child that prefork replaced belongs to the run from its start
        ({"busy_s": 53.0, "own_s": {1: 11.0, 2: 5.0, 9: 2.0}}, 0, 0),
        # the machine's counts may lag behind a process's nanoseconds
        ({"busy_s": 50.9, "own_s": {1: 11.0, 2: 5.0}}, 0, 0),
        # the CPU time of a process that has ended would look like another's
        ({"busy_s": 53.0, "own_s": {1: 11.0}}, None, None),
    ],
)
def test_the_cpu_time_of_others_is_a_share_of_all_cores(
    changes: dict[str, Any], foreign_share: float | None, stolen_share: float | None
) -> None:
    """The run's own CPU time is subtracted; if it is unknown, there is no share."""
    after = replace(BEFORE, at_s=102.0, clock_s=1e9 + 2, **changes)

    found = disturbance(BEFORE, after=after, cores=2)

    assert found.foreign_cpu_share == pytest.approx(foreign_share)
    assert found.stolen_cpu_share == pytest.approx(stolen_share)
    assert found.clock_step_s == pytest.approx(2)


def test_a_real_machine_has_shares() -> None:
    """Shares are between 0 and 1, and the clock step is small."""
    watch = MachineMonitor()

    found = watch.since(watch.read())

    assert found.foreign_cpu_share is not None
    assert found.stolen_cpu_share is not None
    assert 0 <= found.stolen_cpu_share <= found.foreign_cpu_share
    assert abs(found.clock_step_s) < 1
