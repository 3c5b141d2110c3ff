"""Finds the line of a key in a TOML text, for messages: the parser doesn't keep it."""

from __future__ import annotations

import re
from collections.abc import Sequence


def locate(text: str, keys: Sequence[str | int]) -> int:
    """Return the line, from 1, where the value at ``keys`` stands, or the nearest place above.

    ``keys`` is a path such as ``("contender", 2, "pool")``; a number counts ``[[tables]]``.
    """
    lines = text.splitlines()
    start, end, rest = _section(lines, keys)
    for key in rest:
        pattern = re.compile(rf"^\s*{re.escape(str(key))}\s*[=.]")
        for number in range(start, end):
            if pattern.match(lines[number]):
                return number + 1
    return start or 1


def _section(lines: list[str], keys: Sequence[str | int]) -> tuple[int, int, list[str | int]]:
    """Return the lines below the header of ``keys``' table, and the keys left to find there."""
    match keys:
        case [str(table), int(index), *rest]:
            header = re.compile(rf"^\s*\[\[\s*{re.escape(table)}\s*\]\]")
        case ["profile", str(name), *rest]:
            header = re.compile(rf"^\s*\[\s*profile\.\"?{re.escape(name)}\"?\s*\]")
            index = 0
        case [str(table), *rest] if any(_table(table).match(line) for line in lines):
            header = _table(table)
            index = 0
        case _:
            return 0, _next_header(lines, 0), list(keys)
    headers = [number for number, line in enumerate(lines) if header.match(line)]
    if index >= len(headers):
        return 0, len(lines), list(keys)
    start = headers[index] + 1
    return start, _next_header(lines, start), rest


def _table(name: str) -> re.Pattern[str]:
    return re.compile(rf"^\s*\[\s*{re.escape(name)}\s*\]")


def _next_header(lines: list[str], start: int) -> int:
    for number in range(start, len(lines)):
        if lines[number].lstrip().startswith("["):
            return number
    return len(lines)
