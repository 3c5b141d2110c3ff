"""Command lines of the services, which must not import more than the standard library."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

from poolbench.errors import ExitCode, Fault, PoolbenchError, UsageError

_Number = TypeVar("_Number", int, float)

_SPAN = re.compile(r"\s*(?:(\d+)\s*h)?\s*(?:(\d+)\s*m)?\s*(?:(\d+(?:\.\d+)?)\s*s?)?\s*")


class Parser(argparse.ArgumentParser):
    """Raises a `UsageError` for wrong arguments; argparse prints its usage and exits."""

    def error(self, message: str) -> NoReturn:
        """Raise argparse's message as a fault."""
        raise UsageError(Fault(problem=message, remedy="see --help"))


def run(command: Callable[..., int], *arguments: object, program: str) -> int:
    """Return the exit code of a command; print each line of its failure on standard error."""
    try:
        return command(*arguments)
    except PoolbenchError as error:
        sys.stderr.writelines(f"{program}: {line}\n" for line in str(error).splitlines())
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def read_span_s(text: str) -> float:
    """Return the seconds that a text means: ``1h30m``, ``15m``, ``90s``, ``90``; 0 if none."""
    match = _SPAN.fullmatch(text)
    hours, minutes, seconds = (float(part or 0) for part in (match.groups() if match else (0,) * 3))
    return hours * 3_600 + minutes * 60 + seconds


def number(
    kind: type[_Number], *, option: str, low: float, high: float
) -> Callable[[str], _Number]:
    """Return the type of ``option``, which takes a number from ``low`` to ``high``.

    What it returns raises a `UsageError` for another text.
    """

    def convert(text: str) -> _Number:
        value = None
        with contextlib.suppress(ValueError):
            value = kind(text)
        if value is None or not low <= value <= high:
            noun = "a whole number" if kind is int else "a number"
            problem = f"must be {noun} from {low:g} to {high:g}"
            raise UsageError(Fault(field=option, seen=text, problem=problem))
        return value

    return convert
