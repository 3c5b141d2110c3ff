"""Command lines of the services, which must not import more than the standard library."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn, TypeVar

from poolbench.errors import Fault, UsageError

_Number = TypeVar("_Number", int, float)


class Parser(argparse.ArgumentParser):
    """Raises a `UsageError` for wrong arguments; argparse prints its usage and exits."""

    def error(self, message: str) -> NoReturn:
        """Raise argparse's message as a fault."""
        raise UsageError(Fault(problem=message, remedy="see --help"))


def number(kind: type[_Number], *, low: float, high: float) -> Callable[[str], _Number]:
    """Return the type of an option that takes a number from ``low`` to ``high``."""

    def convert(text: str) -> _Number:
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is invalid: must be {low:g} to {high:g}")
        return value

    # argparse prints this name if the text is not a number
    convert.__name__ = kind.__name__
    return convert
