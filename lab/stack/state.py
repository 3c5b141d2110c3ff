"""What a stack's folder remembers between commands: which stack is up, and by what settings."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from poolbench.errors import StackError, StorageError

#: Version of the file; another one is passed over.
_FORMAT = 1

LOCAL = "local"
DOCKER = "docker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The stack that was started last and not taken down since."""

    #: `LOCAL` or `DOCKER`.
    kind: str
    #: Carried by the environment of every local process; empty for Docker.
    token: str
    #: Settings that it was started with, without secrets.
    settings: Mapping[str, str]


def recall(state_dir: Path) -> Memory | None:
    """Return what is remembered, or None if nothing is or it is garbled."""
    try:
        found = json.loads(_file(state_dir).read_text(encoding="utf-8"))
        if found.pop("format") != _FORMAT or found["kind"] not in {LOCAL, DOCKER}:
            return None
        return Memory(**found)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None


def remember(state_dir: Path, *, memory: Memory) -> None:
    """Keep it, in one step.

    Raises:
        StorageError: if it can't be written.
    """
    path = _file(state_dir)
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump({"format": _FORMAT, **asdict(memory)}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"can't write {path}: {error.strerror}") from error


def forget(state_dir: Path) -> None:
    """Drop what is remembered: the stack is down."""
    _file(state_dir).unlink(missing_ok=True)


@contextlib.contextmanager
def held(state_dir: Path) -> Iterator[None]:
    """Keep other `up` and `down` of this stack out meanwhile.

    Raises:
        StackError: if one is at work.
        StorageError: if the folder can't be made.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(state_dir / "stack.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(f"can't write to {state_dir}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            remedy = "another `poolbench up` or `down` is at work on this stack; wait for it"
            raise StackError(remedy) from error
        yield
    finally:
        os.close(handle)


def _file(state_dir: Path) -> Path:
    return state_dir / "stack.json"
