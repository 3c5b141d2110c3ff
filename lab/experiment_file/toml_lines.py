"""Finds the line of a key in a TOML text, for messages: the parser doesn't keep it."""

from __future__ import annotations

import re

#: The header of a ``[table]`` or of one of several ``[[tables]]``.
_HEADER = re.compile(r"\s*\[(\[?)([^\[\]]+)\]")

#: The first of a line's keys: ``arrivals`` in ``arrivals.how = "ramp"``.
_KEY = re.compile(r"""\s*["']?([\w-]+)["']?\s*[=.]""")


def locate(text: str, keys: tuple[str | int, ...]) -> int:
    """Return the line, from 1, of the value at ``keys``, or of the nearest table that contains it.

    ``keys`` is a path such as ``("contender", 2, "pool")``; a number is an index in ``[[tables]]``.
    """
    found, depth = 1, 0
    section: tuple[str | int, ...] = ()
    indices: dict[tuple[str | int, ...], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            place = section = _section(
                header[2], is_one_of_several=bool(header[1]), indices=indices
            )
        elif key := _KEY.match(line):
            place = (*section, key[1])
        else:
            continue
        shared = min(len(place), len(keys))
        if shared > depth and keys[:shared] == place[:shared]:
            found, depth = number, shared
    return found


def _section(
    header: str, *, is_one_of_several: bool, indices: dict[tuple[str | int, ...], int]
) -> tuple[str | int, ...]:
    """Return the keys of a header's table; ``indices`` count the tables of one name, so far."""
    place: tuple[str | int, ...] = ()
    names = [name.strip().strip("\"'") for name in header.split(".")]
    for depth, name in enumerate(names, start=1):
        place = (*place, name)
        if depth == len(names) and is_one_of_several:
            indices[place] = indices.get(place, -1) + 1
        if place in indices:
            place = (*place, indices[place])
    return place
