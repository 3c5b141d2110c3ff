"""A child process that reads requests and writes answers, each one line of JSON."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Self

from poolbench.errors import StackError

#: How long it may take to end when its input is closed, seconds.
END_TIMEOUT_S = 2.0


class LineProcess:
    """A started process; its context ends it."""

    def __init__(
        self, command: Sequence[str], *, name: str, environment: Mapping[str, str]
    ) -> None:
        self._name = name
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def write(self, line: bytes) -> None:
        """Send a line.

        Raises:
            StackError: if the process has ended.
        """
        try:
            self._stdin.write(line)
            self._stdin.flush()
        except OSError as error:
            raise StackError(f"{self._name} ended (exit code {self._process.poll()})") from error

    def has_answer(self, *, wait_s: float) -> bool:
        """Return whether there is something to read within ``wait_s`` seconds."""
        return bool(select.select([self._stdout], [], [], wait_s)[0])

    def read(self) -> dict[str, Any]:
        """Wait for an answer and return it.

        Raises:
            StackError: if the process has ended or doesn't write JSON.
        """
        try:
            answer: dict[str, Any] = json.loads(self._stdout.readline())
        except (OSError, ValueError) as error:
            code = self._process.poll()
            raise StackError(f"{self._name} gave no answer (exit code {code})") from error
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._stdin, self._stdout):
            # what a dead process did not read can't be flushed
            with contextlib.suppress(OSError):
                pipe.close()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
