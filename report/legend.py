"""Text that verdicts and outputs share: a run's ledger, ratios, and the meaning of marks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from collector.reasons import Severity
from collector.run_manifest import AppCall, Part, RecordedSource, Workload
from poolbench.job_options import JobOptions
from poolbench.summaries import Ledger
from report import format as fmt
from report.result import EqualPair, RowSummary, Summary
from report.statistics.ratios import CLAIM_BLOCKS, Ratio
from report.statistics.significance import Finding
from report.trials.wait_causes import Cause

#: Mark → meaning.
MARKS: Mapping[str, str] = {
    mark: mark.meaning for mark in (Severity.INVALID, Severity.UNSTABLE, Severity.TOO_FEW)
}


#: Finding → the sign before a ratio.
SIGNS: Mapping[Finding, str] = {
    Finding.MORE: "▲",
    Finding.LESS: "▼",
    Finding.NO_DIFFERENCE: "=",
    Finding.TOO_FEW: "?",
}

#: Cause of a wait → its name in tables, and its meaning.
CAUSES: Mapping[Cause, tuple[str, str]] = {
    Cause.COUNTDOWN: ("countdown", "the job's countdown, or that of its retry, is not over"),
    Cause.RATE_LIMIT: ("rate limit", "its worker limits the rate of its kind"),
    Cause.IDLE_SLOT: ("idle slot", "its worker has received it, and has an idle slot"),
    Cause.IDLE_WORKER: (
        "idle worker",
        "its worker has received it and is busy, while another of its queue has an idle slot",
    ),
    Cause.BUSY: ("all busy", "its worker has received it, and all slots are busy"),
    Cause.QUEUE: ("queue", "no worker has received it: it is in the broker, or on its way there"),
    Cause.UNKNOWN: ("unknown", "the records don't show it"),
}

#: Pools whose slots share one thread.
ONE_THREAD_POOLS = frozenset({"gevent", "asyncio"})

#: A wait beside an idle slot is worth a line if it is at least this share of the mean wait, and
#: this long on average, seconds: a dispatch takes milliseconds.
NOTABLE_SHARE, NOTABLE_S = 0.2, 0.01

#: Longest text of the arguments of a task, characters.
_ARGUMENTS_CHARS = 40

#: Most contenders that the line names.
_NAMED = 3


def marks_of(summary: Summary) -> dict[str, str]:
    """Return the marks that this run's tables may show, each with its meaning."""
    is_near = any(row.is_near_limit for row in summary.rows)
    return {**MARKS, **({Severity.LIMITED: Severity.LIMITED.meaning} if is_near else {})}


def integrity(summary: Summary) -> tuple[bool, str]:
    """Return whether every job is accounted for and every row valid, and a sentence about it."""
    ledger = summary.ledger
    if not ledger.sent:
        are_idle = bool(summary.rows) and all(row.idle for row in summary.rows)
        return are_idle, "Idle workers have no jobs." if are_idle else "No job was measured."
    is_whole, text = describe_ledger(ledger)
    invalid = sum(row.mark is Severity.INVALID for row in summary.rows)
    start = f"All {fmt.counted(ledger.sent, noun='job')} accounted for" if is_whole else text
    rows = f"; {fmt.counted(invalid, noun='row')} invalid" if invalid else ""
    return is_whole and not invalid, f"{start}{rows}."


def describe_ledger(ledger: Ledger) -> tuple[bool, str]:
    """Return whether a ledger has no lost or duplicated jobs, and its counts as text."""
    names = ("failed", "failed_as_planned", "expired", "retried", "lost", "duplicated")
    counts = {name.replace("_", " "): getattr(ledger, name) for name in names}
    others = [f"{count:,} {name}" for name, count in counts.items() if count]
    is_whole = not ledger.lost and not ledger.duplicated
    start = f"{ledger.done:,} of {ledger.sent:,} done"
    if ledger.done == ledger.sent > 0:
        start = f"all {ledger.sent:,} done"
    return is_whole, ", ".join([start, *others])


def describe_source(source: RecordedSource) -> str:
    """Return what the stand-ins of a recorded workload repeat, and what they don't."""
    messages = fmt.counted(source.jobs, noun="recorded message")
    file = PurePath(source.file).name
    texts = [f"stand-ins for {messages} of {file}, {source.span_s:.0f} s of it"]
    if source.speed != 1:
        texts.append(f"at {source.speed:g} times the pace")
    if not source.has_published:
        texts.append("due when they were received, since it is unknown when they were published")
    if source.unknown_as:
        share = fmt.percent(source.unknown_share)
        texts.append(
            f"computing of which the recording doesn't know whether it holds the GIL ({share} of "
            f"the slots' time): {source.unknown_as}"
        )
    texts += [f"not repeated: {count:,} {reason}" for reason, count in source.left_out.items()]
    return "; ".join(texts)


