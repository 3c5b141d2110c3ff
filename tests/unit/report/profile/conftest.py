"""Profiles of recordings that a test describes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from collector.recording import Recording, read_recording
from tests.recordings import RecordedApp, RecordedJob, write_recording

#: Returns the recording of some jobs.
Record = Callable[..., Recording]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Return a function that records jobs; each call is another worker, read with those before."""
    files: list[Path] = []

    def recording(jobs: Iterable[RecordedJob], *, app: RecordedApp | None = None) -> Recording:
        files.append(write_recording(tmp_path / f"{len(files)}.pbrec", jobs, app=app))
        return read_recording(*files)

    return recording
