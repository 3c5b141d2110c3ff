"""Decides what comparisons show: more, less, or no difference. Pure; its words are a verdict's.

Of twenty comparisons between equals one leaves 1 out of its interval by chance. So comparisons that
are read together are one question, and their intervals contain the truth all at once in 95 of 100
runs. A finding and its interval come from the same critical value and can't disagree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from itertools import combinations
from typing import Protocol, TypeVar

from report.statistics import critical_values, student_t
from report.statistics.block_model import Estimate, fit_blocks
from report.statistics.ratios import CLAIM_BLOCKS, Ratio, paired_ratio

#: How often a difference of the smallest detectable size is to be found.
POWER = 0.80

#: Logarithms that differ by less are equal: the rest of a sum that should be 0.
_ROUNDING = 1e-9

Key = TypeVar("Key")

#: Two contenders, the first over the second.
Pair = tuple[str, str]


class _Critical(Protocol):
    """How many standard errors a comparison takes, by its degrees of freedom."""

    def __call__(self, *, freedom: float) -> float: ...


class Finding(StrEnum):
    """What a comparison shows."""

    MORE = "more"
    LESS = "less"
    NO_DIFFERENCE = "no difference"
    TOO_FEW = "too few"


_OPPOSITE = {Finding.MORE: Finding.LESS, Finding.LESS: Finding.MORE}


class Why(StrEnum):
    """What decided against a difference."""

    NOTHING = ""
    TOO_FEW = "too few blocks for a claim"
    INTERVAL = "the interval includes 1"
    UNASKED = "no contender differs from the baseline, and that is asked first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a comparison shows, among the others of its question."""

    finding: Finding
    why: Why = Why.NOTHING
    #: The minimum detectable difference, as a share; None without a claim.
    detectable: float | None = None

    @property
    def is_difference(self) -> bool:
        """Whether one did more than the other."""
        return self.finding in (Finding.MORE, Finding.LESS)

    @property
    def is_no_difference(self) -> bool:
        """Whether there were blocks enough, and none shows."""
        return self.finding is Finding.NO_DIFFERENCE

    def inverse(self) -> Decision:
        """Return what the same comparison shows the other way round."""
        return replace(self, finding=_OPPOSITE.get(self.finding, self.finding))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A ratio with its simultaneous interval, and what it shows."""

    ratio: Ratio
    decision: Decision


def compare_planned(
    estimates: Mapping[str, Estimate], *, pairs: Sequence[Pair]
) -> dict[Pair, Answer]:
    """Return the answers to one question of comparisons that were fixed before the run.

    Errors are those of both contenders, degrees of freedom Welch's and Satterthwaite's, the
    critical value Student's t at Šidák's level for so many pairs. Not Dunnett's: it assumes that
    all are equally noisy.
    """
    critical = partial(critical_values.of_comparisons, len(pairs))
    return {pair: _answer(estimates, pair=pair, critical=critical) for pair in pairs}


def find_best(
    estimates: Mapping[str, Estimate], *, among: Iterable[str], is_asked: bool = True
) -> dict[Pair, Answer]:
    """Return the observed best of some contenders over each of the others.

    Which one is the best is known only from the figures that judge it, so the critical value is
    that of the studentized range, for all pairs (P. A. Games and J. F. Howell, Journal of
    Educational Statistics 1, 1976). Those proved behind leave, and the rest is judged anew as a
    smaller group (step-down). The intervals take the larger of that value and of Šidák's for the
    comparisons made; where a later step proves a difference that such an interval doesn't, it
    ends at 1.

    Args:
        estimates: of one fit.
        among: the contenders in question.
        is_asked: whether a question before this one found a difference. If not, none is claimed.
    """
    ordered = sorted(among, key=lambda name: (-estimates[name].log_mean, name))
    if len(ordered) < 2:
        return {}
    best, alive = ordered[0], ordered[1:]
    planned = partial(critical_values.of_comparisons, len(alive))
    answers: dict[Pair, Answer] = {}
    while alive:
        critical = partial(critical_values.of_range, len(alive) + 1)
        found = {
            (best, name): _answer(estimates, pair=(best, name), critical=critical, interval=planned)
            for name in alive
        }
        answers |= found
        behind = {name for (_, name), answer in found.items() if answer.decision.is_difference}
        alive = [name for name in alive if name not in behind]
        if not behind or not is_asked:
            break
    return answers if is_asked else {pair: _unasked(one) for pair, one in answers.items()}


def compare_all(estimates: Mapping[str, Estimate]) -> dict[Pair, Answer]:
    """Return every pair, in one step: the studentized range of all contenders."""
    critical = partial(critical_values.of_range, len(estimates))
    return {
        pair: _answer(estimates, pair=pair, critical=critical)
        for pair in combinations(estimates, 2)
    }


def compare_planned_figures(
    figures: Mapping[str, Mapping[int, float]], *, pairs: Iterable[Pair]
) -> dict[Pair, Answer]:
    """Return `compare_planned` of contender → block → a positive figure.

    Pairs with fewer than `CLAIM_BLOCKS` blocks have their range and no claim; they are not counted
    as comparisons. Pairs without a block in common are left out.
    """
    estimates, asked = fit_blocks(figures), [*pairs]
    claims = [
        pair for pair in asked if all(has_claim(estimates.get(contender)) for contender in pair)
    ]
    answers = compare_planned(estimates, pairs=claims)
    for ours, theirs in asked:
        found = answers.get((ours, theirs)) or compare_range(figures[ours], theirs=figures[theirs])
        if found:
            answers[ours, theirs] = found
    return answers


def has_claim(estimate: Estimate | None) -> bool:
    """Return whether a contender has enough blocks for a claim."""
    return estimate is not None and estimate.blocks >= CLAIM_BLOCKS


def compare_range(ours: Mapping[int, float], *, theirs: Mapping[int, float]) -> Answer | None:
    """Return the range of the blocks' ratios, with too few blocks; None without a common one."""
    ratio = paired_ratio(ours, theirs=theirs)
    if ratio is None:
        return None
    return Answer(ratio=ratio, decision=Decision(finding=Finding.TOO_FEW, why=Why.TOO_FEW))


