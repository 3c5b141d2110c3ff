"""Finds and ends the local stack's processes: each has the stack's token in its environment.

A pid doesn't identify a process after a reboot or a crash, since it may be reused. The environment
does, and it is inherited by the processes that services start: children of workers, and recorders.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable

import psutil

#: Variable with the token of the stack that started a process.
TOKEN_VARIABLE = "POOLBENCH_STACK"  # noqa: S105 -- a name

#: Set by supervisord for each service, and inherited by what a service starts.
_SERVICE_VARIABLE = "SUPERVISOR_PROCESS_NAME"

#: How long a killed process may take to end, seconds.
_KILL_S = 5.0


def find_processes(token: str) -> dict[psutil.Process, str]:
    """Return the live processes with that token, each with its service's name.

    The name is empty for supervisord.
    """
    found = {}
    for process in psutil.process_iter():
        # skip processes that have ended meanwhile, and those of other users
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            is_alive = process.status() != psutil.STATUS_ZOMBIE
            if environment.get(TOKEN_VARIABLE) == token and is_alive:
                found[process] = environment.get(_SERVICE_VARIABLE, "")
    return found


def end_processes(processes: Collection[psutil.Process], *, timeout_s: float) -> int:
    """End processes, and kill those that don't end in time; return how many were killed.

    Only processes that none of the others started get SIGTERM: a worker ends its children, and its
    recorder ends after it.
    """
    pids = {process.pid for process in processes}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.ppid() not in pids:
                process.terminate()
    return kill_after(processes, timeout_s=timeout_s)


def kill_after(processes: Iterable[psutil.Process], *, timeout_s: float) -> int:
    """Wait for processes to end, then kill the rest; return how many were killed."""
    _, left = psutil.wait_procs(list(processes), timeout=timeout_s)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=_KILL_S)
    return len(left)
