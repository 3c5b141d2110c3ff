"""Puts into words what contenders did with jobs that came at a rate: who kept up, who was sooner.

Every word is decided by this run's numbers. What is compared, how sure that is and what could have
been seen comes from `report.verdicts.capacity`, as for throughput; where latency is compared, its
figure is answers a second of p95, so that more is better there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from collector.metrics import percentiles
from collector.run_manifest import Workload
from report import format as fmt
from report.result import RESPONSE, SUSTAINED, Verdict
from report.rows.comparable import Entry
from report.rows.offered_load import ROW_SHARE
from report.rows.row import Row
from report.statistics.ratios import CLAIM_BLOCKS, Median
from report.trials.latency_spans import pool_spans
from report.trials.slo import RESOLUTION
from report.verdicts.capacity import detectable, judge

#: Share of a curve at which there is next to no load.
_FREE_SHARE = 0.2
#: Share beyond what is held.
_OVER_SHARE = 1.05

#: Where a curve is told in words.
_TOLD_SHARES = (_FREE_SHARE, ROW_SHARE, _OVER_SHARE)


def judge_load(rows: Sequence[Row], *, workload: Workload, slo: Mapping[str, float]) -> Verdict:
    """Return the verdict on a workload whose jobs came at a rate."""
    measure = workload.measure
    if measure == "rate":
        verdict = _judge([_answers(row) for row in rows], workload=workload)
        sentences = [_kept_up(rows, workload=workload), *_soonest(verdict, rows=rows)]
    elif measure == "sustain":
        verdict = _judge([row.entry() for row in rows], workload=workload)
        sentences = [*_holds(verdict, rows=rows, slo=slo)]
    else:
        verdict = _judge([_sustained(row) for row in rows], workload=workload)
        sentences = _bends([row for row in rows if not row.twin_of])
    left_out = [row.contender.name for row in rows if row.mark == "!"]
    # of a curve, whatever points are valid have been told
    if left_out and measure != "curve":
        sentences.append(f"Left out (invalid): {fmt.listed(left_out)}.")
    said = [*filter(None, sentences)] or ["Nothing could be measured."]
    # of a rate: who kept up, and who answered first
    headline = " ".join(said[: 2 if measure == "rate" else 1])
    text = " ".join(said)
    return replace(
        verdict, headline=headline, text=text, figure=RESPONSE if measure == "rate" else SUSTAINED
    )


def slo_words(slo: Mapping[str, float]) -> str:
    """Return ``p95 wait 1.00 s and p99 response 2.00 s``."""
    words = []
    for key, bound_s in slo.items():
        percentile, span, _ = key.split("_")
        words.append(f"{percentile} {span} {fmt.duration(bound_s)}")
    return fmt.listed(words)


def _judge(entries: Sequence[Entry], *, workload: Workload) -> Verdict:
    # the kind's lesson is one of throughput: there is none to teach here
    return judge(entries, workload=workload.name, kind="")


def _answers(row: Row) -> Entry:
    """Return the row's entry with 1 ÷ the p95 response of each block as its figure."""
    p95_s = {
        trial.block: found.p95
        for trial in row.valid
        if not trial.is_backlog
        and (found := percentiles(trial.spans["response"]))
        and found.p95 > 0
    }
    return replace(row.entry(), per_s={block: 1 / span_s for block, span_s in p95_s.items()})


def _sustained(row: Row) -> Entry:
    return replace(row.entry(), per_s=row.sustained_per_s)


def _kept_up(rows: Sequence[Row], *, workload: Workload) -> str:
    """Return who fell behind, and how often; or that nobody did."""
    behind = []
    for row in rows:
        kept = [trial.is_sustained for trial in row.valid]
        if not all(kept):
            behind.append(f"{row.contender.name} (in {kept.count(False)} of {len(kept)})")
    if not any(row.valid for row in rows):
        return ""
    arrivals = workload.arrivals or {}
    came = f"{arrivals.get('how', '')} arrivals"
    rate_per_s = arrivals.get("rate_per_s")
    if isinstance(rate_per_s, (int, float)) and rate_per_s:
        came = f"{fmt.number(rate_per_s)} jobs/s"
    if not behind:
        return f"All kept up with {came}." if len(rows) > 1 else f"It kept up with {came}."
    return f"Not all kept up with {came}: {fmt.listed(behind)} did not."


