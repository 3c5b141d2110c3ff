"""Room on the disk that a run sets aside, so that a disk that fills up costs no record."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from collector.files import storage_errors

#: What is set aside, bytes: the lines and records of a block, written twice while one file replaces
#: another, are far smaller for any experiment that fits into `lab.trial.MAX_JOBS`.
RESERVE_BYTES = 64 * 1_048_576

_CHUNK_BYTES = 1_048_576


class Reserve:
    """A file of zeros in the run's folder; it gives way when the room is needed.

    Raises:
        StorageError: on entering, if there is no such room: better now than in the middle.
    """

    def __init__(self, folder: Path, *, size_bytes: int = RESERVE_BYTES) -> None:
        self._path = folder / ".reserve"
        self._size_bytes = size_bytes

    @property
    def is_disk_full(self) -> bool:
        """Whether little more can be written while the room is set aside."""
        return shutil.disk_usage(self._path.parent).free < _CHUNK_BYTES

    def release(self) -> None:
        """Give the room back, so that what was measured can be kept; once is enough."""
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        try:
            with storage_errors(self._path.parent), self._path.open("wb") as file:
                _fill(file.fileno(), size_bytes=self._size_bytes)
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _fill(fd: int, *, size_bytes: int) -> None:
    """Make the file hold so much for certain: a file with holes would hold nothing."""
    allocate = getattr(os, "posix_fallocate", None)
    if allocate is not None:
        allocate(fd, 0, size_bytes)
        return
    zeros = bytes(_CHUNK_BYTES)
    for start in range(0, size_bytes, _CHUNK_BYTES):
        os.write(fd, zeros[: size_bytes - start])
