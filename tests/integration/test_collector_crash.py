"""Ingest stopped before each of its steps in turn: exact as under kill -9, and exhaustively.

`test_collector_kill` meets real instants at random; this meets every step of the protocol, once.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from collector import ingest as ingest_module
from collector.ingest import Ingest
from collector.store import RunFolder
from poolbench.keys import records_stream
from tests.wire import add_lines, stored_lines

#: What ingest does to the disk, by its name in the modules that do it; and its one write to Redis.
STEPS = ("os.fsync", "Path.replace", "Path.unlink", "redis.xtrim")

ENTRIES = 12


class CrashError(BaseException):
    """Stands for the end of the process: nothing may catch it and go on."""


class Countdown:
    """Crashes before the n-th step of a kind; a crashed process takes no further step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._left = 0
        self._has_crashed = False
        # patched, since only so can each step be the last, once
        monkeypatch.setattr("collector.files.os.fsync", self._guard("os.fsync", os.fsync))
        monkeypatch.setattr(Path, "replace", self._guard("Path.replace", Path.replace))
        monkeypatch.setattr(Path, "unlink", self._guard("Path.unlink", Path.unlink))
        trim = redis.Redis.xtrim
        monkeypatch.setattr(redis.Redis, "xtrim", self._guard("redis.xtrim", trim))
        self._step = ""

    def arm(self, step: str, *, at: int) -> None:
        """Crash before the step of that kind that comes as number ``at``, from 1."""
        self._step, self._left, self._has_crashed = step, at, False

    def disarm(self) -> bool:
        """Crash no more; return whether it did."""
        self._step = ""
        return self._has_crashed

    def _guard(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if self._step == name:
                self._left -= 1
                if self._left == 0:
                    self._has_crashed = True
            if self._has_crashed and self._step:
                raise CrashError(name)
            return call(*args, **kwargs)

        return guarded


def shrink_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a part hold two entries, and three parts be compacted: more steps to crash before."""
    monkeypatch.setattr(ingest_module, "READ_ENTRIES", 2)
    monkeypatch.setattr(ingest_module, "PART_MAX_BYTES", 1)
    monkeypatch.setattr(ingest_module, "COMPACT_AT_PARTS", 3)


def fill(client: redis.Redis, run: str) -> None:
    """Put entries of two lines each into the stream."""
    for first in range(0, 2 * ENTRIES, 2):
        add_lines(client, run, first, first + 1)


@pytest.mark.parametrize("step", STEPS)
def test_crash_before_any_step_loses_and_doubles_no_line(
    client: redis.Redis, results_dir: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """For the first step of a kind, the second, … until none is left to crash before."""
    shrink_parts(monkeypatch)
    countdown = Countdown(monkeypatch)
    at = 0
    while True:
        at += 1
        run = f"crash-{at}"
        fill(client, run)
        countdown.arm(step, at=at)
        with contextlib.suppress(CrashError):
            collect(client, run, folder=results_dir / run)
        has_crashed = countdown.disarm()
        collect(client, run, folder=results_dir / run)

        lines = stored_lines(RunFolder(results_dir / run))
        assert lines["seq"].to_list() == list(range(2 * ENTRIES)), f"crash before {step} {at}"
        assert client.xlen(records_stream(run)) == 0
        if not has_crashed:
            break
    # so many steps were met: a part each two entries, and compaction among them
    assert at > 4


def collect(client: redis.Redis, run: str, *, folder: Path) -> None:
    """Collect all there is, in the smallest parts."""
    with Ingest(client, run=run, folder=folder) as ingest:
        ingest.drain()


def test_failed_compaction_is_made_up_for(
    client: redis.Redis, run_id: str, results_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full in the middle of a compaction costs nothing but the compaction."""
    shrink_parts(monkeypatch)
    merge = RunFolder.merge_parts
    failures = [OSError(28, "No space left on device")]

    def fail_once(self: RunFolder, parts: list[Any]) -> None:
        if failures:
            raise failures.pop()
        merge(self, parts)

    monkeypatch.setattr(RunFolder, "merge_parts", fail_once)
    fill(client, run_id)
    with Ingest(client, run=run_id, folder=results_dir) as ingest:
        with pytest.raises(OSError, match="No space"):
            ingest.drain()
        ingest.drain()

    assert stored_lines(RunFolder(results_dir))["seq"].to_list() == list(range(2 * ENTRIES))
    assert len(RunFolder(results_dir).parts()) < 4
