"""Who spent a trial's CPU time, from two readings of the machine's counters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from typing import Any

import psutil
import pytest

from lab.instruments.machine_monitor import (
    FOREIGN,
    MachineCounters,
    MachineMonitor,
    disturbance,
)
from tests.conftest import wait_until

BEFORE = MachineCounters(
    at_s=100.0,
    busy_s=50.0,
    stolen_s=1.0,
    cpu_s={"workers": 10.0, "broker": 5.0, "kernel": 1.0},
    foreign_s={(7, "make"): 3.0, (8, "idle"): 90.0},
    clock_s=1e9,
)


@pytest.mark.parametrize(
    ("changes", "foreign_share", "stolen_share"),
    [
        # the run's workers and its broker used all CPU time
        ({"busy_s": 53.0, "cpu_s": {"workers": 12.0, "broker": 6.0, "kernel": 1.0}}, 0, 0),
        # one core of two for two seconds is half of the machine
        ({"busy_s": 53.0, "cpu_s": {"workers": 11.0, "broker": 5.0, "kernel": 1.0}}, 0.5, 0),
        # the kernel's threads work for everybody
        ({"busy_s": 51.0, "cpu_s": {"workers": 10.0, "broker": 5.0, "kernel": 2.0}}, 0, 0),
        # the hypervisor's other guests are others too
        ({"busy_s": 51.0, "cpu_s": {"workers": 11.0}, "stolen_s": 1.8}, 0.2, 0.2),
        # what appears during the trial belongs to the run from its start
        ({"busy_s": 53.0, "cpu_s": {"workers": 11.0, "recorder": 2.0}}, 0, 0),
        # the machine's counts may lag behind a process's nanoseconds
        ({"busy_s": 50.9, "cpu_s": {"workers": 11.0}}, 0, 0),
        # a process that ended unseen takes nothing back
        ({"busy_s": 52.0, "cpu_s": {"workers": 11.0, "broker": 1.0}}, 0.25, 0),
    ],
)
def test_the_cpu_time_of_others_is_a_share_of_all_cores(
    changes: dict[str, Any], foreign_share: float, stolen_share: float
) -> None:
    """It is what the run and the kernel did not spend."""
    after = replace(BEFORE, at_s=102.0, clock_s=1e9 + 2, **changes)

    found = disturbance(BEFORE, after=after, cores=2)

    assert found.foreign_cpu_share == pytest.approx(foreign_share)
    assert found.stolen_cpu_share == pytest.approx(stolen_share)
    assert found.clock_step_s == pytest.approx(2)
    assert found.cpu_s.get(FOREIGN, 0.0) == pytest.approx(4 * (foreign_share - stolen_share))
    assert 0 not in found.cpu_s.values()


@pytest.mark.parametrize(
    ("foreign_s", "name"),
    [
        ({(7, "make"): 4.0, (8, "idle"): 90.0, (9, "cc"): 1.5}, "cc"),
        ({(8, "idle"): 90.0}, ""),
        ({}, ""),
    ],
)
def test_the_foreign_process_that_spent_most_is_named(
    foreign_s: dict[tuple[int, str], float], name: str
) -> None:
    """By what it spent in between, and not before; nobody if none did."""
    after = replace(BEFORE, at_s=102.0, foreign_s=foreign_s)

    assert disturbance(BEFORE, after=after, cores=2).largest_foreign == name


def test_a_real_machine_has_shares() -> None:
    """Shares are of one, and the clock step is small."""
    monitor = MachineMonitor()

    found = monitor.since(monitor.read())

    assert found.foreign_cpu_share is not None
    assert found.stolen_cpu_share is not None
    assert 0 <= found.stolen_cpu_share <= found.foreign_cpu_share
    assert abs(found.clock_step_s) < 1


def test_a_process_of_the_run_is_known_by_its_command_and_its_children_by_theirs() -> None:
    """Its CPU time is its own from its start; what it started and didn't name counts with it."""
    monitor = MachineMonitor()
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    before = monitor.read()
    with subprocess.Popen(
        [sys.executable, "-c", code, "upstream"], start_new_session=True
    ) as parent:
        try:
            wait_until(
                lambda: monitor.since(before).cpu_s.get("upstream", 0.0) > 0.3,
                what="a child has spent CPU time",
            )
        finally:
            os.killpg(parent.pid, signal.SIGKILL)


def test_a_process_without_a_command_line_yet_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Linux shows none for a moment after a start; patched, since that moment is short."""
    monitor = MachineMonitor()
    with subprocess.Popen([sys.executable, "-c", "while True: pass", "upstream"]) as child:
        try:
            with monkeypatch.context() as patch:
                patch.setattr(psutil.Process, "cmdline", lambda _: [])
                monitor.read()
            seen = monitor.read()
            wait_until(
                lambda: monitor.since(seen).cpu_s.get("upstream", 0.0) > 0,
                what="its CPU time counts as upstream's",
            )
        finally:
            child.kill()


def test_a_process_that_has_ended_counts_with_its_parent() -> None:
    """It would look like a stranger's."""
    monitor = MachineMonitor()
    before, spent_s = monitor.read(), os.times().children_user
    subprocess.run([sys.executable, "-c", "sum(range(10_000_000))"], check=True)
    spent_s = os.times().children_user - spent_s

    assert spent_s > 0
    assert monitor.since(before).cpu_s["lab"] >= spent_s


def test_a_server_that_the_lab_did_not_start_is_the_broker() -> None:
    """By what the server itself reports."""
    reported_s = iter((1.0, 1.5))
    monitor = MachineMonitor(server_cpu_s=lambda: next(reported_s))

    # and a little of the servers that other tests started
    assert monitor.since(monitor.read()).cpu_s["broker"] == pytest.approx(0.5, abs=0.2)
