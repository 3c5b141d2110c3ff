"""Measures the time and memory of reports of growing runs: `python -m benchmarks.report`.

Times are from the start of a fresh process until both files are on disk. The limits are 8 s and
1 GB for a million records, 60 s and 2 GB for ten million, and a cost that is at most linear. The
first line is the default experiment, as `make bench` runs it; its statistics take under 5 s.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

SIZES = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
#: Trials per contender × workload.
BLOCKS = 5
#: Records → most seconds and bytes.
LIMITS = {1_000_000: (8.0, 1_000_000_000), 10_000_000: (60.0, 2_000_000_000)}
#: Limit for the statistics of the default experiment, seconds.
STATISTICS_S = 5.0

_TOP = Path(__file__).resolve().parent.parent


def main(argv: Sequence[str] | None = None) -> int:
    """Make and report runs, each in its own process; print; return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report")
    parser.add_argument("--records", type=int, nargs="+", default=SIZES, help="of one run each")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        step, path, records = options.child
        figures = _make(Path(path), int(records)) if step == "make" else _report(Path(path))
        print(json.dumps(figures))
        return 0
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores when it began")
    names = {"records": 11, "trials": 8, "whole": 9, "CPU": 9, "summary": 10, "a record": 11}
    print("".join(f"{name:>{width}}" for name, width in {**names, "peak": 9}.items()))
    default_s = _measure(0)
    print(f"  statistics of the default experiment {default_s:.1f} s of {STATISTICS_S:.0f} s")
    kept = [_measure(records) for records in options.records]
    return int(default_s > STATISTICS_S or float("inf") in kept)


def _measure(records: int) -> float:
    """Print a line of the table; return the summary's seconds, infinite if a limit is exceeded."""
    with tempfile.TemporaryDirectory(prefix="poolbench-") as folder:
        path = Path(folder) / "run"
        made = _in_child("make", path=path, records=records)
        start_s = time.perf_counter()
        done = _in_child("report", path=path, records=records)
        # it computes the summary once more, to time it separately
        whole_s = time.perf_counter() - start_s - done["summary_s"]
    line = (
        f"{made['records']:>11,.0f}{made['trials']:>8.0f}{whole_s:>7.1f} s{done['cpu_s']:>7.1f} s"
        f"{done['summary_s']:>8.1f} s{1e6 * whole_s / made['records']:>8.1f} µs"
        f"{done['peak_bytes'] / 1e6:>6.0f} MB"
    )
    limit_s, limit_bytes = LIMITS.get(records, (float("inf"), float("inf")))
    if records in LIMITS:
        line += f"   {whole_s / limit_s:.2f} of its {limit_s:.0f} s"
        line += f", {done['peak_bytes'] / limit_bytes:.2f} of its {limit_bytes / 1e9:.0f} GB"
    print(line, flush=True)
    is_kept = whole_s <= limit_s and done["peak_bytes"] <= limit_bytes
    return done["summary_s"] if is_kept else float("inf")


def _make(path: Path, records: int) -> dict[str, float]:
    from tests.synthetic import BENCH, WORKLOADS, make_run  # noqa: PLC0415 -- this child's alone

    trials = BLOCKS * len(BENCH) * len(WORKLOADS)
    folder = make_run(path, blocks=BLOCKS, contenders=BENCH, jobs=-(-records // trials))
    return {"records": folder.read_jobs(columns=["trial"]).height, "trials": trials}


def _report(path: Path) -> dict[str, float]:
    # imported here, since the imports are part of the measured time
    from collector.store import RunFolder  # noqa: PLC0415
    from report.build import write_reports  # noqa: PLC0415
    from report.summary import summarize  # noqa: PLC0415

    write_reports(path)
    used = resource.getrusage(resource.RUSAGE_SELF)
    start_s = time.perf_counter()
    summarize(RunFolder(path))
    return {
        "summary_s": time.perf_counter() - start_s,
        "cpu_s": used.ru_utime + used.ru_stime,
        # kibibytes on Linux, bytes on macOS
        "peak_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1_024),
    }


def _in_child(step: str, *, path: Path, records: int) -> dict[str, float]:
    """Return the figures of one step, in its own process, which has its own peak of memory."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.report", "--child", step, path, str(records)],
        cwd=_TOP,
        stdout=subprocess.PIPE,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    sys.exit(main())
