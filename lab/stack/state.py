"""Keeps the state of the stack between commands: which stack is up, and its settings."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ValidationError

from collector.files import storage_errors, write_whole
from poolbench.errors import StackError

LOCAL: Final = "local"
DOCKER: Final = "docker"


class StackState(BaseModel, frozen=True, extra="forbid"):
    """The stack that was started last and has not been stopped by `down`."""

    #: Version of the file; a file of another version is ignored.
    format: Literal[1] = 1
    #: `LOCAL` or `DOCKER`.
    kind: Literal["local", "docker"]
    #: Identifies the processes of a local stack, in their environment; empty for Docker.
    token: str
    #: Settings that the stack was started with, without secrets.
    settings: Mapping[str, str]


def load_state(state_dir: Path) -> StackState | None:
    """Return the saved state, or None if there is no valid one."""
    try:
        return StackState.model_validate_json(_file(state_dir).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def save_state(state_dir: Path, *, state: StackState) -> None:
    """Save the state, atomically.

    Raises:
        StorageError: if it can't be written.
    """
    text = state.model_dump_json(indent=1)
    write_whole(_file(state_dir), text)


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
                "another `poolbench up` or `down` of this stack is running. Wait until it ends."
            ) from error
        yield
    finally:
        os.close(handle)


def _file(state_dir: Path) -> Path:
    return state_dir / "stack.json"
