"""Sentences on a comparison of two runs, shared by terminal, Markdown and JUnit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from report import format as fmt
from report.compare.model import Comparison, Outcome
from report.conditions import Difference
from report.result import Checked, Status, Summary
from report.statistics.ratios import CLAIM_BLOCKS, CONFIDENCE
from report.verdicts.metrics import FIGURES


def side(name: str, *, summary: Summary) -> str:
    """Return a description of run A or B."""
    commit = (summary.conditions.get("run") or {}).get("commit")
    facts = [fmt.moment(summary.created_ns), f"commit {commit}" if commit else ""]
    title = f": {summary.title}" if summary.title else ""
    return f"{name} {summary.run} ({', '.join(filter(None, facts))}){title}"


def forced(comparison: Comparison) -> list[str]:
    """Return a warning for each refusal that `--force` overrode; empty without `--force`."""
    if not comparison.is_forced:
        return []
    return [f"FORCED, different conditions: {one}" for one in comparison.refusals] or [
        "--force was not needed: no difference refuses the comparison."
    ]


def remarks(comparison: Comparison) -> list[str]:
    """Return the notes, the differences that `--across` allows, and those that refuse nothing."""
    asked = [f"Across {one}" for one in comparison.differences if one.topic in comparison.across]
    noted = [_noted(one) for one in comparison.differences if not one.is_refusal]
    return [*comparison.notes, *asked, *noted]


def headline(comparison: Comparison) -> str:
    """Return the number of figures by outcome: ``2 worse, 1 better, 33 no difference``."""
    order = (
        Outcome.WORSE, Outcome.BETTER, Outcome.UNPROVED, Outcome.SAME, Outcome.TOO_FEW,
        Outcome.NOT_COMPARED,
    )  # fmt: skip
    counts = [(comparison.count(outcome), outcome.value) for outcome in order]
    parts = [f"{count:,} {word}" for count, word in counts if count]
    rows = fmt.counted(len(comparison.rows), noun="row")
    figures = fmt.counted(sum(len(row.changes) for row in comparison.rows), noun="figure")
    return f"Of {figures} in {rows}: {', '.join(parts)}.{_detectable(comparison)}"


def legend(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the terms of the tables, each with its meaning."""
    claims = sum(
        change.corrected_p is not None for row in comparison.rows for change in row.changes
    )
    drawn = (
        f"geometric means of the repetitions, with the {CONFIDENCE * 100:.0f} % interval of "
        "Welch's t on their logarithms; it covers the variation between repetitions, not changes "
        "between the runs"
    )
    words = [("ratio", f"B ÷ A, of {drawn}")]
    if claims:
        beyond = (
            f"the interval is outside ± {fmt.percent(comparison.noise)}, and the difference is "
            f"significant among {fmt.counted(claims, noun='comparison')} (Holm's correction)"
        )
        words.append(("better +, worse -", beyond))
    if comparison.count(Outcome.UNPROVED):
        words.append(("not proved", "outside, but not significant: may be chance; repeat the runs"))
    if comparison.count(Outcome.TOO_FEW):
        words.append(("too few", f"fewer than {CLAIM_BLOCKS} repetitions: the range of all pairs"))
    return words


def by_condition(checked: Sequence[Checked]) -> Iterator[tuple[str, list[Checked]]]:
    """Yield a sentence on each condition of `--fail-on`, with the rows that don't pass it."""
    for condition in dict.fromkeys(one.condition for one in checked):
        rows = [one for one in checked if one.condition == condition]
        bad = [one for one in rows if one.status is not Status.MET]
        passing = f"{len(rows) - len(bad):,} of {fmt.counted(len(rows), noun='row')} pass"
        yield f'--fail-on "{condition}": {passing}', bad


def _detectable(comparison: Comparison) -> str:
    """Return the minimum detectable change of throughput; empty without a claim."""
    shares = [row.change(FIGURES["throughput"]).detectable for row in comparison.rows]
    known = sorted(share for share in shares if share is not None)
    if not known:
        return ""
    least, most = fmt.percent(known[0]), fmt.percent(known[-1])
    span = most if least == most else f"{least} to {most}, by row"
    return f" Minimum detectable change of throughput: {span} (80 % power)."


def _noted(difference: Difference) -> str:
    return f"{str(difference)[0].upper()}{str(difference)[1:]}"
