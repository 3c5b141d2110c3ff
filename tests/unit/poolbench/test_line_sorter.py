"""What the sorter promises, however the bytes arrive."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from poolbench.line_sorter import ENTRY_MAX_LINES, SortedLines, Sorter
from poolbench.records import LINE_MAX_BYTES
from tests.wire import encode_line


def _line(run: str, seq: int) -> bytes:
    return f'{{"v":1,"m":"started","run":"{run}","seq":{seq}}}\n'.encode()


def _joined(parts: list[SortedLines]) -> dict[str, bytes]:
    runs: dict[str, bytes] = defaultdict(bytes)
    for run, lines in itertools.chain.from_iterable(part.entries for part in parts):
        runs[run] += lines
    return runs


@given(st.lists(st.integers(0, 400), max_size=8))
def test_where_the_bytes_are_cut_does_not_matter(cuts: list[int]) -> None:
    """A line that arrives in pieces is the same line, in its place."""
    wire = b"".join(_line(run, seq) for seq in range(5) for run in ("a", "b"))
    sorter = Sorter()
    edges = [0, *sorted(cuts), len(wire)]
    parts = [sorter.sort(wire[low:high]) for low, high in itertools.pairwise(edges)]
    assert _joined(parts) == {
        run: b"".join(_line(run, seq) for seq in range(5)) for run in ("a", "b")
    }
    assert not any(part.garbled for part in parts)


@given(st.binary())
def test_no_bytes_stop_it(rubbish: bytes) -> None:
    """After any rubbish, the next whole line is found."""
    sorter = Sorter()
    parts = [sorter.sort(rubbish + b"\n"), sorter.sort(_line("a", 1))]
    assert _joined(parts)["a"].endswith(_line("a", 1))


def test_an_entry_is_no_longer_than_its_bound() -> None:
    """Many lines make several entries, in order."""
    wire = b"".join(_line("a", seq) for seq in range(2 * ENTRY_MAX_LINES + 1))
    found = Sorter().sort(wire)
    counts = [lines.count(b"\n") for _, lines in found.entries]
    assert counts == [ENTRY_MAX_LINES, ENTRY_MAX_LINES, 1]
    assert _joined([found])["a"] == wire


def test_a_line_that_never_ends_takes_no_memory() -> None:
    """Bytes without an end are dropped beyond the length of a line."""
    sorter = Sorter()
    dropped = sum(len(sorter.sort(b"x" * 1_000).garbled) for _ in range(100))
    assert dropped >= 100 * 1_000 // (LINE_MAX_BYTES + 1_000)


def test_the_newest_heartbeat_counts() -> None:
    """Of several heartbeats of one worker the last is kept, under the worker's key."""
    beat = {"v": 1, "m": "alive", "contender": "c", "host": "h", "pid": 1}
    found = Sorter().sort(b"".join(encode_line({**beat, "t_ns": t_ns}) for t_ns in (1, 2)))
    ((key, newest),) = found.presence.items()
    assert (key, json.loads(newest)["t_ns"]) == ("poolbench:worker:c:h-1", 2)
