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
        case [str(table), int(index), str(below), int(inner), *rest] if _has(lines, table, below):
            outer, _, _ = _section(lines, (table, index))
            before = lines[:outer]
            index = sum(1 for line in before if _header(table, below).match(line)) + inner
            header = _header(table, below)
        case [str(table), int(index), *rest]:
            header = _header(table)
        case ["profile", str(name), *rest]:
            header = re.compile(rf"^\s*\[\s*profile\.\"?{re.escape(name)}\"?\s*\]")
            index = 0
        case [str(table), *rest] if any(_plain_header(table).match(line) for line in lines):
            header, index = _plain_header(table), 0
        case _:
            return 0, _next_header(lines, 0), list(keys)
    headers = [number for number, line in enumerate(lines) if header.match(line)]
    if index >= len(headers):
        return 0, len(lines), list(keys)
    start = headers[index] + 1
    return start, _next_header(lines, start), rest


def _header(*names: str) -> re.Pattern[str]:
    """Return what the header of a ``[[table]]``, or of a ``[[table.below]]``, looks like."""
    dotted = r"\s*\.\s*".join(map(re.escape, names))
    return re.compile(rf"^\s*\[\[\s*{dotted}\s*\]\]")


def _plain_header(table: str) -> re.Pattern[str]:
    """Return what the header of a ``[table]`` looks like."""
    return re.compile(rf"^\s*\[\s*{re.escape(table)}\s*\]")


def _has(lines: list[str], *names: str) -> bool:
    return any(_header(*names).match(line) for line in lines)


def _next_header(lines: list[str], start: int) -> int:
    for number in range(start, len(lines)):
        if lines[number].lstrip().startswith("["):
            return number
    return len(lines)
