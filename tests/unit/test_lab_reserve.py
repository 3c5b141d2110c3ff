"""What a run sets aside for the day on which the disk is full."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lab.fixtures.disk_reserve import Reserve
from poolbench.errors import StorageError

MEBIBYTE = 1_048_576


@pytest.mark.parametrize("can_allocate", [True, False])
def test_room_is_really_taken_and_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, can_allocate: bool
) -> None:
    """The file has blocks, not holes, also where the system can't allocate at once (macOS)."""
    if not can_allocate:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    with Reserve(tmp_path, size_bytes=MEBIBYTE + 1) as reserve:
        (file,) = tmp_path.iterdir()
        assert file.stat().st_size == MEBIBYTE + 1
        assert file.stat().st_blocks * 512 >= MEBIBYTE
        reserve.release()
        assert list(tmp_path.iterdir()) == []


def test_a_run_that_would_not_fit_is_refused_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clear line, and no half-filled file stays. Patched, since a full disk needs root."""

    def refuse(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with pytest.raises(StorageError, match=r"No space left on device; free some space"):
        Reserve(tmp_path).__enter__()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_with_room_is_not_full(tmp_path: Path) -> None:
    """What else broke is not the disk's fault."""
    with Reserve(tmp_path, size_bytes=MEBIBYTE) as reserve:
        assert not reserve.is_disk_full
