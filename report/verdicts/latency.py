"""Compares contenders by latency: of all jobs, or of each part of a mix.

The figure is 1 ÷ p95, so that more is better, as for throughput.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from collector.metrics import percentiles
from collector.run_manifest import Workload
from report import format as fmt
from report.legend import claim, too_few
from report.result import RESPONSE, WAIT, Decided, Verdict
from report.rows.comparable import Entry
from report.rows.row import Row
from report.statistics.ratios import Ratio
from report.trials.latency_spans import pool_spans
from report.verdicts.capacity import detectable, judge


def judge_parts(
    rows: Sequence[Row], *, workload: Workload, is_every_pair: bool = False
) -> tuple[Verdict, ...]:
    """Return the verdict on each part of a mix, the largest difference first; maybe none.

    Each part is a question of its own. The figure is 1 ÷ p95 of the response, which contains all
    that a user waits for: a pool in which long jobs stop the short ones lets them wait, or run
    longer. In a backlog it is that of the wait, and only backlogs of one size are compared.
    """
    sizes = {trial.ledger.sent for row in rows for trial in row.valid}
    is_backlog = workload.arrivals is None
    if not workload.has_waits_by_part or (is_backlog and len(sizes) != 1):
        return ()
    span = "wait" if is_backlog else "response"
    found = [
        _judge_part(rows, workload=workload, part=part, span=span, is_every_pair=is_every_pair)
        for part in workload.part_names
    ]
    return tuple(sorted(found, key=_largest, reverse=True))


def _judge_part(
    rows: Sequence[Row], *, workload: Workload, part: str, span: str, is_every_pair: bool
) -> Verdict:
    entries = [latency_entry(row, part=part, span=span) for row in rows]
    verdict = judge_entries(entries, workload=workload, is_every_pair=is_every_pair)
    figures = {
        row.contender.name: _part_figures(row, part=part, span=span)
        for row in rows
        if not row.twin_of
    }
    furthest = max(_differences(verdict), key=lambda one: one.ratio.value, default=None)
    if furthest:
        # the contender that is furthest behind shows the difference that a choice makes
        verdict = replace(
            verdict,
            best=verdict.ahead,
            against=furthest.against,
            ratio=furthest.ratio,
            furthest_behind=None,
        )
    texts = describe_comparison(
        verdict,
        ratio=verdict.ratio.inverse() if verdict.ratio else None,
        what=f"p95 {span}",
        most="shortest",
        value=figures.get(verdict.ahead or "", ""),
        other_value=figures.get(verdict.against or "", ""),
    ) or [f"The p95 {span} of {name}{value}." for name, value in figures.items() if value]
    if not any(figures.values()) and any(row.valid for row in rows):
        share = next(one.share for one in workload.mix if one.name == part)
        texts = [f"No job of its share ({fmt.percent(share)}) was done."]
    texts[:1] = [f"{part}: {text[0].lower()}{text[1:]}" for text in texts[:1]]
    return replace(
        verdict,
        part=part,
        headline=" ".join(texts[:1]),
        text=" ".join(filter(None, texts)),
        figure=RESPONSE if span == "response" else WAIT,
    )


def _part_figures(row: Row, *, part: str, span: str) -> str:
    """Return the p95 of a part's jobs in brackets; of a response, that of the wait too."""
    spans = [trial.part_spans[part] for trial in row.valid]
    found, wait = (percentiles(pool_spans(spans, name=name)) for name in (span, "wait"))
    # jobs that all fail have waits and no response
    if not found:
        return ""
    waited = f", p95 wait {fmt.duration(wait.p95)}" if wait and span != "wait" else ""
    return f" ({fmt.duration(found.p95)}{waited})"


def _differences(verdict: Verdict) -> list[Decided]:
    """Return the comparisons of the best with others that show a difference, or have no claim."""
    found = [
        one if one.contender == verdict.ahead else one.inverse()
        for one in verdict.decisions
        if verdict.ahead in (one.contender, one.against)
    ]
    return [one for one in found if not one.decision.is_no_difference]


def _largest(verdict: Verdict) -> float:
    """Return the largest ratio of the best to another that shows a difference; 1 without one."""
    return max((one.ratio.value for one in _differences(verdict)), default=1.0)


def judge_entries(entries: Sequence[Entry], *, workload: Workload, is_every_pair: bool) -> Verdict:
    """Return the verdict on figures other than throughput."""
    # the explanations of job kinds are about throughput: no kind, no explanation
    return judge(entries, workload=workload.name, kind="", is_every_pair=is_every_pair)


def latency_entry(row: Row, *, part: str = "", span: str = "response") -> Entry:
    """Return the row's entry, with 1 ÷ p95 of a span, or of a part's, as each block's figure."""
    p95_s = row.p95_s(span, part=part)
    return replace(row.entry(), per_s={block: 1 / span_s for block, span_s in p95_s.items()})


def describe_comparison(
    verdict: Verdict,
    *,
    ratio: Ratio | None,
    what: str,
    most: str,
    value: str = "",
    other_value: str = "",
) -> list[str]:
    """Return how the first compares with `against`, and the minimum detectable difference."""
    first, other = verdict.ahead, verdict.against
    if ratio is None or first is None or other is None:
        return []
    if not ratio.is_claim:
        between = fmt.times_range(ratio.low, high=ratio.high)
        few = too_few(ratio.blocks)
        against = f"{other}{other_value}"
        return [f"So far the {what} of {first}{value} was {between} that of {against}: {few}."]
    figure, ties = f"{claim(ratio, of=other)}{other_value}", fmt.listed([*verdict.ties])
    decided = verdict.decided(first, against=other)
    if verdict.best is None or (decided and decided.decision.is_no_difference):
        why = f"; {decided.decision.why}" if decided else ""
        start = f"No difference in the {what} between {first}, ahead, and {ties or other}"
        text = f"{start}: {figure}{why}."
    else:
        rest = f"; no difference from {ties}" if ties else ""
        text = f"The {what} of {first}{value} is the {most}: {figure}{rest}."
    return [text, detectable(verdict.smallest_difference)]
