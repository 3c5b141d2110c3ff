"""Describes in sentences how contenders handled jobs that arrived at a rate.

Every word follows from this run's numbers. The comparison, its confidence and its minimum
detectable difference come from `report.verdicts.capacity`, as for throughput. For latency, the
compared figure is 1 ÷ p95, so that more is better there too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from collector.metrics import percentiles
from collector.run_manifest import Workload
from report import format as fmt
from report.result import RESPONSE, SUSTAINED, Verdict
from report.rows.comparable import Entry
from report.rows.offered_load import ROW_SHARE
from report.rows.row import Row
from report.statistics.ratios import Median
from report.trials.latency_spans import pool_spans
from report.trials.slo import RESOLUTION
from report.verdicts.latency import (
    describe_comparison,
    judge_entries,
    judge_parts,
    latency_entry,
)
from report.verdicts.targets import describe_targets

#: Share of the sustained rate with almost no load.
_FREE_SHARE = 0.2
#: Share of the sustained rate with overload.
_OVER_SHARE = 1.05

#: Largest number of bounds of an SLO in a headline.
_HEADLINE_TARGETS = 2

#: Largest number of parts of a mix with a sentence on their response: the largest findings.
_NAMED_PARTS = 3

#: The points of a load curve that its sentence names.
_NAMED_SHARES = (_FREE_SHARE, ROW_SHARE, _OVER_SHARE)


def judge_load(
    rows: Sequence[Row],
    *,
    workload: Workload,
    slo: Mapping[str, float],
    is_every_pair: bool = False,
) -> Verdict:
    """Return the verdict on a workload whose jobs arrived at a rate."""
    measure, headline = workload.measure, ""
    if measure == "rate":
        parts = judge_parts(rows, workload=workload, is_every_pair=is_every_pair)
        if parts:
            verdict = replace(parts[0], parts=parts)
            first, compared = parts[0].headline, [one.text for one in parts[:_NAMED_PARTS]]
            if (rest := len(parts) - _NAMED_PARTS) > 0:
                compared.append(f"{fmt.counted(rest, noun='more part')} in the table.")
        else:
            entries = [latency_entry(row) for row in rows]
            verdict = judge_entries(entries, workload=workload, is_every_pair=is_every_pair)
            behind = [_furthest_behind(verdict, rows=rows)] if verdict.furthest_behind else []
            compared = [*behind, *_soonest(verdict, rows=rows)]
            first = " ".join(compared[: len(behind) + 1])
        targets, kept_up = describe_targets(rows), _kept_up(rows, workload=workload)
        # which contenders are enough; or which kept up, and the largest finding on the response
        headline = " ".join(filter(None, targets[:_HEADLINE_TARGETS] or [kept_up, first]))
        sentences = [*targets, kept_up, *compared]
    elif measure == "sustain":
        entries = [row.entry() for row in rows]
        verdict = judge_entries(entries, workload=workload, is_every_pair=is_every_pair)
        sentences = _sustained_rates(verdict, rows=rows, slo=slo)
    else:
        entries = [_sustained(row) for row in rows]
        verdict = judge_entries(entries, workload=workload, is_every_pair=is_every_pair)
        sentences = _curves([row for row in rows if not row.twin_of])
    invalid = [row.contender.name for row in rows if row.mark == "!"]
    # the sentences on curves name all contenders
    if invalid and measure != "curve":
        sentences.append(f"Left out (invalid): {fmt.listed(invalid)}.")
    shown = [*filter(None, sentences)] or ["Nothing could be measured."]
    return replace(
        verdict,
        headline=headline or shown[0],
        text=" ".join(shown),
        figure=RESPONSE if measure == "rate" else SUSTAINED,
    )


def slo_words(slo: Mapping[str, float]) -> str:
    """Return ``p95 wait 1.00 s and p99 response 2.00 s``."""
    words = []
    for key, bound_s in slo.items():
        percentile, span, _ = key.split("_")
        words.append(f"{percentile} {span} {fmt.duration(bound_s)}")
    return fmt.listed(words)


def _sustained(row: Row) -> Entry:
    return replace(row.entry(), per_s=row.sustained_per_s)


def _kept_up(rows: Sequence[Row], *, workload: Workload) -> str:
    """Return which contenders fell behind, and in how many trials; or that all kept up."""
    measured = [row for row in rows if row.valid]
    behind = []
    for row in measured:
        kept = [trial.is_sustained for trial in row.valid]
        if not all(kept):
            behind.append(f"{row.contender.name} (in {kept.count(False)} of {len(kept)})")
    if not measured:
        return ""
    arrivals = workload.arrivals or {}
    came = f"{arrivals.get('how', '')} arrivals"
    rate_per_s = arrivals.get("rate_per_s")
    if isinstance(rate_per_s, (int, float)) and rate_per_s:
        came = f"{fmt.number(rate_per_s)} jobs/s"
        if (executions := workload.executions_per_job) > 1:
            came = f"{came} ({fmt.number(rate_per_s * executions)} executions/s)"
    if len(measured) < len(rows) and not behind:
        return f"{fmt.listed([row.contender.name for row in measured])} kept up with {came}."
    if not behind:
        return f"All kept up with {came}." if len(rows) > 1 else f"It kept up with {came}."
    return f"Not all kept up with {came}: {fmt.listed(behind)} did not."


def _soonest(verdict: Verdict, *, rows: Sequence[Row]) -> list[str]:
    """Return how the shortest p95 response compares with the others."""
    spans_s = {row.contender.name: _p95_s(row) for row in rows}
    value = f" ({fmt.duration(spans_s.get(verdict.ahead or ''))})"
    ratio = verdict.ratio.inverse() if verdict.ratio else None
    return describe_comparison(
        verdict, ratio=ratio, what="p95 response", most="shortest", value=value
    )


def _furthest_behind(verdict: Verdict, *, rows: Sequence[Row]) -> str:
    """Return whose p95 response is far longer than the shortest, if that is the larger finding."""
    found = verdict.furthest_behind
    if found is None:
        return ""
    behind, ratio = found.against, found.ratio
    p95 = next(fmt.duration(_p95_s(row)) for row in rows if row.contender.name == behind)
    start = f"The p95 response of {behind} ({p95})"
    if not ratio.is_claim:
        times = fmt.times_range(ratio.low, high=ratio.high)
        return f"{start} was the longest so far: {times} that of {found.contender}."
    times = f"{fmt.times(ratio.value)} that of {found.contender}"
    return f"{start} is the longest: {times} {fmt.interval(ratio.low, high=ratio.high)}."


def _p95_s(row: Row) -> float | None:
    found = percentiles(pool_spans([trial.spans for trial in row.valid], name="response"))
    return found.p95 if found else None


def _sustained_rates(
    verdict: Verdict, *, rows: Sequence[Row], slo: Mapping[str, float]
) -> list[str]:
    """Return the sustained rate of each contender, best first, and how the best compares."""
    figures = {
        row.contender.name: Median.of(list(row.per_s.values()))
        for row in rows
        if row.mark != "!" and not row.twin_of
    }
    known = {name: found.median for name, found in figures.items() if found}
    none = [name for name in figures if name not in known]
    sentences = []
    if known:
        (name, best_per_s), *others = sorted(known.items(), key=lambda item: -item[1])
        rest = fmt.listed([f"{other} {fmt.number(per_s)}" for other, per_s in others])
        start = f"{name} sustains {fmt.number(best_per_s)} jobs/s with {slo_words(slo)}"
        sentences.append(f"{start}; {rest}." if rest else f"{start}.")
    if none:
        sentences.append(f"No rate was sustained by {fmt.listed(none)}.")
    if verdict.ratio:
        sentences += describe_comparison(
            verdict, ratio=verdict.ratio, what="sustained rate", most="highest"
        )
        sentences.append(f"Each search ends within {fmt.percent(RESOLUTION)}.")
    return sentences


def _curves(rows: Sequence[Row]) -> list[str]:
    """Return how each contender's response changes with load, the highest sustained rate first."""
    curves: list[tuple[float, str, dict[float, str]]] = []
    none = []
    for row in rows:
        if not row.sustained_per_s:
            none.append(f"{row.contender.name} sustained no rate, so there is no curve.")
            continue
        found = {share: _share_p95_s(row, share=share) for share in _NAMED_SHARES}
        if found[_FREE_SHARE] and found[ROW_SHARE]:
            p95 = {share: fmt.duration(span_s) for share, span_s in found.items() if span_s}
            curves.append((next(iter(row.sustained_per_s.values())), row.contender.name, p95))
    sentences = []
    shares: Collection[float] = ()
    for per_s, name, p95 in sorted(curves, key=lambda curve: -curve[0]):
        rate = fmt.number(per_s)
        # shorter if the previous sentence has the same points
        if p95.keys() == shares:
            sentences.append(f"{name} {rate}: {fmt.listed([*p95.values()])}.")
        else:
            spans = [f"{span} at {fmt.percent(share)}" for share, span in p95.items()]
            spans[0] += " of that"
            start = f"{name} sustains {rate} jobs/s: p95 of the response is"
            sentences.append(f"{start} {', '.join(spans)}.")
        shares = p95.keys()
    return [*sentences, *none]


def _share_p95_s(row: Row, *, share: float) -> float | None:
    spans = [
        trial.spans
        for trial in (*row.trials, *row.others)
        if trial.is_valid and trial.load_share == share
    ]
    found = percentiles(pool_spans(spans, name="response"))
    return found.p95 if found else None
