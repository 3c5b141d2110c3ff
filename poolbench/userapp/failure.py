"""The ways in which a user's app can't be tried, each with a code and one line."""

from __future__ import annotations

import re
import sys
import sysconfig
import traceback
from pathlib import Path

#: Longest text of an error of the app, characters.
_TEXT_CHARS = 200

#: An address, which may have a password.
_ADDRESS = re.compile(r"[\w+.-]+://[^\s'\",;)\]}]*")


class AppError(Exception):
    """The app can't be tried; ``code`` is for programs, the text for people."""

    def __init__(self, code: str, text: str, *, remedy: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.remedy = remedy

    def as_dict(self) -> dict[str, str]:
        """Return it for the answer of `poolbench.userapp`."""
        return {"code": self.code, "text": str(self), "remedy": self.remedy}


def shortened(error: BaseException) -> str:
    """Return the type, the first line and the place of an error of the app, without addresses.

    The place is the last line of the app's own files in the traceback, if there is one.
    """
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    first = next((line.strip() for line in message.splitlines() if line.strip()), "")
    text = f"{type(error).__name__}: {first}" if first else type(error).__name__
    place = _place(error)
    return f"{_ADDRESS.sub('(address)', text)[:_TEXT_CHARS]}{f' ({place})' if place else ''}"


def _place(error: BaseException) -> str:
    """Return ``file, line N`` in the current folder, where apps are imported from; or nothing."""
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno))
    folder, packages = Path.cwd(), Path(sysconfig.get_path("purelib"))
    for name, line in reversed(frames):
        path = Path(name)
        is_installed = path.is_relative_to(packages) or path.is_relative_to(sys.prefix)
        if path.is_relative_to(folder) and not is_installed:
            return f"{path.relative_to(folder)}, line {line}"
    return ""