def _soonest(verdict: Verdict, *, rows: Sequence[Row]) -> list[str]:
    """Return who answered sooner than whom, by the p95 of the response."""
    ratio, first, other = verdict.ratio, verdict.ahead, verdict.against
    if ratio is None or first is None or other is None:
        return []
    sooner = ratio.inverse()
    spans_s = {row.contender.name: _p95_s(row) for row in rows}
    of = f"the p95 response of {first} ({fmt.duration(spans_s.get(first))})"
    if not ratio.is_claim:
        between = fmt.times_range(sooner.low, high=sooner.high)
        few = f"{fmt.counted(ratio.blocks, noun='repetition')}; a claim needs {CLAIM_BLOCKS}"
        return [f"So far {of} was {between} that of {other}: {few}."]
    figure = f"{fmt.times(sooner.value)} {other} {fmt.interval(sooner.low, high=sooner.high)}"
    if verdict.best is None:
        said = f"No difference in the p95 response between {first}, ahead, and {_ties(verdict)}: "
        return [f"{said}{figure}.", _detectable(verdict)]
    ties = f"; no difference from {_ties(verdict)}" if verdict.ties else ""
    return [f"{of[0].upper()}{of[1:]} is the shortest: {figure}{ties}.", _detectable(verdict)]


def _p95_s(row: Row) -> float | None:
    found = percentiles(pool_spans([trial.spans for trial in row.valid], name="response"))
    return found.p95 if found else None


def _holds(verdict: Verdict, *, rows: Sequence[Row], slo: Mapping[str, float]) -> list[str]:
    """Return what each holds, best first, and by how much the best holds more."""
    figures = {
        row.contender.name: Median.of(list(row.per_s.values()))
        for row in rows
        if row.mark != "!" and not row.twin_of
    }
    known = sorted(
        ((name, found) for name, found in figures.items() if found),
        key=lambda item: -item[1].median,
    )
    none = [name for name, found in figures.items() if not found]
    under = slo_words(slo)
    sentences = []
    if known:
        each = [f"{name} {fmt.number(found.median)}" for name, found in known]
        start, *rest = each
        name, rate = start.rsplit(" ", 1)
        more = f"; {fmt.listed(rest)}" if rest else ""
        sentences.append(f"{name} sustains {rate} jobs/s with {under}{more}.")
    if none:
        sentences.append(f"No rate was sustained by {fmt.listed(none)}.")
    ratio, first, other = verdict.ratio, verdict.ahead, verdict.against
    if ratio is None or first is None or other is None:
        return sentences
    figure = f"{fmt.times(ratio.value)} {other} {fmt.interval(ratio.low, high=ratio.high)}"
    if not ratio.is_claim:
        between = fmt.times_range(ratio.low, high=ratio.high)
        few = f"{fmt.counted(ratio.blocks, noun='repetition')}; a claim needs {CLAIM_BLOCKS}"
        sentences.append(f"So far {first} sustained {between} the rate of {other}: {few}.")
    elif verdict.best is None:
        sentences.append(f"No difference between {first}, ahead, and {_ties(verdict)}: {figure}.")
    else:
        ties = f"; no difference from {_ties(verdict)}" if verdict.ties else ""
        sentences.append(f"That is {figure}{ties}.")
    bound = fmt.percent(RESOLUTION)
    return [*sentences, f"Each search ends within {bound}.", _detectable(verdict)]


def _bends(rows: Sequence[Row]) -> list[str]:
    """Return how each one's response changes with its load, who holds the most first."""
    curves, none = [], []
    for row in rows:
        name, rates_per_s = row.contender.name, row.sustained_per_s
        if not rates_per_s:
            none.append(f"{name} sustained no rate, so there is no curve.")
            continue
        found = {share: _share_p95_s(row, share=share) for share in _TOLD_SHARES}
        if found[_FREE_SHARE] and found[ROW_SHARE]:
            p95 = {share: fmt.duration(span_s) for share, span_s in found.items() if span_s}
            curves.append(_Curve(next(iter(rates_per_s.values())), name, p95))
    curves.sort(key=lambda curve: -curve.sustained_per_s)
    pairs = zip([None, *curves], curves, strict=False)
    return [*(curve.told(before) for before, curve in pairs), *none]


class _Curve(NamedTuple):
    sustained_per_s: float
    name: str
    #: Of the response, as it is shown, by share of what is held.
    p95: Mapping[float, str]

    def told(self, before: _Curve | None) -> str:
        """Return it in a sentence: in few words after one of the same points."""
        rate = fmt.number(self.sustained_per_s)
        if before is not None and before.p95.keys() == self.p95.keys():
            return f"{self.name} {rate}: {fmt.listed([*self.p95.values()])}."
        start, *rest = (f"{span} at {fmt.percent(share)}" for share, span in self.p95.items())
        first = f"{self.name} sustains {rate} jobs/s: p95 of the response is {start} of that"
        return f"{', '.join([first, *rest])}."


def _share_p95_s(row: Row, *, share: float) -> float | None:
    spans = [
        trial.spans
        for trial in (*row.trials, *row.others)
        if trial.is_valid and trial.load_share == share
    ]
    found = percentiles(pool_spans(spans, name="response"))
    return found.p95 if found else None


def _ties(verdict: Verdict) -> str:
    return fmt.listed([*verdict.ties]) or str(verdict.against)


def _detectable(verdict: Verdict) -> str:
    return detectable(verdict.smallest_difference)
