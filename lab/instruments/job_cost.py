"""Asks a process without Celery what a job's work costs at this moment: the ceiling's measure."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from collector.run_manifest import Interpreter
from lab.experiment.interpreter import python_command, python_environment
from poolbench.errors import StackError


class Gauge:
    """A long-lived ``python -m worker gauge``; answers in CPU-seconds a job, about 30 ms a time."""

    def __init__(self, interpreter: Interpreter | None = None) -> None:
        """Start it in a contender's own Python, since each computes at a speed of its own."""
        self._process = subprocess.Popen(
            python_command(interpreter, "worker", "gauge"),
            env={**os.environ, **python_environment(interpreter)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def measure(self, kind: str, *, parameters: Mapping[str, int | float]) -> float | None:
        """Return the CPU-seconds of one job in one thread; None for a kind that waits.

        Raises:
            StackError: if the gauge ended or answered nonsense.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise StackError("the gauge has no pipes")
        try:
            stdin.write(json.dumps({"kind": kind, "parameters": dict(parameters)}) + "\n")
            stdin.flush()
            answer = json.loads(stdout.readline())
        except (OSError, ValueError) as error:
            code = self._process.poll()
            raise StackError(f"the gauge gave no answer (exit code {code})") from error
        cpu_s = answer.get("cpu_s_per_job")
        return None if cpu_s is None else float(cpu_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            # what a dead gauge did not read can't be flushed
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
