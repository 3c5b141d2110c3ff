"""Limits of real control groups, on real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lab.system.cgroup import ControlGroup, LimitError, Limits, check, open_group
from tests.conftest import wait_until

SMALL = Limits(cpus=0.1, memory_bytes=64 << 20)

#: Computes for as many CPU-seconds.
COMPUTE = "import time\nwhile time.process_time() < 0.1: pass"

#: Fills more memory than is allowed, byte by byte, so that it is really used.
FILL = "b'x' * (200 << 20)"


@pytest.fixture
def group() -> Iterator[ControlGroup]:
    """A group with a tenth of a core and 64 MiB, where this machine allows it."""
    try:
        check(SMALL)
    except LimitError as error:
        pytest.skip(str(error))
    found = open_group(SMALL)
    yield found
    found.remove()
    assert not any(folder.exists() for folder in found.folders)


def run(group: ControlGroup, code: str) -> int:
    """Run Python code in a group; return its exit code."""
    command = [sys.executable, "-I", "-S", "-c", code]
    return subprocess.run(group.enter(command), check=False, timeout=30).returncode


def test_a_quota_stops_a_process(group: ControlGroup) -> None:
    """A tenth of a core for 0.1 s of CPU: it stops in several periods, and the time is counted."""
    before = group.read()

    assert run(group, COMPUTE) == 0

    use = group.since(before)
    assert use.periods
    assert use.throttled_periods
    assert use.throttled_periods <= use.periods
    assert use.throttled_s
    assert use.oom_kills == 0


def test_the_kernel_kills_at_the_memory_limit(group: ControlGroup) -> None:
    """The process and nobody else; the count and the peak say so."""
    assert run(group, "") == 0

    assert run(group, FILL) == -signal.SIGKILL

    use = group.read()
    assert use.oom_kills == 1
    assert use.memory_peak_bytes
    assert use.memory_peak_bytes <= SMALL.memory_bytes  # type: ignore[operator]  # it has one


def test_a_process_can_move_outside(group: ControlGroup) -> None:
    """It goes on outside, and no limit is its any more."""
    with subprocess.Popen(group.enter(["cat"]), stdin=subprocess.PIPE) as process:
        files = [folder / "cgroup.procs" for folder in group.folders]
        wait_until(
            lambda: all(str(process.pid) in file.read_text() for file in files), what="it entered"
        )

        for file in group.outside:
            file.write_text(str(process.pid))

        assert [file.read_text() for file in files] == [""] * len(files)


def test_what_is_left_in_a_group_is_killed(group: ControlGroup) -> None:
    """A child that outlived its worker would keep the group, and its limits, for ever."""
    with subprocess.Popen(group.enter(["sleep", "60"])) as process:
        file = group.folders[-1] / "cgroup.procs"
        wait_until(lambda: str(process.pid) in file.read_text(), what="it entered")

        group.remove()

        assert process.wait(timeout=5) == -signal.SIGKILL
