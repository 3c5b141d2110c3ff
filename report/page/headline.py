"""Says in a sentence or two what the first chart shows, and how far the run is to be trusted. Pure.

Whole verdicts, with their intervals, stand below; here is what a reader takes home.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from report import format as fmt
from report.charts.load import bounded_span, slo_told
from report.charts.picture import Summary
from report.charts.scaling import setting_told, sweep_groups, value_told
from report.page.lead_chart import Answer
from report.verdicts.naming import capitalized

#: Answers that a verdict on throughput or latency is not.
_OWN_WORDS = (Answer.CROSSOVER, Answer.SWEEP, Answer.FAIRNESS)

#: Mark → what it says, in few words.
_SIGNS: Mapping[str, str] = {"!": "invalid", "~": "unstable", "?": "too few"}

#: Contenders that a sentence lists before it tells of the last alone.
_LISTED = 3

#: The share of the held rate that a curve is summed up at.
_USUAL_LOAD = 0.8


def headline(summary: Summary, *, answer: Answer) -> str:
    """Return what a run's first chart shows, in plain words; empty where nothing can be said.

    Of a single workload it is the verdict itself, where that answers the question: there is room.
    """
    verdicts = summary["verdicts"]
    if len(verdicts) == 1 and answer not in _OWN_WORDS:
        return str(verdicts[0]["text"])
    return _WORDS[answer](summary)


def trust(summary: Summary) -> list[tuple[str, str]]:
    """Return what else a reader must know of a run's worth: in a few words, and explained."""
    told: list[tuple[str, str]] = []
    floors = sorted(one for one in (summary.get("noise_floor") or {}).values() if one is not None)
    if floors:
        ends = dict.fromkeys(map(fmt.percent, (floors[0], floors[-1])))
        meaning = "by how much two equal contenders may differ in this run: less is no difference"
        told.append((f"noise floor {' to '.join(ends)}", meaning))
    marks = Counter(row["mark"] for row in summary["rows"])
    if summary["rows"]:
        total = fmt.counted(len(summary["rows"]), noun="row")
        signs = [f"{marks[sign]} {sign} {word}" for sign, word in _SIGNS.items() if marks[sign]]
        words = f"{total}: {', '.join(signs)}" if signs else f"{total}, none marked"
        told.append((words, "each marked row says why below"))
    return told


def _advantage(summary: Summary) -> str:
    verdicts = summary["verdicts"]
    ahead = [verdict for verdict in verdicts if verdict["best"]]
    claims = [verdict for verdict in ahead if verdict["mark"] != "?"]
    early = [verdict for verdict in ahead if verdict["mark"] == "?"]
    equal = [
        verdict["workload"] for verdict in verdicts if not verdict["best"] and verdict["ratio"]
    ]
    none = [verdict["workload"] for verdict in verdicts if not verdict["ratio"]]
    sentences = [
        f"Fastest: {_leaders(claims)}." if claims else "",
        f"So far fastest: {_leaders(early)}: too few repetitions for a claim." if early else "",
        f"No difference shows on {fmt.listed(equal)}." if equal else "",
        f"Nothing could be compared on {fmt.listed(none)}." if none else "",
    ]
    return " ".join(filter(None, sentences))


