"""How often the analysis errs, and what it detects: simulated runs, judged as real ones are.

    python -m benchmarks.coverage              # 10,000 runs for each true difference; see --help
    python -m benchmarks.coverage --runs 500   # a look

Each line is one kind of noise in runs of one size: contenders × repetitions. `report.verdicts`
compares the contenders of every run. "false" is the share of runs in which a question contains a
difference that is not there, the worst over true differences of which some or all are equal.
"missed" is the share of runs in which an interval of one question excludes the truth, likewise the
worst. "power" is the share of runs that detect a lead of 10, 20 and 74 %; "before" is that of
paired t tests with Holm's correction and a noise floor from the A/A control, which version 0.1
used. It exits with 1 if a question errs in over 6.5 % of runs, or misses in over 6 %.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from report.rows.comparable import Entry
from report.statistics import student_t
from report.statistics.ratios import CLAIM_BLOCKS, CONFIDENCE
from report.verdicts.pairwise import compare_pairs

Floats = npt.NDArray[np.float64]

#: What a repetition has in common, as a share.
_COMMON = 0.05

#: Noise of ten contenders in one kept run of waits: a few wide ones among many narrow ones.
_WAITS = (0.106, 0.12, 0.08, 0.025, 0.013, 0.013, 0.012, 0.011, 0.011, 0.012)

NOISES = (
    "equal 14 %",
    "3 to 17 %",
    "the best are the noisiest",
    "one at 30 % beside 5 %",
    "waits of a kept run",
    "heavy tails",
    "drift",
    "process 5 %, rounds 10 %",
    "process 0 to 10 %, rounds 3 to 17 %",
    "two trials missing",
    "unequal rounds",
)

#: Leads whose detection is counted.
LEADS = (1.10, 1.20, 1.74)

#: Largest share of runs in which a question may contain a false difference.
MAX_FALSE = 0.065
#: Largest share of runs in which an interval of a question may exclude the truth.
MAX_MISSED = 0.06

#: Rounds in a repetition where their noise is separate from that of processes.
_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What runs of one size with one kind of noise showed; shares of runs."""

    noise: str
    contenders: int
    blocks: int
    #: Worst share with a false difference, by question: the baseline's, and the best's.
    false: tuple[float, float]
    #: Worst share with an interval that excludes the truth, likewise.
    missed: tuple[float, float]
    #: Share that detects each of `LEADS`, now and by the method before.
    power: tuple[float, ...]
    power_before: tuple[float, ...]

    @property
    def is_good(self) -> bool:
        """Whether the promised error and coverage hold."""
        return max(self.false) <= MAX_FALSE and max(self.missed) <= MAX_MISSED

    def __str__(self) -> str:
        shares = [*self.false, *self.missed, *self.power, *self.power_before]
        size = f"{self.contenders} x {self.blocks}"
        false, missed, power, before = (
            " ".join(f"{100 * share:5.1f}" for share in part)
            for part in (shares[:2], shares[2:4], shares[4:7], shares[7:])
        )
        sign = " " if self.is_good else "!"
        return f"{sign} {self.noise:36}{size:>7}  {false}  {missed}  {power}  {before}"


HEAD = (
    f"  {'':36}{'':7}  {'false, %':11}  {'missed, %':11}  {'power, %':17}  {'before, %':17}\n"
    f"  {'noise':36}{'size':>7}  {'base':>5} {'best':>5}  {'base':>5} {'best':>5}  "
    f"{'1.1':>5} {'1.2':>5} {'1.74':>5}  {'1.1':>5} {'1.2':>5} {'1.74':>5}"
)


