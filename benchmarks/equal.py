"""Whether the whole chain finds differences between equals: 40 comparisons of A with A.

    python -m benchmarks.equal                  # fresh runs, about eight minutes
    python -m benchmarks.equal results/RUN …    # kept runs first, then fresh ones

Two contenders of a run that have the same pool, slots and settings are equal, so every claimed
difference between them is false: one of twenty, at 95 %. Each pair is compared as a question of its
own, with the fit of all contenders of its workload. Six or more of 40 happen by chance in 1.4 % of
cases (binomial distribution); then it exits with 1. A fresh run has five such pairs and four
workloads, as `make bench` has.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.run_manifest import Contender
from collector.store import RunFolder
from report import format as fmt
from report.legend import claim
from report.result import Summary
from report.statistics.significance import Answer, compare_planned_figures
from report.summary import summarize
from report.verdicts.figures import figures_by_contender
from report.verdicts.metrics import FIGURES

#: Comparisons, and the number of claimed differences that is too many.
COMPARISONS, TOO_MANY = 40, 6

_CONTENDERS = {"prefork": 2, "threads": 4, "gevent": 4, "asyncio": 4, "solo": 1}

EXPERIMENT = (
    '# Do equals differ?\ntitle = "Do equals differ?"\nseed = {seed}\n'
    "[profile.bench]\nrepetitions = 7\ntrial_s = 0.5\ncontenders = ["
    + ", ".join(f'"{pool}-{letter}"' for pool in _CONTENDERS for letter in "ab")
    + "]\n"
    + "".join(
        f'[[contender]]\nname = "{pool}-{letter}"\npool = "{pool}"\nslots = {slots}\n'
        for pool, slots in _CONTENDERS.items()
        for letter in "ab"
    )
    + '[[workload]]\nkind = "cpu.primes"\nparameters = {{ work_ms = 4 }}\n'
    '[[workload]]\nkind = "cpu.sha256"\nparameters = {{ work_ms = 4 }}\n'
    '[[workload]]\nkind = "io.sleep"\nparameters = {{ delay_ms = 50 }}\n'
    '[[workload]]\nkind = "io.http"\nparameters = {{ delay_ms = 50, size_bytes = 4096 }}\n'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Equals:
    """One comparison of two equal contenders."""

    run: str
    workload: str
    pair: tuple[str, str]
    answer: Answer

    def __str__(self) -> str:
        ours, theirs = self.pair
        sign = "!" if self.answer.decision.is_difference else " "
        return (
            f"{sign} {self.workload:12} {ours} : {theirs}  {claim(self.answer.ratio)}  {self.run}"
        )


def equals_of(summary: Summary) -> Iterator[Equals]:
    """Yield a comparison for each workload and each pair of equal contenders that has a claim.

    A contender is in one pair only, since pairs that share one are not independent.
    """
    for workload, pair in itertools.product(summary.workloads, _pairs(summary.contenders)):
        figures = figures_by_contender(
            FIGURES["throughput"], summary=summary, workload=workload.name, has_controls=True
        )
        if not set(pair) <= figures.keys():
            continue
        answer = compare_planned_figures(figures, pairs=[pair]).get(pair)
        if answer and answer.ratio.is_claim:
            yield Equals(run=summary.run, workload=workload.name, pair=pair, answer=answer)


def _pairs(contenders: Sequence[Contender]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for ours, theirs in itertools.combinations(contenders, 2):
        used = {name for pair in pairs for name in pair}
        if _kind(ours) == _kind(theirs) and not {ours.name, theirs.name} & used:
            pairs.append((ours.name, theirs.name))
    return pairs


def _kind(contender: Contender) -> tuple[object, ...]:
    settings = tuple(sorted(contender.settings.items()))
    return contender.pool, contender.slots, contender.interpreter, settings


def _fresh(*, seed: int) -> Summary:
    """Measure a run of equals, by the command that people use."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "equal.toml")
        file.write_text(EXPERIMENT.format(seed=seed), encoding="utf-8")
        words = [sys.executable, "-m", "poolbench", "run", str(file), "--profile", "bench"]
        results = {"POOLBENCH_RESULTS_DIR": str(Path(folder, "results"))}
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **results})
        (path,) = Path(folder, "results").iterdir()
        return summarize(RunFolder(path))


def main(words: Sequence[str] | None = None) -> int:
    """Print each comparison and their count; return 1 for too many differences."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN", help="a kept run's folder")
    parser.add_argument("--comparisons", type=int, default=COMPARISONS)
    options = parser.parse_args(words)
    kept = (summarize(RunFolder(path)) for path in options.runs)
    fresh = (_fresh(seed=seed) for seed in itertools.count(1))
    every = (found for summary in itertools.chain(kept, fresh) for found in equals_of(summary))
    found = []
    for one in itertools.islice(every, options.comparisons):
        print(one, flush=True)
        found.append(one)
    differing = sum(one.answer.decision.is_difference for one in found)
    print(f"{differing} of {fmt.counted(len(found), noun='comparison')} of equals differ")
    return 1 if differing >= TOO_MANY else 0


if __name__ == "__main__":
    sys.exit(main())
