"""The ballast that makes the import of a worker's app slow and large."""

from __future__ import annotations

import time

import psutil

from poolbench.start import IMPORT_MB, IMPORT_MS
from worker.ballast import take_on


def test_it_computes_and_keeps_memory_as_much_as_was_asked_for() -> None:
    """CPU time of the importing thread, and pages that are in use."""
    process = psutil.Process()
    before_bytes, began_s = process.memory_info().rss, time.thread_time()

    kept = take_on({IMPORT_MS: "30", IMPORT_MB: "20"})

    assert time.thread_time() - began_s >= 0.03
    assert len(kept) == 20_000_000
    assert process.memory_info().rss - before_bytes > 19_000_000


def test_there_is_none_by_default() -> None:
    """A worker that isn't measured at its start is as fast and as small as ever."""
    assert take_on({}) == b""
