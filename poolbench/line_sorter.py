"""Sorts the lines in a worker's pipe by run, and its heartbeats by worker. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from poolbench.keys import NAME, worker_key
from poolbench.records import LINE_MAX_BYTES, Moment, decode_line

#: Most lines in one stream entry.
ENTRY_MAX_LINES = 500

#: A job's line as `poolbench.lines` builds it, the only source of such lines.
_JOB_LINE = re.compile(
    rb'\{"v":1,"m":"(?:received|started|finished|verdict|published)",'
    rb'"run":"(%s)",[ -~]*\}' % NAME.pattern.encode()
)


@dataclass(slots=True, kw_only=True)
class SortedLines:
    """The sorted content of some bytes."""

    #: Stream entries: a run, and lines of it in the order they were written.
    entries: list[tuple[str, bytes]] = field(default_factory=list)
    #: The newest heartbeat of each worker, as JSON, by its key.
    presence: dict[str, bytes] = field(default_factory=dict)
    #: Lines that the probe didn't write; they are dropped.
    garbled: list[bytes] = field(default_factory=list)


class Sorter:
    """Splits a stream of bytes into lines and sorts them; buffers an incomplete line."""

    def __init__(self) -> None:
        self._tail = b""

    def sort(self, chunk: bytes) -> SortedLines:
        """Return the complete lines since the last call."""
        *lines, self._tail = (self._tail + chunk).split(b"\n")
        found = SortedLines()
        if len(self._tail) > LINE_MAX_BYTES:
            found.garbled.append(self._tail)
            self._tail = b""
        by_run: dict[str, list[bytes]] = {}
        for line in filter(None, lines):
            if match := _JOB_LINE.fullmatch(line):
                by_run.setdefault(match[1].decode(), []).append(line)
            elif key := _presence_key(line):
                found.presence[key] = line
            else:
                found.garbled.append(line)
        for run, theirs in by_run.items():
            for start in range(0, len(theirs), ENTRY_MAX_LINES):
                some = theirs[start : start + ENTRY_MAX_LINES]
                found.entries.append((run, b"\n".join([*some, b""])))
        return found


def _presence_key(line: bytes) -> str | None:
    """Return the key of the worker if the line is a heartbeat, else None."""
    try:
        fields = decode_line(line)
        if fields["m"] == Moment.ALIVE:
            return worker_key(str(fields["contender"]), f"{fields['host']}-{fields['pid']}")
    except (ValueError, KeyError, RecursionError):
        pass
    return None
