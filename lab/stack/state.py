"""Keeps the state of the stack between commands: which stack is up, and its settings."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from collector.files import storage_errors, write_atomically
from poolbench.errors import StackError

#: Version of the file; a file of another version is ignored.
_FORMAT = 1

LOCAL = "local"
DOCKER = "docker"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """The stack that was started last and has not been stopped by `down`."""

    #: `LOCAL` or `DOCKER`.
    kind: str
    #: Identifies the processes of a local stack, in their environment; empty for Docker.
    token: str
    #: Settings that the stack was started with, without secrets.
    settings: Mapping[str, str]


def load_state(state_dir: Path) -> StackState | None:
    """Return the saved state, or None if there is no valid one."""
    try:
        found = json.loads(_file(state_dir).read_text(encoding="utf-8"))
        if found.pop("format") != _FORMAT or found["kind"] not in {LOCAL, DOCKER}:
            return None
        return StackState(**found)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None


def save_state(state_dir: Path, *, state: StackState) -> None:
    """Save the state, atomically.

    Raises:
        StorageError: if it can't be written.
    """
    text = json.dumps({"format": _FORMAT, **asdict(state)}, indent=1)
    write_atomically(_file(state_dir), write=lambda file: file.write(text.encode()))


def delete_state(state_dir: Path) -> None:
    """Delete the saved state: the stack is down."""
    _file(state_dir).unlink(missing_ok=True)


@contextlib.contextmanager
def stack_lock(state_dir: Path) -> Iterator[None]:
    """Keep out every other `up` and `down` of this stack.

    Raises:
        StackError: if another one is running.
        StorageError: if the folder can't be created.
    """
    with storage_errors(state_dir):
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(state_dir / "stack.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StackError(
                "another `poolbench up` or `down` of this stack is running; wait until it ends"
            ) from error
        yield
    finally:
        os.close(handle)


def _file(state_dir: Path) -> Path:
    return state_dir / "stack.json"