def _leaders(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """Return who leads where: ``a or b on w (1.9 × c) and v (2 × c); d or 2 others on u``."""
    groups: dict[str, list[str]] = {}
    for verdict in verdicts:
        ties = verdict["ties"]
        equals = ties if len(ties) < 2 else [f"{len(ties)} others"]
        who = " or ".join([verdict["best"], *equals])
        where = (
            f"{verdict['workload']} ({fmt.times(verdict['ratio']['value'])} {verdict['against']})"
        )
        groups.setdefault(who, []).append(where)
    return "; ".join(f"{who} on {fmt.listed(places)}" for who, places in groups.items())


def _crossover(summary: Summary) -> str:
    return str(summary["crossovers"][0]["text"])


def _sweep(summary: Summary) -> str:
    told = [_swept(one) for one in sweep_groups(summary)[0]]
    return " ".join(filter(None, told))


def _swept(one: Mapping[str, Any]) -> str:
    if one.get("text"):
        return str(one["text"])
    known = [point for point in one["points"] if point["median"] is not None]
    if not known:
        return ""
    who = capitalized(one["of"])
    if one["setting"] != "slots":
        name = setting_told(one["setting"])
        told = [
            f"{fmt.number(point['median'])}/s with {name} "
            f"{value_told(point['value'], setting=one['setting'])}"
            for point in (known[0], known[-1])
        ]
        return f"{who} did {told[0]}, and {told[1]}."
    best = max(known, key=lambda point: float(point["median"]))
    most = f"{who} did most, {fmt.number(best['median'])}/s, at {value_told(best['value'])} slots"
    peak = (one.get("usl") or {}).get("peak")
    if not peak:
        return f"{most}."
    ends = (peak.get("low"), peak.get("high"))
    reach = f" [{fmt.span(ends[0], high=ends[1])}]" if None not in ends else ""
    return f"{most}; the law fitted to all sizes peaks at {fmt.number(peak['value'])} slots{reach}."


def _curve(summary: Summary) -> str:
    known = [
        (curve, point)
        for curve in summary["curves"]
        for point in curve["points"]
        if point["rate_per_s"] is not None
    ]
    # of the first workload, what is nearest the usual load
    shares = {point["share"] for _, point in known}
    share = min(shares, key=lambda at: abs(at - _USUAL_LOAD), default=_USUAL_LOAD)
    span = bounded_span(summary)
    # who holds the most first: that is what the curves are for
    told = sorted(
        (-point["rate_per_s"], f"{fmt.duration(found)} with {curve['contender']} at {per_s}/s")
        for curve, point in known
        if curve["workload"] == known[0][0]["workload"]
        and point["share"] == share
        and (found := (point.get(span) or point.get("wait_s") or {}).get("p95")) is not None
        and (per_s := fmt.number(point["rate_per_s"]))
    )
    what = "waits" if span == "wait_s" else "takes, from due to its end,"
    start = f"At {fmt.percent(share)} of what each holds, a job {what} up to"
    return f"{start} {_shortened([words for _, words in told])} (p95)." if told else ""


def _sustained(summary: Summary) -> str:
    sentences = []
    for name in dict.fromkeys(row["workload"] for row in summary["rows"]):
        held = [
            (row["sustained_per_s"]["median"], row["contender"])
            for row in summary["rows"]
            if row["workload"] == name and (row.get("sustained_per_s") or {}).get("median")
        ]
        told = [f"{who} {fmt.number(per_s)}/s" for per_s, who in sorted(held, reverse=True)]
        if told:
            sentences.append(f"on {name} {_shortened(told)}")
    return f"Held while {slo_told(summary)}: {'; '.join(sentences)}." if sentences else ""


def _fairness(summary: Summary) -> str:
    first = summary["fairness"][0]["workload"]
    known = sorted(
        (one["unfairness"], one["contender"])
        for one in summary["fairness"]
        if one["workload"] == first and one.get("unfairness")
    )
    if not known:
        return "No contender has figures of two parts to compare."
    (least, fairest), (most, worst) = known[0], known[-1]
    text = f"Beside each other, the parts fare most alike with {fairest}: {fmt.times(least)} apart"
    return f"{text}; least with {worst}: {fmt.times(most)}." if len(known) > 1 else f"{text}."


def _response(summary: Summary) -> str:
    sentences = []
    for name in dict.fromkeys(row["workload"] for row in summary["rows"]):
        known = sorted(
            (found["p95"], row["contender"])
            for row in summary["rows"]
            if row["workload"] == name
            and (found := row.get("response_s") or row.get("wait_s"))
            and found.get("p95") is not None
        )
        told = [f"{fmt.duration(p95_s)} with {who}" for p95_s, who in known]
        if told:
            sentences.append(f"On {name}, 95 of 100 jobs took up to {_shortened(told)}.")
    return " ".join(sentences)


def _shortened(told: Sequence[str]) -> str:
    """Return the first few and the last."""
    if len(told) <= _LISTED + 1:
        return fmt.listed([*told])
    return f"{', '.join(told[:_LISTED])}, … and {told[-1]}"


_WORDS: Mapping[Answer, Callable[[Summary], str]] = {
    Answer.CROSSOVER: _crossover,
    Answer.SWEEP: _sweep,
    Answer.CURVE: _curve,
    Answer.SUSTAINED: _sustained,
    Answer.FAIRNESS: _fairness,
    Answer.RESPONSE: _response,
    Answer.ADVANTAGE: _advantage,
}
