"""The ballast that makes the import of a worker's app slow and large."""

from __future__ import annotations

import json
import subprocess
import sys

from worker.ballast import take_on

#: Run in a process of its own: this one may reuse memory that earlier tests have freed.
_MEASURE = """
import json, time
import psutil
from poolbench.start import IMPORT_MB, IMPORT_MS
from worker.ballast import take_on

process = psutil.Process()
before_bytes, began_s = process.memory_info().rss, time.thread_time()
kept = take_on({IMPORT_MS: "30", IMPORT_MB: "20"})
grown_bytes = process.memory_info().rss - before_bytes
print(json.dumps([time.thread_time() - began_s, len(kept), grown_bytes]))
"""


def test_it_computes_and_keeps_memory_as_much_as_was_asked_for() -> None:
    """CPU time of the importing thread, and pages that are in use."""
    command = [sys.executable, "-c", _MEASURE]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)

    cpu_s, kept_bytes, grown_bytes = json.loads(ended.stdout)
    assert cpu_s >= 0.03
    assert kept_bytes == 20_000_000
    assert grown_bytes > 19_000_000


def test_there_is_none_by_default() -> None:
    """A worker that isn't measured at its start is as fast and as small as ever."""
    assert take_on({}) == b""
