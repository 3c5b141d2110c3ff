"""Reports what a program's functions do to a recorder, as the probe does for a worker's jobs."""

from __future__ import annotations

import itertools
import os
import threading
import time
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from poolbench.evidence import is_gil_enabled
from poolbench.pipe import Pipe, start_pipe
from poolbench.recording.events import FINISHED, POOL, RECEIVED, STARTED, pack
from poolbench.recording.file import open_recording
from poolbench.recording.lanes import PAUSES, RUNS, Steps, turns_line
from poolbench.recording.settings import RecordingSettings
from poolbench.recording.slot_states import COROUTINES, PLAIN_THREADS

#: Until the recorder reads, and samples every new thread, seconds.
SETTLE_S = 0.3


class Stage:
    """A running program with its recorder, which samples its threads from outside."""

    def __init__(self, path: Path, *, has_coroutines: bool) -> None:
        #: What the program has found out, if it is a number.
        self.result: int | None = None
        self._path = path
        self._has_coroutines = has_coroutines
        self._numbers = itertools.count(1)
        self._pipe: Pipe

    def __enter__(self) -> Self:
        fd, path = open_recording(self._path.absolute())
        settings = RecordingSettings(path=str(path), worker_pid=os.getpid(), lanes=True)
        try:
            self._pipe = start_pipe(
                replace(settings, contender=path.stem),
                module="poolbench.recording.recorder",
                stdout=fd,
            )
        finally:
            os.close(fd)
        kind = COROUTINES if self._has_coroutines else PLAIN_THREADS
        self._pipe.write(pack(POOL, kind, path.stem))
        time.sleep(SETTLE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()

    def call(self, function: Callable[..., None], *args: Any) -> None:
        """Call a function in this thread, as a job."""
        nonce = self._begin(function.__name__)
        function(*args)
        self._end(nonce)

    async def await_call(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Await a coroutine, as a job."""
        nonce = self._begin(function.__name__)
        steps = Steps(time.time_ns())
        await _in_turns(function(), steps)
        self._end(nonce)
        self._pipe.write(pack(turns_line(nonce, began_ns=steps.began_ns, steps=steps.text())))

    def _begin(self, name: str) -> int:
        # of all processes that a fork makes of this one
        nonce = os.getpid() << 32 | next(self._numbers)
        now_ns = time.time_ns()
        # no message: neither ids nor sizes nor a route
        unknown = (None,) * 9
        self._pipe.write(pack(RECEIVED, nonce, now_ns, name, str(nonce), *unknown))
        self._pipe.write(
            pack(
                STARTED, nonce, now_ns, os.getpid(), threading.get_ident(),
                threading.get_native_id(), False, is_gil_enabled(), None,
            )
        )  # fmt: skip
        return nonce

    def _end(self, nonce: int) -> None:
        nothing = (None,) * 6
        self._pipe.write(pack(FINISHED, nonce, time.time_ns(), os.getpid(), "SUCCESS", *nothing))


@types.coroutine
def _in_turns(
    coroutine: Coroutine[Any, Any, None], steps: Steps
) -> Generator[Awaitable[Any], Any, None]:
    """Await a coroutine, and note when it has its turns."""
    while True:
        steps.add(PAUSES, time.time_ns() - steps.end_ns)
        try:
            awaited = coroutine.send(None)
        except StopIteration:
            return
        finally:
            steps.add(RUNS, time.time_ns() - steps.end_ns)
        yield awaited
