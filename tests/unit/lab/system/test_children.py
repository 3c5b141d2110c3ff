"""Every child that was started is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lab.system import children
from poolbench.errors import StackError
from tests.conftest import wait_until

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('up', flush=True); time.sleep(60)"
    ),
]


def is_up(child: children.Child) -> bool:
    """Return whether the child has printed its first line."""
    return child.last_line() == "up"


def test_a_child_ends_by_sigterm(tmp_path: Path) -> None:
    """Its exit code is the negative signal number."""
    child = children.start(SLEEP, name="sleeper", log=tmp_path / "log")
    wait_until(lambda: is_up(child), what="the child is up")

    assert child.end() == -signal.SIGTERM


def test_a_stubborn_child_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ignores SIGTERM is killed after the deadline (shortened here, to save time)."""
    monkeypatch.setattr(children, "STOP_TIMEOUT_S", 0.3)
    child = children.start(STUBBORN, name="stubborn", log=tmp_path / "log")
    wait_until(lambda: is_up(child), what="the child is up")

    assert child.end() == -signal.SIGKILL


def test_ending_twice_is_harmless(tmp_path: Path) -> None:
    """A child that ended by itself keeps its own exit code."""
    child = children.start([sys.executable, "-c", "exit(7)"], name="brief", log=tmp_path / "log")
    child.process.wait()

    assert child.end() == 7
    assert child.end() == 7


def test_the_log_keeps_both_outputs(tmp_path: Path) -> None:
    """Standard output and standard error go to one log."""
    script = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
    child = children.start([sys.executable, "-c", script], name="both", log=tmp_path / "log")
    child.process.wait()

    assert child.log.read_text(encoding="utf-8").split() == ["out", "err"]


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_children_end_when_the_lab_is_killed(tmp_path: Path) -> None:
    """SIGKILL of the lab leaves no child behind."""
    script = (
        "import sys, time; from pathlib import Path; from lab.system import children;"
        f"child = children.start({SLEEP!r}, name='sleeper', log=Path({str(tmp_path / 'log')!r}));"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as lab:
        pid = int(lab.stdout.readline()) if lab.stdout else 0
        wait_until(lambda: "up" in (tmp_path / "log").read_text(), what="the child is up")

        os.kill(lab.pid, signal.SIGKILL)

        wait_until(lambda: not psutil.pid_exists(pid), what=f"child {pid} is gone")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("print('no port'); exit(3)", r"exit code 3; no port \(log: "),
        ("import time; time.sleep(60)", r"no answer in 1 s;  \(log: "),
    ],
)
def test_a_child_that_does_not_come_up_is_ended(tmp_path: Path, script: str, words: str) -> None:
    """Whether it ends or not; the message has its name and the last line of its log."""
    with (
        pytest.raises(StackError, match=f"the service did not start: {words}"),
        children.start(
            [sys.executable, "-c", script], name="the service", log=tmp_path / "log"
        ) as child,
    ):
        child.await_up(lambda: False, within_s=1.0)

    assert not [one for one in psutil.Process().children() if script in one.cmdline()]
