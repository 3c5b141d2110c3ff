"""When the memory of a slot's process is read."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from poolbench.recording.process_use import PAUSE_NS, ProcessUse

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")

MS = 1_000_000


def _run(use: ProcessUse, *spans_ms: tuple[float, float]) -> list[tuple[bool, bool]]:
    """Run jobs between times; return whether the beginning and the end of each has a figure."""
    found = []
    for begun_ms, ended_ms in spans_ms:
        before = use.begin(PAUSE_NS + int(begun_ms * MS))
        after, child_cpu_ns = use.end(PAUSE_NS + int(ended_ms * MS))
        assert (after is None) == (child_cpu_ns is None)
        found.append((before is not None, after is not None))
    use.close()
    return found


def test_long_jobs_are_all_read() -> None:
    """Each begins with the figure of the end before it."""
    assert _run(ProcessUse(), (0, 20), (20, 45), (60, 80)) == [(True, True)] * 3


def test_short_jobs_are_read_now_and_then() -> None:
    """The first of them has both figures, and the next one its beginning at no cost."""
    found = _run(ProcessUse(), *((at, at + 1) for at in range(24)))
    assert [number for number, one in enumerate(found) if one == (True, True)] == [0, 11, 22]
    assert [number for number, one in enumerate(found) if one == (True, False)] == [1, 12, 23]


def test_a_long_job_after_a_short_one_is_read_at_its_end() -> None:
    """Its beginning was known from that of the short one's end."""
    assert _run(ProcessUse(), (0, 1), (1, 30), (30, 31)) == [
        (True, True),
        (True, True),
        (True, False),
    ]


def test_memory_and_the_time_of_children_are_measured() -> None:
    """Both are those of this process."""
    use = ProcessUse()
    before = use.begin(PAUSE_NS)
    code = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    after, child_cpu_ns = use.end(PAUSE_NS + 1)
    use.close()
    assert before is not None
    assert after is not None
    assert 1_000_000 < before <= after * 2
    assert child_cpu_ns is not None
    assert 200 * MS <= child_cpu_ns < 10_000 * MS


def test_a_process_whose_memory_is_hidden_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its jobs are recorded without it."""

    def refuse(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "open", refuse)
    assert _run(ProcessUse(), (0, 20)) == [(False, False)]
