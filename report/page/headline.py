"""Summarizes the first chart in one or two sentences, and the quality of the run. Pure.

Complete verdicts, with their intervals, are further down the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from collector.reasons import Severity
from report import format as fmt
from report.analyses.sweep_text import describe_estimate, figure_text
from report.charts.load import bounds_wait
from report.charts.scaling import sweep_groups, value_text
from report.legend import describe_controls
from report.page.lead_chart import Answer
from report.result import LESS_IS_BETTER, WORKER_VERDICTS, Summary, Sweep, Verdict
from report.verdicts.naming import capitalized
from report.verdicts.offered_load import slo_words

#: Answers that the verdict on a workload doesn't contain.
_OWN_TEXT = (Answer.CROSSOVER, Answer.SWEEP)

#: Answers about latency, which a target makes more precise.
_LATENCY = (Answer.FAIRNESS, Answer.RESPONSE)

#: Mark → its short meaning.
_SIGNS: Mapping[Severity, str] = {
    Severity.INVALID: "invalid",
    Severity.UNSTABLE: "unstable",
    Severity.TOO_FEW: "too few",
}

#: Number of contenders that a sentence lists before the last one.
_LISTED = 3

#: The share of the sustained rate that the sentence on a load curve uses.
_USUAL_LOAD = 0.8


def headline(summary: Summary, *, answer: Answer) -> str:
    """Return the result that a run's first chart shows; empty if there is none.

    For a single workload, it is the whole verdict, if that answers the question.
    """
    if len(summary.verdicts) == 1 and answer not in _OWN_TEXT:
        return summary.verdicts[0].text
    if answer in _LATENCY and any(row.targets for row in summary.rows):
        # which contenders are enough
        return " ".join(f"{one.workload}: {one.headline}" for one in summary.verdicts)
    return _TEXTS[answer](summary)


def trust(summary: Summary) -> list[tuple[str, str]]:
    """Return short texts on the quality of a run, each with its explanation."""
    facts: list[tuple[str, str]] = []
    if controls := describe_controls(summary):
        meaning = "a contender was measured twice; 1 such pair in 20 differs by chance"
        facts.append((controls, meaning))
    marks = Counter(row.mark for row in summary.rows)
    if summary.rows:
        total = fmt.counted(len(summary.rows), noun="row")
        signs = [f"{marks[sign]} {sign} {word}" for sign, word in _SIGNS.items() if marks[sign]]
        words = f"{total}: {', '.join(signs)}" if signs else f"{total}, none marked"
        facts.append((words, "the reasons for each mark are below"))
    return facts


def _worker(summary: Summary) -> str:
    return " ".join(verdict.headline for verdict in summary.verdicts)


def _advantage(summary: Summary) -> str:
    verdicts = [one for one in summary.verdicts if one.figure not in WORKER_VERDICTS.values()]
    ahead = [verdict for verdict in verdicts if verdict.best]
    claims = [verdict for verdict in ahead if verdict.mark != Severity.TOO_FEW]
    early = [verdict for verdict in ahead if verdict.mark == Severity.TOO_FEW]
    equal = [verdict.workload for verdict in verdicts if not verdict.best and verdict.ratio]
    none = [verdict.workload for verdict in verdicts if not verdict.ratio]
    behind = [_behind(verdict) for verdict in verdicts]
    sentences = [
        f"Furthest behind: {'; '.join(filter(None, behind))}." if any(behind) else "",
        f"Fastest: {_leaders(claims)}." if claims else "",
        f"Fastest so far: {_leaders(early)} (too few repetitions for a claim)." if early else "",
        f"No difference on {fmt.listed(equal)}." if equal else "",
        f"Nothing could be compared on {fmt.listed(none)}." if none else "",
    ]
    return " ".join(filter(None, sentences))


def _behind(verdict: Verdict) -> str:
    """Return who is far behind on a workload, if that is the larger finding."""
    found = verdict.furthest_behind
    if found is None:
        return ""
    so_far = "" if found.ratio.is_claim else ", so far"
    times = f"{found.contender} does {fmt.times(found.ratio.value)} its work{so_far}"
    return f"{found.against} on {verdict.workload} ({times})"


def _leaders(verdicts: Sequence[Verdict]) -> str:
    """Return the best by workload: ``a or b on w (1.9 × c) and v (2 × c); d or 2 others on u``."""
    groups: dict[str, list[str]] = {}
    for verdict in verdicts:
        ties = verdict.ties
        equals = ties if len(ties) < 2 else (f"{len(ties)} others",)
        who = " or ".join(filter(None, [verdict.best, *equals]))
        ratio = fmt.times(verdict.ratio.value if verdict.ratio else None)
        groups.setdefault(who, []).append(f"{verdict.workload} ({ratio} {verdict.against})")
    return "; ".join(f"{who} on {fmt.listed(places)}" for who, places in groups.items())


def _sweep(summary: Summary) -> str:
    return " ".join(filter(None, map(_swept, sweep_groups(summary)[0])))


def _swept(one: Sweep) -> str:
    known = [(point.median, point.value) for point in one.points if point.median is not None]
    if not known:
        return ""
    who = capitalized(one.of)
    if one.setting != "slots" or one.figure in LESS_IS_BETTER:
        unit = "" if one.figure in LESS_IS_BETTER else "/s"
        ends = [
            f"{figure_text(found, figure=one.figure)}{unit} with "
            f"{value_text(value, setting=one.setting)}"
            for found, value in (known[0], known[-1])
        ]
        jobs = f" of {one.part} jobs" if one.part else ""
        verb = f"had a {one.figure}{jobs} of" if one.figure in LESS_IS_BETTER else "did"
        return f"{who} {verb} {ends[0]}, and {ends[1]}."
    per_s, slots = max(known, key=lambda pair: pair[0])
    most = f"{who}: highest throughput {fmt.number(per_s)}/s at {slots} slots"
    peak = one.usl and one.usl.peak
    if not peak:
        return f"{most}."
    return f"{most}; the law fitted to all sizes peaks at {describe_estimate(peak)} slots."


def _curve(summary: Summary) -> str:
    known = [
        (curve, point, point.rate_per_s)
        for curve in summary.curves
        for point in curve.points
        if point.rate_per_s is not None
    ]
    # use the share nearest to the usual load
    shares = {point.share for _, point, _ in known}
    share = min(shares, key=lambda at: abs(at - _USUAL_LOAD), default=_USUAL_LOAD)
    is_wait = bounds_wait(summary)
    # highest arrival rate first
    texts = sorted(
        (-per_s, f"{fmt.duration(times.p95)} with {curve.contender} at {fmt.number(per_s)}/s")
        for curve, point, per_s in known
        if curve.workload == known[0][0].workload
        and point.share == share
        and (times := point.wait_s if is_wait else point.response_s or point.wait_s)
    )
    what = "waits" if is_wait else "takes, from due to its end,"
    start = f"At {fmt.percent(share)} of its contender's sustained rate, a job {what} up to"
    return f"{start} {_shortened([text for _, text in texts])} (p95)." if texts else ""


def _sustained(summary: Summary) -> str:
    sentences = []
    for workload in summary.workloads:
        found = [
            (row.sustained_per_s.median, row.contender)
            for row in summary.of_workload(workload.name)
            if row.sustained_per_s and row.sustained_per_s.median
        ]
        rates = [f"{who} {fmt.number(per_s)}/s" for per_s, who in sorted(found, reverse=True)]
        if rates:
            sentences.append(f"on {workload.name} {_shortened(rates)}")
    objective = f" with {slo_words(summary.slo)}" if summary.slo else ""
    return f"Sustained{objective}: {'; '.join(sentences)}." if sentences else ""


def _fairness(summary: Summary) -> str:
    first = summary.fairness[0].workload
    known = sorted(
        (one.unfairness, one.contender)
        for one in summary.fairness
        if one.workload == first and one.unfairness
    )
    if not known:
        return "No contender has figures of two parts to compare."
    (least, fairest), (most, worst) = known[0], known[-1]
    text = f"The slowdowns of the parts differ least with {fairest}, {fmt.times(least)}"
    return f"{text}, and most with {worst}, {fmt.times(most)}." if len(known) > 1 else f"{text}."


def _response(summary: Summary) -> str:
    sentences = []
    for workload in summary.workloads:
        known = sorted(
            (found.p95, row.contender)
            for row in summary.of_workload(workload.name)
            if (found := row.response_s or row.wait_s) and found.p95 is not None
        )
        times = [f"{fmt.duration(p95_s)} with {who}" for p95_s, who in known]
        if times:
            sentences.append(f"On {workload.name}, 95 of 100 jobs took up to {_shortened(times)}.")
    return " ".join(sentences)


def _shortened(texts: Sequence[str]) -> str:
    """Return a list in words of the first few texts and the last one."""
    if len(texts) <= _LISTED + 1:
        return fmt.listed([*texts])
    return f"{', '.join(texts[:_LISTED])}, … and {texts[-1]}"


_TEXTS: Mapping[Answer, Callable[[Summary], str]] = {
    Answer.CROSSOVER: lambda summary: summary.crossovers[0].text,
    Answer.SWEEP: _sweep,
    Answer.CURVE: _curve,
    Answer.SUSTAINED: _sustained,
    Answer.FAIRNESS: _fairness,
    Answer.WORKER: _worker,
    Answer.RESPONSE: _response,
    Answer.ADVANTAGE: _advantage,
}
