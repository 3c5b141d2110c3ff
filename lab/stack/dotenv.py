"""Makes ``.env``: the stack's secrets, written once, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from poolbench.errors import StorageError
from poolbench.settings import read_dotenv

_HEADING = "# Written by `poolbench up`. Holds secrets: keep it out of version control."

#: Hexadecimal, so that a value means the same in a URL, a shell, compose and Redis.
_SECRET_BYTES = 16


def secret() -> str:
    """Return a new secret."""
    return secrets.token_hex(_SECRET_BYTES)


def complete_dotenv(
    path: Path, *, wanted: Mapping[str, Callable[[], str]], environ: Mapping[str, str]
) -> dict[str, str]:
    """Add what is wanted and stands neither in the file nor in the environment; return that.

    The user's lines stay as they are, except that an empty ``NAME=`` is filled in. The file is
    replaced in one step and readable by its owner alone, whatever it was before.

    Raises:
        StorageError: if it can't be written.
    """
    path = path.resolve()
    try:
        known = read_dotenv(path)
        made = {
            name: make()
            for name, make in wanted.items()
            if not known.get(name) and not environ.get(name)
        }
        if made:
            text = path.read_text(encoding="utf-8") if path.exists() else f"{_HEADING}\n"
            _replace(path, text=_filled_in(text, made))
        elif path.exists() and path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"can't keep secrets in {path}: {error}") from error
    return made


def _filled_in(text: str, made: Mapping[str, str]) -> str:
    lines = text.splitlines()
    for name, value in made.items():
        for index, line in enumerate(lines):
            if line.partition("=")[0].strip() == name and "=" in line:
                lines[index] = f"{name}={value}"
                break
        else:
            lines.append(f"{name}={value}")
    return "\n".join(lines) + "\n"


def _replace(path: Path, *, text: str) -> None:
    # mkstemp makes its file with mode 0600
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
