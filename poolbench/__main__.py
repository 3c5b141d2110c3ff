"""The `poolbench` command: runs the lab, which is part of a checkout but not of the wheel."""

from __future__ import annotations

import importlib
import sys

from poolbench.errors import ExitCode


def main() -> int:
    """Run the command line of the lab; return its exit code."""
    try:
        cli = importlib.import_module("lab.commands.main")
    except ModuleNotFoundError as error:
        if error.name not in {"lab", "lab.commands.main"}:
            raise
        sys.stderr.write(
            "poolbench: this package contains only the probe; run the commands from a checkout\n"
        )
        return ExitCode.USAGE
    return int(cli.main())


if __name__ == "__main__":
    sys.exit(main())
