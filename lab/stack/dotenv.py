"""Writes ``.env``: the stack's secrets, generated once and readable only by their owner."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from collector.files import storage_errors, write_whole
from poolbench.settings import read_dotenv

_HEADING = "# Written by `poolbench up`. Contains secrets: keep it out of version control."


def complete_dotenv(
    path: Path, *, required: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, str]:
    """Add the variables that neither the file nor the environment sets; return the added ones.

    The user's lines are kept, except that an empty ``NAME=`` is filled in. The file is replaced
    atomically, and only its owner can read it afterwards.

    Raises:
        StorageError: if it can't be written.
    """
    path = path.resolve()
    with storage_errors(path):
        known = read_dotenv(path)
        added = {
            name: value
            for name, value in required.items()
            if not known.get(name) and not environ.get(name)
        }
        if added:
            text = path.read_text(encoding="utf-8") if path.exists() else _HEADING
            text = _filled_in(text, added)
            # no other user may read the temporary file either
            umask = os.umask(0o077)
            try:
                write_whole(path, text)
            finally:
                os.umask(umask)
        elif path.exists() and path.stat().st_mode & 0o077:
            path.chmod(0o600)
    return added


def _filled_in(text: str, added: Mapping[str, str]) -> str:
    for name, value in added.items():
        line = f"{name}={value}"
        text, count = re.subn(rf"(?m)^[ \t]*{name}[ \t]*=[ \t]*$", line, text, count=1)
        if not count:
            text = text.rstrip("\n") + f"\n{line}\n"
    return text
