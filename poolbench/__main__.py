"""The `poolbench` command: ``record`` in the wheel; in a checkout, the lab's commands as well."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from poolbench import __version__
from poolbench.errors import ExitCode

#: The lab's command line, beside this package in a checkout.
_LAB = Path(__file__).resolve().parent.parent / "lab" / "commands" / "main.py"

_HELP = """\
Usage: poolbench record --to FILE [OPTIONS] -- celery -A APP worker …

Records what a Celery worker's jobs do, into a local file. Options: poolbench record --help

This is the package for the app's own environment. All other commands, such as profile and advise,
run from a checkout of Poolbench.
"""


def main() -> int:
    """Run a command; return its exit code."""
    words = sys.argv[1:]
    if words[:1] == ["record"]:
        return int(importlib.import_module("poolbench.recording.command").main(words[1:]))
    if _LAB.is_file():
        return int(importlib.import_module("lab.commands.main").main())
    if words == ["--version"]:
        sys.stdout.write(f"poolbench {__version__}\n")
    elif words in ([], ["--help"]):
        sys.stdout.write(_HELP)
    else:
        sys.stderr.write(
            f"poolbench: {words[0]} is invalid: this package has the command record alone. "
            "Run the others from a checkout.\n"
        )
        return ExitCode.USAGE
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
