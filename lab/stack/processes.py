"""Which processes are the local stack's: each carries its token in the environment.

A pid alone proves nothing after a reboot or a crash. The environment a process was started with
does, and it covers what services start themselves: a worker's children and its recorder.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

#: The variable that holds the token of the stack that started a process.
TOKEN_VARIABLE = "POOLBENCH_STACK"  # noqa: S105 -- a name

#: Set by supervisord for each service, and inherited by what a service starts.
_SERVICE_VARIABLE = "SUPERVISOR_PROCESS_NAME"

#: How long a killed process may take to be gone, seconds.
_KILL_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OurProcess:
    """A live process of the stack."""

    process: psutil.Process
    #: Service it belongs to; empty for supervisord itself.
    service: str


def find_processes(token: str) -> list[OurProcess]:
    """Return the live processes that carry a stack's token."""
    found = []
    for process in psutil.process_iter():
        # gone meanwhile, or someone else's: not ours
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            is_alive = process.status() != psutil.STATUS_ZOMBIE
            if environment.get(TOKEN_VARIABLE) == token and is_alive:
                service = environment.get(_SERVICE_VARIABLE, "")
                found.append(OurProcess(process=process, service=service))
    return found


def end_processes(processes: Iterable[psutil.Process], *, patience_s: float) -> int:
    """Ask processes to end, and kill those that don't in time; return how many were killed."""
    waited = list(processes)
    for process in waited:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    return kill_after(waited, patience_s=patience_s)


def kill_after(processes: Iterable[psutil.Process], *, patience_s: float) -> int:
    """Wait for processes to end by themselves, then kill the rest; return how many were killed."""
    _, left = psutil.wait_procs(list(processes), timeout=patience_s)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=_KILL_S)
    return len(left)


def heads(processes: Iterable[OurProcess]) -> list[psutil.Process]:
    """Return the processes among these that no other of them started.

    A worker's children and its recorder end with their worker and are asked nothing.
    """
    all_of_them = [ours.process for ours in processes]
    pids = {process.pid for process in all_of_them}
    found = []
    for process in all_of_them:
        with contextlib.suppress(psutil.Error):
            if process.ppid() not in pids:
                found.append(process)
    return found
