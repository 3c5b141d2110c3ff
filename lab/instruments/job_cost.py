"""Measures the current CPU time of a job's work, in a process without Celery."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from collector.run_manifest import Interpreter, JobCost
from lab.experiment.interpreter import python_command, python_environment
from lab.system.line_process import LineProcess

#: How long a measurement after a trial is also one before the next, seconds.
RECENT_S = 0.5

#: The kinds and parameters of a trial's jobs.
_Jobs = list[tuple[str, Mapping[str, int | float]]]


class Gauge(LineProcess):
    """A long-lived ``python -m worker gauge``; each answer takes about 30 ms."""

    def __init__(self, interpreter: Interpreter | None = None) -> None:
        """Start it in a contender's Python, since the speed depends on the interpreter."""
        super().__init__(
            python_command(interpreter, "worker", "gauge"),
            name="the gauge",
            environment=python_environment(interpreter),
        )
        self._kept: tuple[_Jobs, JobCost, float] | None = None

    def measure(self, kind: str, *, parameters: Mapping[str, int | float]) -> float | None:
        """Return the CPU-seconds of one job in one thread; None for a kind that waits.

        Raises:
            StackError: if the gauge ended or gave no answer.
        """
        self.write(json.dumps({"kind": kind, "parameters": dict(parameters)}).encode() + b"\n")
        cpu_s = self.read().get("cpu_s_per_job")
        return None if cpu_s is None else float(cpu_s)

    def keep(self, cost: JobCost, *, jobs: _Jobs) -> None:
        """Keep a measurement of these jobs for `recent`."""
        self._kept = (jobs, cost, time.monotonic())

    def recent(self, jobs: _Jobs) -> JobCost | None:
        """Return the kept measurement if it is of the same jobs, and not older than `RECENT_S`."""
        if self._kept is None:
            return None
        kept, cost, at_s = self._kept
        return cost if kept == jobs and time.monotonic() - at_s < RECENT_S else None
