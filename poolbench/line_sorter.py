"""Sorts the bytes of a worker's pipe: lines by run, heartbeats by worker. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from poolbench.keys import NAME, worker_key
from poolbench.records import LINE_MAX_BYTES, Moment, decode_line

#: Lines that travel in one stream entry, at most.
ENTRY_MAX_LINES = 500

#: How a line begins that `poolbench.lines` built. What it doesn't match is parsed.
_USUAL = re.compile(
    rb'\{"v":1,"m":"(?:received|started|finished|verdict)",'
    rb'"run":"([a-z0-9][a-z0-9._-]{0,63})",'
)

_OF_A_JOB = tuple(moment.value for moment in Moment if moment is not Moment.ALIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEntry:
    """One stream entry: lines of one run, in the order they were written."""

    run: str
    #: The lines, each with its newline.
    lines: bytes
    line_count: int


@dataclass(slots=True, kw_only=True)
class SortedLines:
    """What some bytes buffer."""

    entries: list[StreamEntry] = field(default_factory=list)
    #: The newest heartbeat of each worker, as JSON, by its key.
    presence: dict[str, bytes] = field(default_factory=dict)
    #: Lines that are none of ours; they are dropped.
    garbled: list[bytes] = field(default_factory=list)


class Sorter:
    """Cuts a flow of bytes into lines and sorts them; keeps an unfinished line for later."""

    def __init__(self) -> None:
        self._tail = b""

    def sort(self, chunk: bytes) -> SortedLines:
        """Return the lines in the bytes since the last call."""
        *lines, self._tail = (self._tail + chunk).split(b"\n")
        found = SortedLines()
        if len(self._tail) > LINE_MAX_BYTES:
            found.garbled.append(self._tail)
            self._tail = b""
        by_run: dict[str, list[bytes]] = {}
        for line in lines:
            run = _usual_run(line) or _unusual_run(line, found=found)
            if run:
                by_run.setdefault(run, []).append(line)
        for run, theirs in by_run.items():
            for start in range(0, len(theirs), ENTRY_MAX_LINES):
                some = theirs[start : start + ENTRY_MAX_LINES]
                entry = StreamEntry(run=run, lines=b"\n".join([*some, b""]), line_count=len(some))
                found.entries.append(entry)
        return found

    def finish(self) -> SortedLines:
        """Return the content of the unfinished line at the end of the bytes."""
        return self.sort(b"\n") if self._tail else SortedLines()


def _usual_run(line: bytes) -> str | None:
    match = _USUAL.match(line)
    return match[1].decode() if match and line.endswith(b"}") and line.isascii() else None


def _unusual_run(line: bytes, *, found: SortedLines) -> str | None:
    """Return the run of a line written otherwise; file a heartbeat or a garbled line."""
    if not line:
        return None
    try:
        fields = decode_line(line)
        if fields["m"] == Moment.ALIVE:
            key = worker_key(str(fields["contender"]), f"{fields['host']}-{fields['pid']}")
            found.presence[key] = json.dumps(fields, separators=(",", ":")).encode()
            return None
        run = fields.get("run")
        if fields["m"] in _OF_A_JOB and isinstance(run, str) and NAME.fullmatch(run):
            return run
    except (ValueError, KeyError, RecursionError):
        pass
    found.garbled.append(line)
    return None
