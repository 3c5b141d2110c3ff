"""Ties a command to the life of the process that started it, then becomes that command.

Run as a script (``tether.py PARENT_PID COMMAND…``) before anything else is imported: Linux sends
the signal set by prctl(2) PR_SET_PDEATHSIG when the parent dies, and keeps it across exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tethered(command: "list[str]") -> "list[str]":
    """Return a command that ends, on Linux, when this process dies, be it by kill -9.

    Start it from the main thread: the tie is to the thread that starts it.
    """
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main() -> None:
    """Tie this process to its parent and replace it by the command."""
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before the tie was made
        sys.exit(0)
    os.execvp(command[0], command)  # noqa: S606 -- that is what it is for


if __name__ == "__main__":
    main()
