"""What the recorder of a local file promises where its observer or its writers fail."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from poolbench.recording.events import RECEIVED, Event, Received, pack
from poolbench.recording.file import RecordingFile, open_recording
from poolbench.recording.observer import Observer
from poolbench.recording.recorder import FileRecorder
from poolbench.recording.settings import RecordingSettings

MESSAGE = pack(RECEIVED, 1, 2, "shop.mail", "id", *([None] * (len(Received._fields) - 4)))


class Faulty(Observer):
    """Fails at a call of one of its methods."""

    def __init__(self, method: str) -> None:
        self._method = method

    def _maybe_fail(self, method: str) -> None:
        if method == self._method:
            raise KeyError(method)

    def observe(self, events: Sequence[Event | bytes]) -> bytes:  # noqa: ARG002 -- as the real one
        """Observe nothing."""
        self._maybe_fail("observe")
        return b""

    def end(self) -> bytes:
        """Add nothing."""
        self._maybe_fail("end")
        return b""


def _record(path: Path, *chunks: bytes, observer: Observer) -> list[dict[str, object]]:
    """Record what writers have left in a pipe; return the lines of the file."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    for chunk in chunks:
        os.write(writer, chunk)
    os.close(writer)
    fd, found = open_recording(path)
    file = RecordingFile(fd, path=found, max_size_bytes=1_000_000)
    settings = RecordingSettings(path=str(path))
    assert FileRecorder(settings, pipe=reader, file=file, observer=observer).run() == 0
    os.close(fd)
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize("method", ["observe", "end"])
def test_a_fault_of_the_sampling_costs_one_log_line(
    method: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The lines of the worker are kept, and the session has its end."""
    lines = _record(tmp_path / "shop.pbrec", MESSAGE, MESSAGE, observer=Faulty(method))
    assert [line["m"] for line in lines] == ["recording", "received", "received", "ended"]
    assert capfd.readouterr().err.count("sampling ends, the recording continues") == 1


def test_a_message_that_a_killed_writer_cut_is_left_out(tmp_path: Path) -> None:
    """The end of the session follows the last whole one, and counts it."""
    lines = _record(tmp_path / "shop.pbrec", MESSAGE, MESSAGE[:9], observer=Observer())
    assert [line["m"] for line in lines] == ["recording", "received", "ended"]
    assert (lines[-1]["reason"], lines[-1]["received"]) == ("worker", 1)