def _answer(
    estimates: Mapping[str, Estimate],
    *,
    pair: Pair,
    critical: _Critical,
    interval: _Critical | None = None,
) -> Answer:
    """Return one comparison, claimed by ``critical``; the interval is at least that wide."""
    ours, theirs = (estimates[name] for name in pair)
    difference = ours.log_mean - theirs.log_mean
    error_2 = ours.squared_error + theirs.squared_error
    weights = ours.squared_error**2 / ours.freedom + theirs.squared_error**2 / theirs.freedom
    freedom = error_2**2 / weights if weights else min(ours.freedom, theirs.freedom)
    error, bound = math.sqrt(error_2), critical(freedom=freedom)
    least = max(bound * error, _ROUNDING)
    is_more, is_less = difference > least, difference < -least
    reach = max(bound, interval(freedom=freedom) if interval else 0.0) * error
    low, high = difference - reach, difference + reach
    ratio = Ratio(
        value=math.exp(difference),
        low=math.exp(max(low, 0.0) if is_more else low),
        high=math.exp(min(high, 0.0) if is_less else high),
        blocks=min(ours.blocks, theirs.blocks),
        log_error=error,
        freedom=freedom,
    )
    finding = Finding.MORE if is_more else Finding.LESS if is_less else Finding.NO_DIFFERENCE
    return Answer(
        ratio=ratio,
        decision=Decision(
            finding=finding,
            why=Why.NOTHING if is_more or is_less else Why.INTERVAL,
            detectable=detectable_difference(ratio, critical=bound) if error > _ROUNDING else None,
        ),
    )


def _unasked(answer: Answer) -> Answer:
    """Return an answer without a claim: what it could detect depends on the question before it."""
    changed = replace(answer.decision, detectable=None)
    if changed.is_difference:
        changed = replace(changed, finding=Finding.NO_DIFFERENCE, why=Why.UNASKED)
    return replace(answer, decision=changed)


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Return p-values corrected for their number, at most 1.

    The smallest of m is multiplied by m, the next by m - 1, and none is smaller than the one
    before it (S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
    Journal of Statistics 6, 1979). The chance of a single false difference among all of them then
    stays below the level, however the comparisons hang together.
    """
    adjusted: dict[Key, float] = {}
    largest = 0.0
    for rank, (key, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_value))
        adjusted[key] = largest
    return {key: adjusted[key] for key in p_values}


def detectable_difference(ratio: Ratio, *, critical: float, power: float = POWER) -> float | None:
    """Return the smallest difference that a comparison with these blocks and this spread finds.

    As a share: 0.08 means that a true ratio of 1.08 would have been found in `POWER` of runs like
    this. It solves the power of Student's test, by the noncentral t distribution, for the
    difference of the logarithms. None without a claim.

    Args:
        ratio: with its error and degrees of freedom.
        critical: how many standard errors a claim takes.
        power: share of runs.
    """
    if ratio.log_error is None or ratio.freedom is None:
        return None
    # the other tail is left out: it has less than a thousandth at this power
    shift = student_t.noncentrality(1 - power, freedom=ratio.freedom, value=critical)
    return math.expm1(shift * ratio.log_error)
