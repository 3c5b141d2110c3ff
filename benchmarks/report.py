"""Times the report of a run of a million records, and its memory: `python -m benchmarks.report`.

The promise: 10 s and 1 GB at the most, from the start of a fresh process to both files on disk.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECORDS = 1_000_000
BLOCKS = 5
LIMIT_S = 10.0
LIMIT_BYTES = 1_000_000_000

_TOP = Path(__file__).resolve().parent.parent


def main(words: list[str]) -> int:
    """Without words, make the run and report it, each in a process of its own, and print."""
    if words:
        step, run = words[0], Path(words[1])
        figures = _make(run) if step == "make" else _report(run)
        print(json.dumps(figures))
        return 0
    with tempfile.TemporaryDirectory(prefix="poolbench-") as folder:
        path = Path(folder) / "run"
        made = _in_child("make", path=path)
        print(f"{made['records']:,.0f} records in {made['trials']:.0f} trials")
        start_s = time.perf_counter()
        told = _in_child("report", path=path)
        whole_s = time.perf_counter() - start_s
        size_bytes = (path / "report.html").stat().st_size
    print(f"reported in {whole_s:.1f} s, {whole_s / LIMIT_S:.2f} of its limit")
    print(f"  imports {told['imports_s']:.1f} s, summary {told['summary_s']:.1f} s, the rest page")
    print(f"peak {told['peak_bytes'] / 1e6:.0f} MB, {told['peak_bytes'] / LIMIT_BYTES:.2f} of its")
    print(f"report.html {size_bytes / 1e3:.0f} kB")
    return 0 if whole_s <= LIMIT_S and told["peak_bytes"] <= LIMIT_BYTES else 1


def _make(path: Path) -> dict[str, float]:
    from tests.synthetic import BENCH, WORKLOADS, make_run  # noqa: PLC0415 -- this child's alone

    trials = BLOCKS * len(BENCH) * len(WORKLOADS)
    folder = make_run(path, blocks=BLOCKS, contenders=BENCH, jobs=-(-RECORDS // trials))
    return {"records": folder.read_jobs(columns=["trial"]).height, "trials": trials}


def _report(path: Path) -> dict[str, float]:
    start_s = time.perf_counter()
    # imported here, since they are part of the price
    from collector.store import RunFolder  # noqa: PLC0415
    from report import write_reports  # noqa: PLC0415
    from report.summary import summarize  # noqa: PLC0415

    imports_s = time.perf_counter() - start_s
    write_reports(path)
    # kibibytes on Linux, bytes on macOS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start_s = time.perf_counter()
    summarize(RunFolder(path))
    return {
        "imports_s": imports_s,
        "summary_s": time.perf_counter() - start_s,
        "peak_bytes": peak if sys.platform == "darwin" else peak * 1_024,
    }


def _in_child(step: str, *, path: Path) -> dict[str, float]:
    """Return the figures of one step; a process of its own has a peak of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.report", step, path],
        cwd=_TOP,
        stdout=subprocess.PIPE,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