def describe_jobs(workload: Workload) -> str:
    """Return the parameters and the options of a workload's jobs as text; of a mix, by part."""
    if workload.recorded:
        return describe_source(workload.recorded)
    if len(workload.mix) > 1:
        texts = ((part, ", ".join([part.kind, *_given(part)])) for part in workload.mix)
        return "; ".join(f"{part.name} ({fmt.percent(part.share)}): {text}" for part, text in texts)
    of_jobs = _given(workload.mix[0]) if workload.mix else _numbers(workload.parameters)
    return ", ".join([*of_jobs, *_numbers(workload.measure_parameters)])


def _given(part: Part) -> list[str]:
    """Return the parameters of a part, and those of its options that have an effect."""
    usual = JobOptions()
    options = {
        one.name: value
        for one in dataclasses.fields(usual)
        if (value := getattr(part.options, one.name)) != getattr(usual, one.name)
    }
    if retry := part.options.retry:
        options["retry"] = f"{fmt.percent(retry.share)} after {retry.countdown_s:g} s"
    given = _numbers({**part.parameters, **options})
    return given if part.call is None else [*_arguments(part.call), *given]


def _arguments(call: AppCall) -> list[str]:
    """Return the arguments of a task of a user's app, as text."""
    given = {"args": list(call.args), "kwargs": dict(call.kwargs)}
    texts = [f"{name} {_shortened(json.dumps(value))}" for name, value in given.items() if value]
    return [f"arguments {call.function}"] if call.function else texts


def _shortened(text: str) -> str:
    return text if len(text) <= _ARGUMENTS_CHARS else f"{text[:_ARGUMENTS_CHARS]}…"


def _numbers(parameters: Mapping[str, object]) -> list[str]:
    return [
        f"{key} {value:.12g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in parameters.items()
    ]


def describe_level(row: RowSummary, *, name: str) -> str:
    """Return a level of a row before, during and after its jobs: 16 → 61 → 16; PSS in MB."""
    level = row.over_time.levels.get(name) if row.over_time else None
    if level is None:
        return fmt.NOTHING
    return " → ".join(_amount(one, name=name) for one in (level.start, level.peak, level.end))


def describe_drift(row: RowSummary, *, name: str) -> str:
    """Return the drift of a level with its interval: 0 [0 to 0]; PSS in MB."""
    level = row.over_time.levels.get(name) if row.over_time else None
    if level is None:
        return fmt.NOTHING
    found = (level.drift.median, level.drift.low, level.drift.high)
    drift, low, high = (_amount(one, name=name) for one in found)
    return f"{drift} [{low} to {high}]"


def _amount(level: float, *, name: str) -> str:
    return fmt.number(level / 1e6) if name == "pss_bytes" else f"{level:,g}"


def has_level_findings(rows: Iterable[RowSummary]) -> bool:
    """Return whether a level of any row moved or drifted in a way that outputs show."""
    return any(row.over_time is not None and row.over_time.reasons for row in rows)


def legend(summary: Summary) -> list[tuple[str, str]]:
    """Return the terms for this run's figures, each with its meaning."""
    words = [("jobs/s", "median of the repetitions, with their range")]
    if any(verdict.smallest_difference is not None for verdict in summary.verdicts):
        meaning = (
            "ratio of the geometric means, what a repetition has in common removed, with an "
            "interval that is right for all of a table's comparisons at once in 95 % of runs"
        )
        words.append(("1.94 × solo [1.90–1.99]", meaning))
    if any(row.targets for row in summary.rows):
        meaning = (
            "met if the median repetition is proved to be within the bound. Exceeded by: its share "
            "of jobs beyond the bound or not done, with an interval that contains the true median "
            "in 94 % of runs; with fewer than 5 repetitions their range"
        )
        words.append(("target", meaning))
    ceiling = (
        "throughput that the workload allows without Celery: for computing, cores ÷ CPU-seconds "
        "per job, measured before and after each trial; for waiting, slots ÷ wait; for jobs that "
        "do both, the smaller of cores ÷ CPU-seconds and slots ÷ (wait + CPU-seconds)"
    )
    pss = (
        "the worker's share of memory after the last job; pages shared with other processes are "
        "divided among them"
    )
    levels = "a level before the first job, at the most, and with no job left: medians of samples"
    limits = (
        "share of the tenths of a second in which the quota stopped the workers; how many cores "
        "stood still for it, on average; largest use of memory since their start, with cached "
        "files; processes that the kernel killed at the memory limit"
    )
    has_limits = any(row.limits for row in summary.rows)
    return [
        *words,
        *([("16 → 61 → 16", levels)] if has_level_findings(summary.rows) else []),
        ("ceiling", ceiling),
        ("CPU-s /1,000", "CPU-seconds of all the worker's processes per 1,000 jobs"),
        ("PSS", pss),
        ("wait", "from due to started; in a backlog it is the job's place in the queue"),
        ("execution", "from started to finished, result stored"),
        *([("throttled, cores stopped, peak, killed", limits)] if has_limits else []),
        *_cause_words(summary),
    ]


