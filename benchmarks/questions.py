"""Runs every experiment in experiments/questions, one after another: `make questions`.

Prints each result, and at the end a table: the file, how long it took, and its headlines.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from report.legend import level_findings
from report.result import from_json
from report.terminal.screen import render

QUESTIONS = Path("experiments/questions")


def main() -> int:
    """Run the questions; return 1 if a run failed or is invalid."""
    console, failed = Console(), 0
    table = Table("file", "took", "headline", box=None, pad_edge=False)
    for file in sorted(QUESTIONS.glob("*.toml")):
        command = [sys.executable, "-m", "poolbench", "run", str(file), "--json"]
        began_at_s = time.monotonic()
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        took = f"{time.monotonic() - began_at_s:.0f} s"
        failed += ended.returncode != 0
        if not ended.stdout:
            table.add_row(file.name, took, f"failed with exit code {ended.returncode}")
            continue
        summary = from_json(ended.stdout)
        console.print(render(summary), "")
        answers = [verdict.headline for verdict in summary.verdicts]
        table.add_row(file.name, took, "\n".join([*answers, *level_findings(summary.rows)]))
    console.print(table, highlight=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
