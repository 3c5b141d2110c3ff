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

UP = "import time; print('up', flush=True); time.sleep(60)"
SLEEP = [sys.executable, "-c", UP]
STUBBORN = [sys.executable, "-c", f"import signal; signal.signal(15, signal.SIG_IGN); {UP}"]


@pytest.mark.parametrize(
    ("command", "number"),
    [(SLEEP, signal.SIGTERM), (STUBBORN, signal.SIGKILL)],
    ids=["willing", "stubborn"],
)
def test_a_child_ends_by_sigterm_or_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], number: int
) -> None:
    """Its exit code is the negative signal number. The deadline is patched, to save time."""
    if command is STUBBORN:
        monkeypatch.setattr(children, "STOP_TIMEOUT_S", 0.3)
    child = children.start(command, name="child", log=tmp_path / "log")
    wait_until(lambda: child.last_line() == "up", what="the child is up")

    assert child.end() == -number


def test_a_child_that_ended_by_itself_keeps_its_exit_code_and_log(tmp_path: Path) -> None:
    """Ending it, twice, is harmless; standard output and standard error go to one log."""
    script = "import sys; print('out', flush=True); print('err', file=sys.stderr); exit(7)"
    child = children.start([sys.executable, "-c", script], name="brief", log=tmp_path / "log")
    child.process.wait()

    assert (child.end(), child.end()) == (7, 7)
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
