"""Describes in sentences how workers start, idle and answer pings.

The compared figure is 1 ÷ the measured one, so that more is better, as for latency under load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from collector.run_manifest import Workload
from report import format as fmt
from report.result import WORKER_VERDICTS, Verdict
from report.rows.row import Row
from report.rows.worker_columns import answer_time
from report.statistics.ratios import Median
from report.trials.worker_figures import PingFigures, sum_pings
from report.verdicts.latency import describe_comparison, judge_entries


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """The words for the figure of one measure."""

    #: Start of the sentence that lists every contender's figure.
    start: str
    #: The figure, and the superlative of its smallest value.
    what: str
    most: str
    show: Callable[[float | None], str]


_WORDS: Mapping[str, _Words] = {
    "start": _Words(
        start="From exec until all slots were busy",
        what="start",
        most="fastest",
        show=fmt.duration,
    ),
    "idle": _Words(
        start="Redis commands while idle",
        what="rate of Redis commands",
        most="lowest",
        show=lambda per_s: f"{fmt.number(per_s)}/s",
    ),
    "ping": _Words(
        start="p95 of the answer to a ping while busy",
        what="p95 answer to a ping",
        most="shortest",
        show=fmt.duration,
    ),
}


def judge_worker(
    rows: Sequence[Row], *, workload: Workload, is_every_pair: bool = False
) -> Verdict:
    """Return the verdict on a workload whose measure is one of `WORKER_MEASURES`."""
    words = _WORDS[workload.measure]
    entries = [
        replace(row.entry(), per_s={block: 1 / value for block, value in row.lead.items()})
        for row in rows
    ]
    verdict = judge_entries(entries, workload=workload, is_every_pair=is_every_pair)
    figures = {
        row.contender.name: found.median
        for row in rows
        if row.mark != "!" and not row.twin_of and (found := Median.of([*row.lead.values()]))
    }
    pings = _pings(rows)
    sentences = [_listed(figures, words=words, pings=pings), _missed(pings)]
    if verdict.ratio:
        value = f" ({words.show(figures.get(verdict.ahead or ''))})"
        sentences += describe_comparison(
            verdict, ratio=verdict.ratio.inverse(), what=words.what, most=words.most, value=value
        )
    invalid = [row.contender.name for row in rows if row.mark == "!"]
    sentences += [f"Left out (invalid): {fmt.listed(invalid)}."] if invalid else []
    shown = [*filter(None, sentences)] or ["Nothing could be measured."]
    return replace(
        verdict,
        headline=" ".join(shown[: 2 if workload.measure == "ping" else 1]),
        text=" ".join(shown),
        figure=WORKER_VERDICTS[workload.measure],
    )


def _listed(
    figures: Mapping[str, float], *, words: _Words, pings: Mapping[str, PingFigures]
) -> str:
    """Return the figure of each contender, the smallest first."""
    texts = [
        f"{name} {answer_time(value, ping=pings[name]) if name in pings else words.show(value)}"
        for name, value in sorted(figures.items(), key=lambda item: (item[1], item[0]))
    ]
    return f"{words.start}: {fmt.listed(texts)}." if texts else ""


def _pings(rows: Sequence[Row]) -> Mapping[str, PingFigures]:
    """Return how each contender's workers answered pings; empty without pings."""
    return {
        row.contender.name: pings
        for row in rows
        if not row.twin_of and (pings := sum_pings([one.ping for one in row.valid if one.ping]))
    }


def _missed(pings: Mapping[str, PingFigures]) -> str:
    """Return the share of pings without an answer in time, by contender; empty without pings."""
    if not pings:
        return ""
    limit = fmt.duration(next(iter(pings.values())).timeout_s)
    missed = [
        f"{name} {fmt.percent(one.missed_share)}" for name, one in pings.items() if one.missed
    ]
    if not missed:
        return f"All pings were answered within {limit}."
    return f"Pings without an answer within {limit}: {fmt.listed(missed)}."
