"""Makes a command end with the process that started it.

Runs as a script (``parent_death.py PARENT_PID COMMAND…``) before anything else is imported. Linux
sends the signal set by prctl(2) PR_SET_PDEATHSIG when the parent ends; exec keeps the setting.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(command: "list[str]") -> "list[str]":
    """Return a command line whose process ends, on Linux, when this process does, even by SIGKILL.

    Linux sends the signal when the thread that started the command ends, not its process.
    """
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main() -> None:
    """Request a signal at the parent's death, then replace this process by the command."""
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before the request
        sys.exit(0)
    os.execvp(command[0], command)  # noqa: S606 -- that is what it is for


if __name__ == "__main__":
    main()
