"""`python -m poolbench.userapp describe|capture`: answers the lab's questions about an app.

The request is a JSON object on standard input. The answer is one JSON object on standard output,
with ``error`` if the app can't be tried. What the app prints goes to standard error instead.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import poolbench
from poolbench.userapp.failure import AppError, shortened
from poolbench.userapp.find import check_celery

#: Exit code if the app can't be tried.
_REFUSED = 2


def main(arguments: list[str]) -> int:
    """Answer one request; return the exit code."""
    # the app's own output, and that of its children, must not be mixed with the answer
    answers = os.dup(1)
    os.dup2(2, 1)
    answer, code = _answer(arguments), 0
    if "error" in answer:
        code = _REFUSED
    rest = json.dumps(answer).encode() + b"\n"
    while rest:
        rest = rest[os.write(answers, rest) :]
    return code


def _answer(arguments: list[str]) -> dict[str, Any]:
    try:
        command = _command(arguments)
        request = json.loads(sys.stdin.buffer.read())
        _check_version(request["poolbench"])
        return command(request)
    except AppError as error:
        return {"error": error.as_dict()}
    except Exception as error:  # noqa: BLE001 -- the caller prints one line
        return {"error": AppError("other", shortened(error)).as_dict()}


def _check_version(asking: str) -> None:
    """Refuse a request of another version than the one that is installed here."""
    own = poolbench.__version__
    if asking != own:
        raise AppError("version", f"Poolbench {own} is installed there, and this is {asking}")


def _command(arguments: list[str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return the command that is asked for; imports Celery only for it."""
    if arguments not in (["describe"], ["capture"]):
        raise AppError("usage", "use describe or capture")
    check_celery()
    name = arguments[0]
    command: Callable[[dict[str, Any]], dict[str, Any]] = getattr(
        importlib.import_module(f"poolbench.userapp.{name}"), name
    )
    return command


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    sys.stderr.flush()
    # threads that the app has started at import must not keep this process
    os._exit(exit_code)
