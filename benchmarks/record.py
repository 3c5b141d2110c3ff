"""Measures the cost of recording into a local file: no-op jobs with and without it.

    python -m benchmarks.record --pool prefork --at-most-s 180

`benchmarks.noops` describes the method. It ends when throughput with recording is within ±1.5 %, or
at the time limit. It prints whether throughput is at least 0.95 × that without, and the worker's
CPU time at most 60 µs a job more; the recorder with its sampler is reported apart. It exits with 1
if a figure misses its limit.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.noops import Arm, format_ratio, measure_arms, parse_options
from report.statistics.differences import Change
from report.statistics.ratios import CLAIM_BLOCKS, paired_ratio

#: Least throughput, and its least lower bound, relative to a worker that isn't recorded.
LEAST_RATIO, LEAST_BOUND = 0.95, 0.93

#: Most CPU time of the worker that recording adds to a job, µs.
MOST_CPU_US = 60.0

#: The ratio's interval is narrow enough at this share of it.
GOOD_ENOUGH = 0.015


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 if a figure misses its limit."""
    options = parse_options(argv, program="benchmarks.record", description=__doc__)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recorded.pbrec"
        bare, again = Arm(name="bare"), Arm(name="again")
        recorded = Arm(
            name="recorded",
            options=("-I", "poolbench.probe"),
            environment={"POOLBENCH_RECORD": str(path)},
        )
        arms = (bare, again, recorded)
        measure_arms(arms, options, is_enough=lambda: _is_enough(recorded, bare=bare))
        sampler_share = _sampler_share(path)
    _print(arms, options, sampler_share=sampler_share)
    return 0 if _is_within(recorded, bare=bare) else 1


def _added_us(arm: Arm, *, bare: Arm) -> Change | None:
    """Return the CPU time of the worker alone that an arm adds to a job, µs, by block."""
    own = {block: arm.cpu_s[block] - arm.recorder_cpu_s[block] for block in arm.cpu_s}
    return Change.of([(own[block] - bare.cpu_s[block]) * 1e3 for block in own])


def _sampler_share(path: Path) -> float:
    """Return which part of the recorder's CPU time was that of sampling, over all sessions."""
    ends = [
        json.loads(line)
        for line in path.read_bytes().splitlines()
        if line.startswith(b'{"v":1,"m":"ended"')
    ]
    sampler_s, recorder_s = (
        sum(end[name] for end in ends) for name in ("sampler_cpu_s", "recorder_cpu_s")
    )
    return float(sampler_s / (sampler_s + recorder_s)) if ends else 0.0


def _is_enough(arm: Arm, *, bare: Arm) -> bool:
    ratio = paired_ratio(arm.jobs_per_s, theirs=bare.jobs_per_s)
    if ratio is None or ratio.blocks < CLAIM_BLOCKS:
        return False
    return ratio.high / ratio.value - 1 <= GOOD_ENOUGH


def _is_within(arm: Arm, *, bare: Arm) -> bool:
    ratio, added = paired_ratio(arm.jobs_per_s, theirs=bare.jobs_per_s), _added_us(arm, bare=bare)
    if ratio is None or added is None:
        return False
    is_fast = ratio.value >= LEAST_RATIO and ratio.low >= LEAST_BOUND
    return is_fast and added.median <= MOST_CPU_US


def _print(arms: Sequence[Arm], options: argparse.Namespace, *, sampler_share: float) -> None:
    bare = arms[0]
    write = sys.stdout.write
    write(f"no-op jobs, {options.pool}, {options.slots} slots, {options.jobs} jobs a trial\n")
    write("arm         jobs/s  throughput to bare   worker's CPU added, µs a job\n")
    for arm in arms:
        jobs_per_s = statistics.fmean(arm.jobs_per_s.values())
        throughput = format_ratio(arm.jobs_per_s, theirs=bare.jobs_per_s)
        added = _added_us(arm, bare=bare)
        cost = f"{added.median:.0f} [{added.low:.0f} to {added.high:.0f}]" if added else "-"
        write(f"{arm.name:<10}{jobs_per_s:>8.0f}  {throughput:<20} {cost}\n")
    recorded = arms[-1]
    share = statistics.fmean(recorded.recorder_share.values())
    write(
        f"recorder {share * (1 - sampler_share):.1%} and sampler {share * sampler_share:.1%} "
        f"of a core; {len(bare.jobs_per_s)} blocks\n"
    )
    is_within = _is_within(recorded, bare=bare)
    write(
        f"{'ok' if is_within else 'missed'}: at least {LEAST_RATIO} × the throughput (lower bound "
        f"{LEAST_BOUND}), at most {MOST_CPU_US:.0f} µs of the worker's CPU a job\n"
    )


if __name__ == "__main__":
    sys.exit(main())
