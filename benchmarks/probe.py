"""Measures the cost of the probe: no-op jobs with and without it, and with Celery's events.

    python -m benchmarks.probe --pool prefork --at-most-s 180

`benchmarks.noops` describes the method. It ends when the interval of the throughput is within ±3 %,
or at the time limit. It prints the results, and asserts nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence

from benchmarks.noops import Arm, format_ratio, measure_arms, parse_options
from report.statistics.ratios import CLAIM_BLOCKS, paired_ratio

#: The ratio's interval is narrow enough at this share of it.
GOOD_ENOUGH = 0.03


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = parse_options(argv, program="benchmarks.probe", description=__doc__)
    arms = {
        arm.name: arm
        for arm in (
            Arm(name="bare"),
            Arm(name="again"),
            Arm(name="probe", options=("-I", "poolbench.probe")),
            Arm(name="events", options=("-E",)),
        )
    }
    measure_arms(tuple(arms.values()), options, is_enough=lambda: _is_good_enough(arms))
    _print(arms, options)
    return 0


def _is_good_enough(arms: Mapping[str, Arm]) -> bool:
    ratio = paired_ratio(arms["probe"].jobs_per_s, theirs=arms["bare"].jobs_per_s)
    if ratio is None or ratio.blocks < CLAIM_BLOCKS:
        return False
    return ratio.high / ratio.value - 1 <= GOOD_ENOUGH


def _print(arms: Mapping[str, Arm], options: argparse.Namespace) -> None:
    bare = arms["bare"]
    write = sys.stdout.write
    write(f"no-op jobs, {options.pool}, {options.slots} slots, {options.jobs} jobs a trial\n")
    write("arm       jobs/s  throughput to bare     CPU-s/1,000  recorder's  CPU to bare\n")
    for arm in arms.values():
        if arm.jobs_per_s:
            figures = (arm.jobs_per_s, arm.cpu_s, arm.recorder_cpu_s)
            jobs_per_s, cpu_s, own_s = (statistics.fmean(by.values()) for by in figures)
            throughput = format_ratio(arm.jobs_per_s, theirs=bare.jobs_per_s)
            cpu = format_ratio(arm.cpu_s, theirs=bare.cpu_s)
            write(f"{arm.name:<8}{jobs_per_s:>8.0f}  {throughput}")
            write(f"{cpu_s:>12.3f}{own_s:>12.3f}  {cpu}\n")
    write(
        f"{len(bare.jobs_per_s)} blocks; ratios within blocks, with 95 % intervals from five on\n"
    )
    if not _is_good_enough(arms):
        write("the time limit was reached before the interval was within 3 %\n")


if __name__ == "__main__":
    sys.exit(main())