def simulate(noise: str, *, contenders: int, blocks: int, runs: int, seed: int = 1) -> Line:
    """Return a line of ``runs`` simulated runs for each true difference."""
    rng = np.random.default_rng([seed, NOISES.index(noise), contenders, blocks])
    false, missed = [(0.0, 0.0)], [(0.0, 0.0)]
    for truth in _partial_ties(contenders):
        found = [
            _judge(one, truth=truth) for one in _draw(rng, noise, truth, blocks=blocks, runs=runs)
        ]
        shares = np.array(found, dtype=float).mean(axis=0)
        false.append((shares[0], shares[1]))
        missed.append((shares[2], shares[3]))
    power, before = [], []
    for lead in LEADS:
        truth = np.zeros(contenders)
        truth[0] = math.log(lead)
        drawn = list(_draw(rng, noise, truth, blocks=blocks, runs=max(1, runs // 5)))
        power.append(float(np.mean([_is_detected(one) for one in drawn])))
        before.append(float(_detected_before(np.array(drawn)).mean()))
    return Line(
        noise=noise,
        contenders=contenders,
        blocks=blocks,
        false=tuple(np.max(false, axis=0)),
        missed=tuple(np.max(missed, axis=0)),
        power=tuple(power),
        power_before=tuple(before),
    )


def _partial_ties(contenders: int) -> Iterator[Floats]:
    """Yield true logarithms: all equal, two or half ahead, three a little, and a staircase.

    The last contender is the baseline.
    """
    yield np.zeros(contenders)
    for ahead, by in ((2, 1.0), (contenders // 2, 1.0), (3, 0.2)):
        yield np.asarray(by * (np.arange(contenders) < ahead), dtype=np.float64)
    yield np.asarray(-0.08 * np.arange(contenders), dtype=np.float64)


def _draw(
    rng: np.random.Generator, noise: str, truth: Floats, *, blocks: int, runs: int
) -> Iterator[Floats]:
    """Yield runs: logarithms by contender and repetition, NaN where a trial is missing."""
    contenders = len(truth)
    for _ in range(runs):
        shape = (contenders, blocks, _ROUNDS if "rounds" in noise else 1)
        rounds = truth[:, None, None] + _noise(rng, noise, shape=shape)
        rounds += _COMMON * rng.normal(size=(1, blocks, 1))
        if noise == "unequal rounds":
            counts = rng.integers(1, shape[2] + 1, size=(contenders, 1, 1))
            rounds = np.where(np.arange(shape[2]) < counts, rounds, np.nan)
        found = np.nanmean(rounds, axis=2)
        if noise == "two trials missing":
            found[0, 0] = found[1, 2] = np.nan
        yield found


def _noise(rng: np.random.Generator, noise: str, *, shape: tuple[int, int, int]) -> Floats:
    """Return the noise of logarithms, without what a repetition has in common."""
    contenders, blocks, _ = shape
    spread, process = np.full(contenders, 0.14), np.zeros(contenders)
    unit = rng.normal(size=shape)
    if noise == "3 to 17 %":
        spread = rng.permutation(np.linspace(0.03, 0.17, contenders))
    elif noise == "the best are the noisiest":
        spread = np.linspace(0.17, 0.03, contenders)
    elif noise == "one at 30 % beside 5 %":
        spread = rng.permutation([0.30] + [0.05] * (contenders - 1))
    elif noise == "waits of a kept run":
        spread = np.resize(_WAITS, contenders)
    elif noise == "heavy tails":
        unit = rng.standard_t(3, size=shape) / math.sqrt(3)
    elif noise == "drift":
        spread, unit = np.ones(contenders), 0.07 * unit + _drift(rng, shape=shape)
    elif noise.startswith("process 5 %"):
        spread, process = np.full(contenders, 0.10), np.full(contenders, 0.05)
    elif noise.startswith("process 0"):
        spread = rng.permutation(np.linspace(0.03, 0.17, contenders))
        process = rng.permutation(np.linspace(0.0, 0.10, contenders))
    of_process = process[:, None, None] * rng.normal(size=(contenders, blocks, 1))
    return np.asarray(unit * spread[:, None, None] + of_process)


def _drift(rng: np.random.Generator, *, shape: tuple[int, int, int]) -> Floats:
    """Return what a machine does in time, at each trial's place: it wanders, and slows by 20 %."""
    contenders, blocks, rounds = shape
    line, at = np.empty(contenders * blocks * rounds), rng.normal()
    for place in range(len(line)):
        at = 0.9 * at + math.sqrt(1 - 0.9**2) * rng.normal()
        line[place] = 0.12 * at + 0.2 * place / len(line)
    by_block = line.reshape(blocks, rounds, contenders)
    return rng.permuted(by_block, axis=2).transpose(2, 0, 1)


def _judge(logs: Floats, *, truth: Floats) -> tuple[bool, bool, bool, bool]:
    """Return whether both questions have a false difference, then whether an interval misses."""
    false, missed = [False, False], [False, False]
    baseline = _name(len(truth) - 1, of=len(truth))
    places = {_name(place, of=len(truth)): place for place in range(len(truth))}
    for (ours, theirs), one in compare_pairs(_entries(logs)).decided.items():
        if not one.ratio.is_claim:
            continue
        true = truth[places[ours]] - truth[places[theirs]]
        question = int(theirs != baseline)
        is_false = one.decision.is_difference and true * math.log(one.ratio.value) <= 0
        is_missed = not math.log(one.ratio.low) <= true <= math.log(one.ratio.high)
        false[question] |= is_false
        missed[question] |= is_missed
    return false[0], false[1], missed[0], missed[1]


def _is_detected(logs: Floats) -> float:
    """Return the share of the others that the first contender is proved ahead of."""
    pairs = compare_pairs(_entries(logs))
    contenders = len(logs)
    found = [
        pairs.between(_name(0, of=contenders), theirs=_name(place, of=contenders))
        for place in range(1, contenders - 1)
    ]
    return float(
        np.mean(
            [
                one is not None and one.decision.is_difference and one.ratio.value > 1
                for one in found
            ]
        )
    )


def _entries(logs: Floats) -> list[Entry]:
    return [
        Entry(
            contender=_name(place, of=len(logs)),
            pool=_name(place, of=len(logs)).partition("-")[0],
            slots=1,
            per_s={block: math.exp(log) for block, log in enumerate(found) if not math.isnan(log)},
        )
        for place, found in enumerate(logs)
    ]


def _name(place: int, *, of: int) -> str:
    return "solo" if place == of - 1 else f"threads-{place}"


def _detected_before(logs: Floats) -> Floats:
    """Return the same share by paired t tests, Holm's correction and a noise floor, for each run.

    The A/A control is the pair of the two contenders before the baseline.
    """
    _, contenders, blocks = logs.shape
    first, second = np.triu_indices(contenders, 1)
    pairs = logs[:, first] - logs[:, second]
    middle, counts = np.nanmean(pairs, axis=2), (~np.isnan(pairs)).sum(axis=2)
    error = np.nanstd(pairs, axis=2, ddof=1) / np.sqrt(counts)
    quantile = student_t.quantile((1 + CONFIDENCE) / 2, freedom=blocks - 1)
    p_values = 2 * np.vectorize(student_t.cdf)(-np.abs(middle) / error, freedom=counts - 1)
    is_first = second == contenders - 1
    claims = np.zeros_like(pairs[:, :, 0], dtype=bool)
    for family in (is_first, ~is_first):
        ordered = np.sort(p_values[:, family], axis=1)
        is_found = ordered <= (1 - CONFIDENCE) / (family.sum() - np.arange(family.sum()))
        count = np.cumprod(is_found, axis=1).sum(axis=1)
        # the largest p-value that the steps still pass; none before the first
        last = np.take_along_axis(ordered, np.maximum(count - 1, 0)[:, None], axis=1)
        claims[:, family] = (p_values[:, family] <= last) & (count > 0)[:, None]
    claims[:, ~is_first] &= claims[:, is_first].any(axis=1, keepdims=True)
    control = (first == contenders - 3) & (second == contenders - 2)
    floor = (np.abs(middle) + quantile * error)[:, control]
    claims &= (np.abs(middle) > floor) & (counts >= CLAIM_BLOCKS)
    of_first = (first == 0) & ~is_first
    return np.asarray((claims & (middle > 0))[:, of_first].mean(axis=1))


def _simulate(job: tuple[str, int, int, int]) -> Line:
    noise, contenders, blocks, runs = job
    return simulate(noise, contenders=contenders, blocks=blocks, runs=runs)


def main(words: Sequence[str] | None = None) -> int:
    """Print a line for each size and noise; return 0 if all are good."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10_000, help="for each true difference")
    parser.add_argument("--contenders", type=int, nargs="+", default=[5, 10])
    parser.add_argument("--blocks", type=int, nargs="+", default=[5, 7, 10])
    options = parser.parse_args(words)
    jobs = [
        (noise, contenders, blocks, options.runs)
        for contenders, blocks, noise in product(options.contenders, options.blocks, NOISES)
    ]
    print(HEAD)
    lines = []
    with ProcessPoolExecutor() as pool:
        for line in pool.map(_simulate, jobs):
            print(line, flush=True)
            lines.append(line)
    worst = {
        "false": max(max(one.false) for one in lines),
        "missed": max(max(one.missed) for one in lines),
    }
    print(", ".join(f"{name} at most {share:.1%}" for name, share in worst.items()))
    return 0 if all(line.is_good for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
