"""Finding and ending the stack's processes."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

from lab.stack.processes import TOKEN_VARIABLE, end_processes, find_processes, kill_after
from tests.conftest import wait_until

Start = Callable[..., subprocess.Popen[bytes]]

SLEEP = "import time; print(flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(15, signal.SIG_IGN); {SLEEP}"


@pytest.fixture
def token() -> str:
    """A stack's token of the test's own."""
    return secrets.token_hex(8)


@pytest.fixture
def start(token: str) -> Iterator[Start]:
    """Start a Python program that carries the token; all end with the test."""
    started = []

    def run(code: str, *, service: str = "") -> subprocess.Popen[bytes]:
        environ = {**os.environ, TOKEN_VARIABLE: token, "SUPERVISOR_PROCESS_NAME": service}
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_a_process_is_known_by_its_token(start: Start, token: str) -> None:
    """Service and process are told; others are not."""
    process = start(SLEEP, service="upstream")

    assert find_processes(token) == {psutil.Process(process.pid): "upstream"}
    assert find_processes(secrets.token_hex(8)) == {}


def test_children_are_known_too(start: Start, token: str) -> None:
    """What a service starts inherits the token, in whatever session it runs."""
    code = (
        "import subprocess, sys;"
        f"subprocess.run([sys.executable, '-c', {SLEEP!r}], start_new_session=True)"
    )
    process = start(code, service="worker-solo")
    wait_until(lambda: len(find_processes(token)) == 2, what="the child to be seen")

    known = find_processes(token)

    assert set(known.values()) == {"worker-solo"}
    assert end_processes(known, timeout_s=0.2) == 1  # its child gets no SIGTERM
    assert not psutil.pid_exists(process.pid)


def test_a_dead_process_is_not_found(start: Start, token: str) -> None:
    """One that ended and wasn't waited for yet runs no more."""
    process = start(SLEEP)
    process.send_signal(signal.SIGKILL)

    wait_until(lambda: find_processes(token) == {}, what="the zombie to be passed over")


@pytest.mark.parametrize(
    ("code", "timeout_s", "killed"),
    [(SLEEP, 10, 0), (STUBBORN, 0.2, 1)],
    ids=["willing", "stubborn"],
)
def test_a_process_gets_sigterm_and_is_killed_if_it_does_not_end(
    start: Start, code: str, timeout_s: float, killed: int
) -> None:
    """A service may have something to finish; the killed are counted."""
    process = start(code)
    assert process.stdout is not None
    process.stdout.readline()

    assert end_processes([psutil.Process(process.pid)], timeout_s=timeout_s) == killed
    assert not psutil.pid_exists(process.pid)


def test_one_that_ends_by_itself_is_not_killed(start: Start) -> None:
    """A recorder that drains is waited for."""
    process = start("print(flush=True)")

    assert kill_after([psutil.Process(process.pid)], timeout_s=10) == 0
