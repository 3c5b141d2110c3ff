"""Prints how a run spent its wall time: `python -m benchmarks.lab RUN_FOLDER`.

`make bench` should spend at least 65 % of its time in trials; the rest is starting workers, waiting
until they are ready, pilots and writing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from collector.store import RunFolder


def spent_s(folder: RunFolder) -> dict[str, float]:
    """Return the seconds spent in trials, pilots, getting ready, and in all."""
    manifest = folder.read_manifest()
    spent = {"trials": 0.0, "pilots": 0.0}
    for plan, result in ((one.plan, one.result) for one in manifest.trials):
        # workers become ready at the same time, so their spans overlap and don't add up
        if result.start_ns and result.end_ns and plan.workload not in {"ready", "warm"}:
            name = "pilots" if plan.is_pilot else "trials"
            spent[name] += (result.end_ns - result.start_ns) / 1e9
    ready: dict[int, float] = {}
    for worker in manifest.workers:
        ready[worker.block] = max(ready.get(worker.block, 0.0), worker.ready_s or 0.0)
    spent["workers starting"] = sum(ready.values())
    whole = ((manifest.finished_ns or 0) - (manifest.created_ns or 0)) / 1e9
    spent["rest"] = whole - sum(spent.values())
    spent["whole"] = whole
    return spent


def main() -> None:
    """Print the account of one run."""
    spent = spent_s(RunFolder(Path(sys.argv[1])))
    for name, seconds in spent.items():
        print(f"{name:<18} {seconds:7.1f} s  {seconds / spent['whole']:6.1%}")


if __name__ == "__main__":
    main()