def _cause_words(summary: Summary) -> list[tuple[str, str]]:
    """Return the causes of this run's waits in one entry; nothing without any."""
    found = {cause for row in summary.rows for waits in row.wait_causes for cause in waits.causes}
    known = [": ".join(words) for cause, words in CAUSES.items() if cause in found]
    return [("wait by cause", f"the first that applies. {'; '.join(known)}")] if known else []


def claim(ratio: Ratio, *, of: str = "") -> str:
    """Return a ratio with its interval: ``1.94 × solo [1.90–1.99]``."""
    start = f"{fmt.times(ratio.value)} {of}".rstrip()
    return f"{start} {fmt.interval(ratio.low, high=ratio.high)}"


def describe_control(pair: EqualPair) -> str:
    """Return what the A/A control shows; nothing is known of one without a claim."""
    start = f"A/A control: {pair.contender} measured twice"
    if pair.ratio is None or not pair.ratio.is_claim:
        return f"{start}, with too few valid repetitions"
    shown = "differs, as 1 in 20 does by chance" if pair.is_different else "no difference"
    return f"{start}, {claim(pair.ratio)}: {shown}"


def level_findings(rows: Iterable[RowSummary]) -> list[str]:
    """Return what the samples of each contender show: a prefetch count that moved, and memory."""
    return [
        f"{row.contender}: {reason.text}"
        for row in rows
        if row.over_time
        for reason in row.over_time.reasons
    ]


def describe_controls(summary: Summary) -> str:
    """Return in how many workloads the A/A control shows no difference; empty without a claim."""
    found = [one.equal_pair for one in summary.verdicts if one.equal_pair]
    known = [one for one in found if one.ratio and one.ratio.is_claim]
    equal = sum(not one.is_different for one in known)
    return f"A/A control: no difference in {equal} of {len(known)}" if known else ""


def beside_idle(rows: Iterable[RowSummary]) -> str:
    """Return whose jobs waited in a worker although a slot was idle; empty if hardly any did.

    The longest waits come first. In a mix, each part has a wait of its own. Where all slots share
    one thread, the text names the other reason for such a wait.
    """
    found: list[tuple[float, str]] = []
    shared: set[str] = set()
    for row in rows:
        for waits in row.wait_causes[1:] or row.wait_causes:
            causes = [waits.causes.get(cause) for cause in (Cause.IDLE_SLOT, Cause.IDLE_WORKER)]
            idle_s = sum(one.mean_s for one in causes if one)
            if idle_s >= max(NOTABLE_S, NOTABLE_SHARE * waits.mean_s):
                who = f"{row.contender} ({waits.part})" if waits.part else row.contender
                spent = f"{fmt.duration(idle_s)} of {fmt.duration(waits.mean_s)}"
                found.append((-idle_s, f"{who} {spent}"))
                shared |= {row.pool} & ONE_THREAD_POOLS
    texts = [text for _, text in sorted(found)]
    if len(texts) > _NAMED + 1:
        texts = [*texts[:_NAMED], f"{len(texts) - _NAMED} others"]
    if not texts:
        return ""
    why = (
        f"; on {fmt.listed(sorted(shared))}, a job that computes stops all slots" if shared else ""
    )
    return f"Waited in a worker beside an idle slot: {fmt.listed(texts)}{why}."


def too_few(blocks: int) -> str:
    """Return the reason why there is no claim: ``3 repetitions; a claim needs 5``."""
    return f"{fmt.counted(blocks, noun='repetition')}; a claim needs {CLAIM_BLOCKS}"
