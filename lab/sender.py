"""The process that sends jobs while the lab follows them: one a run, asked once a trial."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from poolbench.errors import StackError
from poolbench.records import TrialPlan
from producer.mix_template import Mix
from producer.publisher import Sent
from producer.sender import STOP

#: How long it may take to stop, or to say what it sent, seconds: it looks ten times a second, and
#: waits for a lost broker for about fifteen.
ANSWER_TIMEOUT_S = 25.0


class Sender:
    """A long-lived ``python -m producer.sender``."""

    def __init__(self, *, redis_url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "producer.sender"],
            # by the environment: arguments are there for everybody to read
            env={**os.environ, "POOLBENCH_REDIS_URL": redis_url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def begin(
        self, plan: TrialPlan, *, run: str, offsets_s: Sequence[float], mix: Mix | None
    ) -> None:
        """Have a trial's jobs sent, each as many seconds from now as its offset says.

        Raises:
            StackError: if the sender has ended.
        """
        request = {
            "run": run,
            "scope": run,
            "plan": asdict(plan),
            "offsets_s": list(offsets_s),
            "mix": mix and {"parts": [asdict(part) for part in mix.parts], "order": [*mix.order]},
        }
        self._write(json.dumps(request).encode() + b"\n")

    def stop(self) -> None:
        """Tell it to send no more; what it sent comes by `poll`.

        Raises:
            StackError: if the sender has ended.
        """
        self._write(STOP)

    def poll(self, *, wait_s: float = 0.0) -> Sent | None:
        """Return what was sent, once, when all is; None while it goes on.

        Raises:
            StackError: if it lost the broker, or ended.
        """
        stdout = self._process.stdout
        if stdout is None or not select.select([stdout], [], [], wait_s)[0]:
            return None
        try:
            answer: dict[str, Any] = json.loads(stdout.readline())
        except ValueError as error:
            code = self._process.poll()
            raise StackError(f"the sender gave no answer (exit code {code})") from error
        if "error" in answer:
            raise StackError(answer["error"])
        return Sent(**answer)

    def _write(self, line: bytes) -> None:
        stdin = self._process.stdin
        try:
            if stdin is None:
                raise BrokenPipeError("no pipe")
            stdin.write(line)
            stdin.flush()
        except OSError as error:
            raise StackError(f"the sender ended (exit code {self._process.poll()})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            # what a dead sender did not read can't be flushed
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
