"""Ties a command to the life of the process that started it, then becomes that command.

Run as a script (``tether.py PARENT_PID COMMAND…``) before anything else is imported: Linux sends
the signal set by prctl(2) PR_SET_PDEATHSIG when the parent dies, and keeps it across exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent and replace it by the command."""
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before the tie was made
        sys.exit(0)
    os.execvp(command[0], command)  # noqa: S606 -- that is what it is for


if __name__ == "__main__":
    main()
