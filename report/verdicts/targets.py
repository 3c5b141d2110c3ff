"""Describes in sentences which contenders meet the bounds of an SLO, so which are enough."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from report import format as fmt
from report.result import TargetSummary
from report.rows.row import Row


def describe_targets(rows: Sequence[Row]) -> list[str]:
    """Return a sentence for each bound, those that some contender misses first.

    Contenders that meet it come in the order of their memory, the least first: the first is enough.
    """
    judged = (row for row in rows if row.targets and row.is_valid and not row.twin_of)
    known = sorted(judged, key=_pss_bytes)
    bounds = zip(*(row.targets for row in known), strict=True)
    found = [
        [(row.contender.name, one) for row, one in zip(known, of_bound, strict=True)]
        for of_bound in bounds
    ]
    by_sentence: dict[str, list[str]] = {}
    for one in sorted(found, key=lambda one: all(target.is_met for _, target in one)):
        by_sentence.setdefault(_sentence(one), []).append(one[0][1].part)
    return [_of_parts(parts, sentence=sentence) for sentence, parts in by_sentence.items()]


def describe_bound(target: TargetSummary) -> str:
    """Return the bound as text: ``p95 wait ≤ 500 ms``."""
    percentile, span, _ = target.figure.split("_")
    return f"{percentile} {span} ≤ {fmt.duration(target.bound_s)}"


def describe_status(target: TargetSummary) -> str:
    """Return whether the bound is met, or in how many repetitions where they don't agree."""
    if target.is_met is None:
        return f"{target.met} of {target.repetitions}"
    return "met" if target.is_met else "missed"


def describe_seen(target: TargetSummary) -> str:
    """Return the percentile as text."""
    return "not all done" if target.seen_s is None else fmt.duration(target.seen_s)


def describe_missed(target: TargetSummary) -> str:
    """Return the share of jobs that missed the bound, with its interval: ``15 % [5.9–21 %]``."""
    share = target.missed_share
    low, high = (fmt.percent(one) for one in (share.low, share.high))
    return f"{fmt.percent(share.median)} [{low.removesuffix(' %')}–{high}]"


def _sentence(found: Sequence[tuple[str, TargetSummary]]) -> str:
    first = found[0][1]
    goal = describe_bound(first)
    meet = [name for name, one in found if one.is_met]
    some = [
        f"{name} in {one.met} of {one.repetitions} repetitions ({describe_seen(one)})"
        for name, one in found
        if one.is_met is None
    ]
    missed = [f"{name} ({describe_seen(one)})" for name, one in found if one.is_met is False]
    who = fmt.listed(meet)
    if not meet:
        who = "none always" if some else "none"
    elif len(meet) == len(found) > 1:
        who = "all"
    start = f"{who} {'meet' if len(meet) > 1 else 'meets'} {goal}"
    if meet or some:
        ends = [fmt.listed(some), f"not {fmt.listed(missed)}" if missed else ""]
        text = "; ".join(filter(None, [start, *ends]))
    else:
        text = f"{start}: {fmt.listed(missed)}"
    has_name = bool(meet) and who != "all"
    if not first.is_claim:
        text, has_name = f"so far {text}", False
    return f"{text if first.part or has_name else text[0].upper() + text[1:]}."


def _of_parts(parts: Sequence[str], *, sentence: str) -> str:
    """Return a sentence with the names of the parts that it is true of, if there are parts."""
    names = [part for part in parts if part]
    return f"{fmt.listed(names)}: {sentence}" if names else sentence


def _pss_bytes(row: Row) -> float:
    known = [trial.pss_bytes for trial in row.valid if trial.pss_bytes]
    return statistics.median(known) if known else 0.0
