"""Calibration of work that is given as a time, and a worker's warm-up jobs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from collector.run_manifest import Workload
from lab.instruments.calibration import calibrate
from lab.run.pilots import _only_computes
from lab.trial.workers import FIRST_WAIT_MS, MAX_WARM_UP_CPU_JOBS, first_jobs
from poolbench.errors import StackError


def workload(kind: str, **parameters: float) -> Workload:
    """Return a workload of that kind."""
    return Workload(name="some", kind=kind, parameters=parameters)


HALF = workload("mixed.share", total_ms=20, cpu_share=0.5)
WAIT = workload("io.sleep", delay_ms=3)


def test_only_what_needs_it_is_calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units and waits need no calibration, so no process is started; a kind is done once."""
    found = calibrate([HALF, HALF, WAIT])
    assert list(found) == ["mixed.share"]
    assert 1e-6 < found["mixed.share"] < 0.1

    monkeypatch.setattr(sys, "executable", "/nowhere")
    idle = workload("mixed.share", total_ms=20, cpu_share=0)
    assert calibrate([workload("cpu.primes", units=3), WAIT, idle]) == {}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo one >&2; echo no such thing >&2; exit 2", "calibrated: no such thing"),
        ("exit 7", "calibrated: exit code 7"),
        ("echo nonsense", "can't be read"),
    ],
)
def test_a_calibration_that_fails_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    """The message has the calibration's last line."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))

    with pytest.raises(StackError, match=said):
        calibrate([HALF])


LATER, SLEEP = {"delay_ms": 5}, {"delay_ms": FIRST_WAIT_MS}


@pytest.mark.parametrize(
    ("kind", "parameters", "first", "count"),
    [
        ("cpu.json", {"units": 9}, {"units": 9}, MAX_WARM_UP_CPU_JOBS),
        ("io.redis", {"commands": 9}, {"commands": 9}, 200),
        ("io.file", {"size_bytes": 9}, {"size_bytes": 9}, 200),
        ("io.http", {"size_bytes": 9, "tail_sigma": 2, **LATER}, {"size_bytes": 9, **SLEEP}, 100),
        ("mixed.share", {"units": 40, **LATER}, {"units": 1, **SLEEP}, 100),
        ("mixed.share", {"units": 0, **LATER}, {"units": 0, **SLEEP}, 100),
    ],
)
def test_first_jobs_reach_every_slot_and_cost_little(
    kind: str, parameters: dict[str, float], first: dict[str, float], count: int
) -> None:
    """Jobs that wait overlap in all slots; of jobs that compute there are only a few."""
    assert first_jobs(kind, parameters, slots=100) == (first, count)


@pytest.mark.parametrize(
    ("some", "only_computes"),
    [
        (workload("cpu.zlib", work_ms=3), True),
        (workload("mixed.share", total_ms=9, cpu_share=1), True),
        (HALF, False),
        (workload("mixed.fetch", delay_ms=3, size_bytes=99), False),
        (workload("io.redis", commands=9), False),
    ],
)
def test_pilots_distinguish_computing_jobs_and_waiting_ones(
    some: Workload, *, only_computes: bool
) -> None:
    """A mixed job without a wait only computes."""
    assert _only_computes(some) == only_computes
