"""Why a trial or a row deserves its mark: reasons as data, with one catalogue of their words.

A reason is made where its condition is found. Its text and its remedy are looked up here when a
person reads them; nothing parses them. The catalogue also is docs/marks.md:

python -m collector.reasons > docs/marks.md
"""

from __future__ import annotations

import string
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from poolbench.format import counted, duration, listed, number, percent

#: What a reason's text is filled with; lists are shown as "a, b and c".
Parameter = bool | int | float | str | Sequence[str] | None


class Severity(StrEnum):
    """What a reason means for a row, as its mark; the strongest first."""

    INVALID = "!"
    TOO_FEW = "?"
    UNSTABLE = "~"
    #: The harness may be the limit, and not the pool.
    LIMITED = "†"
    #: Good to know; marks nothing.
    NOTE = ""

    @property
    def meaning(self) -> str:
        """What the mark means, for legends."""
        return _MEANINGS[self]


_MEANINGS = {
    Severity.INVALID: "invalid: jobs are missing, or the conditions of the trial did not hold",
    Severity.TOO_FEW: "too few repetitions for a statistical claim",
    Severity.UNSTABLE: "unstable: repetitions differ or drift, or something disturbed the machine",
    Severity.LIMITED: "near the limit of the harness itself, which may be what is measured",
    Severity.NOTE: "no mark: good to know",
}


class Code(StrEnum):
    """Every reason that Poolbench gives."""

    INTERRUPTED = "interrupted"
    WORKER_EXITED = "worker-exited"
    STALLED = "stalled"
    BROKER_LOST = "broker-lost"
    FLOWER_SILENT = "flower-silent"
    JOBS_LOST = "jobs-lost"
    JOBS_UNSENT = "jobs-unsent"
    JOBS_DUPLICATED = "jobs-duplicated"
    RUNS_OVERLAP = "runs-overlap"
    COLLECTOR_HINDERED = "collector-hindered"
    SOCKETS_UNPATCHED = "sockets-unpatched"
    WRONG_POOL = "wrong-pool"
    GIL_ON = "gil-on"
    GIL_TURNED_ON = "gil-turned-on"
    SENT_LATE = "sent-late"
    NOT_MEASURED = "not-measured"
    TOO_FEW = "too-few"
    SPREAD = "spread"
    DRIFT = "drift"
    CEILING_DRIFT = "ceiling-drift"
    FOREIGN_CPU = "foreign-cpu"
    STOLEN_CPU = "stolen-cpu"
    CLOCK_STEP = "clock-step"
    FOREIGN_CLOCK = "foreign-clock"
    JOBS_FAILED = "jobs-failed"
    FEW_JOBS = "few-jobs"
    SLOTS_UNKNOWN = "slots-unknown"
    SAME_INSTANT = "same-instant"
    NO_JOB_DONE = "no-job-done"
    DONE_BEFORE_DUE = "done-before-due"
    NO_RATE_SUSTAINED = "no-rate-sustained"
    EVERY_RATE_SUSTAINED = "every-rate-sustained"
    SEARCH_OPEN = "search-open"
    MACHINE_CHANGED = "machine-changed"
    RECORDED = "recorded"
    NEAR_NOOP = "near-noop"
    NEAR_UPSTREAM = "near-upstream"
    NEAR_REDIS = "near-redis"
    NEAR_PRODUCER = "near-producer"
    LOOP_BLOCKED = "loop-blocked"
    LOOP_FREE = "loop-free"
    JOBS_NOT_DONE = "jobs-not-done"
    OVER_BOUND = "over-bound"
    FELL_BEHIND = "fell-behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing to know of a trial or a row."""

    code: Code
    severity: Severity
    #: What its text is filled with.
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    #: Repetitions that have it, from 1; empty where it holds for the whole.
    repetitions: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The reason in words, without a full stop and without the repetitions."""
        return _Words().vformat(CATALOGUE[self.code].text, (), self.parameters)

    @property
    def remedy(self) -> str:
        """What to do about it, as an order without a full stop; empty where nothing is to do."""
        return _Words().vformat(CATALOGUE[self.code].remedy, (), self.parameters)

    @property
    def key(self) -> tuple[str, str, str]:
        """What two rows' reasons share that are the same but for the repetitions."""
        return self.severity, self.code, repr(sorted(self.parameters.items()))

    def __str__(self) -> str:
        if not self.repetitions:
            return self.text
        noun = "repetition" if len(self.repetitions) == 1 else "repetitions"
        return f"{noun} {listed([*map(str, self.repetitions)])}: {self.text}"


def reason(code: Code, **parameters: Parameter) -> Reason:
    """Return a reason with the severity that the catalogue gives it."""
    return Reason(code=code, severity=CATALOGUE[code].severity, parameters=parameters)


def describe_alike(reasons: Sequence[Reason]) -> str:
    """Return the text that reasons of one code share: what differs between them is left open."""
    first = reasons[0]
    shared = {
        name: value if all(one.parameters.get(name) == value for one in reasons) else ...
        for name, value in first.parameters.items()
    }
    return _Words().vformat(CATALOGUE[first.code].text, (), shared)


def parse_reasons(found: Sequence[Any], *, severity: Severity) -> list[Reason]:
    """Return the reasons that a manifest holds; those in words are of an earlier format."""
    return [
        Reason(code=Code.RECORDED, severity=severity, parameters={"text": one})
        if isinstance(one, str)
        else Reason(**{**one, "code": Code(one["code"]), "severity": Severity(one["severity"])})
        for one in found
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the catalogue has of a code."""

    severity: Severity
    #: With the names of parameters in braces; see `_Words` for the formats.
    text: str
    #: How the condition is found.
    measured: str
    #: What helps; empty where nothing is to do.
    remedy: str = ""


class _Words(string.Formatter):
    """Formats such as ``{jobs:count job}``, ``{share:percent}``, ``{seen_s:duration}``."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """Return a parameter in words; of one that differs from row to row, an ellipsis."""
        if value is ...:
            return "…"
        kind, _, noun = format_spec.partition(" ")
        shown = {
            "count": lambda: counted(value, noun=noun),
            "percent": lambda: percent(value),
            # a job that was not done has no end
            "duration": lambda: "without end" if value is None else duration(value),
            "number": lambda: number(value),
            "list": lambda: listed([*value]),
        }.get(kind)
        return shown() if shown else format(value, format_spec)


_LOG = "Read the worker's log in the run's folder"
_QUIET = "quiet the machine"
_LONGER = "make trials longer (`trial_s`)"
_LIMIT = "throughput ÷ the ceiling in the manifest, from 80 % to 100 %"

CATALOGUE: Mapping[Code, Entry] = {
    Code.INTERRUPTED: Entry(
        severity=Severity.INVALID,
        text="the run was interrupted during this trial",
        measured="the manifest has no end of the trial",
        remedy="Repeat the run and let it finish",
    ),
    Code.WORKER_EXITED: Entry(
        severity=Severity.INVALID,
        text="the worker exited with code {exit_code} during the trial; {missing:,} of {sent:,} "
        "jobs not done (log: {log})",
        measured="the worker's process ended, and for one second no record arrived",
        remedy="Read that log; exit code -9 is usually the system's out-of-memory killer",
    ),
    Code.STALLED: Entry(
        severity=Severity.INVALID,
        text="no record arrived for {stall_s:g} s; {missing:,} of {sent:,} jobs not done",
        measured="time since the trial's last record, against `stall_s`",
        remedy="Raise `stall_s` above the longest job, or find in the worker's log what it waits "
        "for",
    ),
    Code.BROKER_LOST: Entry(
        severity=Severity.INVALID,
        text="the broker was lost before the trial's records were stored",
        measured="the lab's connection to the broker failed",
        remedy="Find out why the server stopped, and repeat the run",
    ),
    Code.FLOWER_SILENT: Entry(
        severity=Severity.INVALID,
        text="Flower received no event during the trial",
        measured="Flower's counter of events, before and after the trial",
        remedy="Read Flower's log beside the worker's, and repeat the run",
    ),
    Code.JOBS_LOST: Entry(
        severity=Severity.INVALID,
        text="{lost:,} of {sent:count job} lost",
        measured="ledger: jobs sent, minus jobs with a known end",
        remedy=f"{_LOG}: these jobs waited or started, and have no end",
    ),
    Code.JOBS_UNSENT: Entry(
        severity=Severity.INVALID,
        text="{jobs:count job} finished that were never sent",
        measured="ledger: more jobs have an end than were sent",
        remedy="Look for redelivered messages: visibility_timeout, acks_late, a second worker",
    ),
    Code.JOBS_DUPLICATED: Entry(
        severity=Severity.INVALID,
        text="{jobs:count job} ran twice",
        measured="ledger: executions that finished an attempt which had finished before",
        remedy="Look for redelivered messages: visibility_timeout, acks_late, a second worker",
    ),
    Code.RUNS_OVERLAP: Entry(
        severity=Severity.INVALID,
        text="run {run} had jobs here at the same time",
        measured="times of the first due job and the last record of both runs",
        remedy="Submit one run at a time",
    ),
    Code.COLLECTOR_HINDERED: Entry(
        severity=Severity.INVALID,
        text="{fault}",
        measured="the collector could not store what it read",
        remedy="Free the disk or repair the folder, then submit again",
    ),
    Code.SOCKETS_UNPATCHED: Entry(
        severity=Severity.INVALID,
        text="gevent ran with unpatched sockets",
        measured="each slot reports whether `socket.socket` is gevent's",
        remedy="Name the pool on Celery's command line: `-P gevent`",
    ),
    Code.WRONG_POOL: Entry(
        severity=Severity.INVALID,
        text="{seen} ran the jobs, not {pool}",
        measured="each slot reports the class of its pool",
        remedy="Look up in the manifest which command started the worker",
    ),
    Code.GIL_ON: Entry(
        severity=Severity.INVALID,
        text="the GIL was on in a Python that can run without it",
        measured="each slot reports `sys._is_gil_enabled()`",
        remedy="Find in the worker's log, or in PYTHON_GIL, what turned it on; see "
        "docs/free-threading.md",
    ),
    Code.GIL_TURNED_ON: Entry(
        severity=Severity.INVALID,
        text="the GIL was on in a Python that can run without it: importing {packages:list} turns "
        "it on",
        measured="packages are imported one by one before the run, each followed by "
        "`sys._is_gil_enabled()`",
        remedy="Remove {packages:list} from {path}; see docs/free-threading.md",
    ),
    Code.SENT_LATE: Entry(
        severity=Severity.INVALID,
        text="the producer sent {late:,} of {jobs:count job} over {bound_s:duration} late: the "
        "machine could not make this load",
        measured="sent - due of each job, against 50 ms and a tenth of its response; more than 1 % "
        "of the jobs",
        remedy="Lower the rate or quiet the machine: the producer needs a core in time",
    ),
    Code.NOT_MEASURED: Entry(
        severity=Severity.TOO_FEW,
        text="no repetition was measured",
        measured="the manifest has no trial of this row",
        remedy="Repeat the run and let it finish",
    ),
    Code.TOO_FEW: Entry(
        severity=Severity.TOO_FEW,
        text="{have:count repetition} with a valid throughput; a claim needs {needed}",
        measured="count of valid trials with a throughput",
        remedy="Repeat with `--repetitions {needed}` or `--until 3%`",
    ),
    Code.SPREAD: Entry(
        severity=Severity.UNSTABLE,
        text="the standard deviation of its repetitions is over {bound:percent} of their mean",
        measured="throughput of the valid repetitions",
        remedy=f"Quiet the machine, {_LONGER}, or add repetitions (`--until 3%`)",
    ),
    Code.DRIFT: Entry(
        severity=Severity.UNSTABLE,
        text="drifts: {change:percent} {direction} in the last repetition than in the first, along "
        "a line through all of them",
        measured="least squares on the logarithms; over 10 %, and a p-value below 0.01",
        remedy="Warm the machine up first, and look for what jobs leave behind; paired ratios hold",
    ),
    Code.CEILING_DRIFT: Entry(
        severity=Severity.UNSTABLE,
        text="without Celery, the same work cost over {bound:percent} more or less CPU after the "
        "trial than before",
        measured="CPU-seconds of the job's function alone, just before and just after the trial",
        remedy=f"Fix the processor's frequency, or {_LONGER}",
    ),
    Code.FOREIGN_CPU: Entry(
        severity=Severity.UNSTABLE,
        text="other processes took over {bound:percent} of the machine's CPU",
        measured="the machine's CPU time during the trial, minus Poolbench's own processes",
        remedy="Stop what else runs on this machine, and repeat",
    ),
    Code.STOLEN_CPU: Entry(
        severity=Severity.UNSTABLE,
        text="the machine's host gave over {bound:percent} of its CPU to others (steal)",
        measured="steal time in /proc/stat during the trial",
        remedy="Repeat when its neighbours are quieter, or on a machine of its own",
    ),
    Code.CLOCK_STEP: Entry(
        severity=Severity.UNSTABLE,
        text="the clock was set by over {bound_s:duration}",
        measured="wall clock against monotonic clock, over the trial",
        remedy="Let the time service slew the clock instead of setting it, and repeat",
    ),
    Code.FOREIGN_CLOCK: Entry(
        severity=Severity.UNSTABLE,
        text="clocks of other hosts are not corrected",
        measured="records of more than one boot id",
        remedy="Run the workers on the machine that sends",
    ),
    Code.JOBS_FAILED: Entry(
        severity=Severity.UNSTABLE,
        text="{failed:,} of {sent:count job} failed",
        measured="ledger: jobs whose last attempt did not end well",
        remedy="Read their errors: `poolbench export RUN --format csv`, column `error`",
    ),
    Code.FEW_JOBS: Entry(
        severity=Severity.UNSTABLE,
        text="no throughput: {done:count job} done; {in_flight} in flight need {needed}",
        measured="jobs done, against five for each job in flight",
        remedy="Give it more jobs: make trials longer (`trial_s`)",
    ),
    Code.SLOTS_UNKNOWN: Entry(
        severity=Severity.UNSTABLE,
        text="no throughput: the number of slots is unknown",
        measured="no worker of this contender reported its slots",
        remedy="Start the worker with the probe: `-I poolbench.probe`",
    ),
    Code.SAME_INSTANT: Entry(
        severity=Severity.UNSTABLE,
        text="no throughput: all jobs finished at the same instant",
        measured="finish times of the jobs done",
        remedy="Give it more jobs: make trials longer (`trial_s`)",
    ),
    Code.NO_JOB_DONE: Entry(
        severity=Severity.UNSTABLE,
        text="no throughput: no job was done",
        measured="records with the outcome `done`",
        remedy=_LOG,
    ),
    Code.DONE_BEFORE_DUE: Entry(
        severity=Severity.UNSTABLE,
        text="no throughput: the last job finished before the first was due",
        measured="last finish, against the first due time",
        remedy="Let the time service slew the clock instead of setting it, and repeat",
    ),
    Code.NO_RATE_SUSTAINED: Entry(
        severity=Severity.UNSTABLE,
        text="no rate was sustained, down to {rate_per_s:number} jobs/s, in {steps:count step}",
        measured="the search's steps, each judged by the `[slo]` and by whether jobs piled up",
        remedy=f"Give its steps more jobs (`trial_s`), or {_QUIET}",
    ),
    Code.EVERY_RATE_SUSTAINED: Entry(
        severity=Severity.UNSTABLE,
        text="every rate was sustained, up to {rate_per_s:number} jobs/s, in {steps:count step}",
        measured="the search's steps, each judged by the `[slo]` and by whether jobs piled up",
        remedy=f"Give its steps more jobs (`trial_s`), or {_QUIET}",
    ),
    Code.SEARCH_OPEN: Entry(
        severity=Severity.UNSTABLE,
        text="the search ended after {steps:count step} with the sustained and the missed rate "
        "{apart:percent} apart",
        measured="the highest rate sustained, against the lowest that was not",
        remedy=f"Give its steps more jobs (`trial_s`), or {_QUIET}",
    ),
    Code.MACHINE_CHANGED: Entry(
        severity=Severity.UNSTABLE,
        text="without Celery, B's machine did {ratio:number} × the same work of A's, so not only "
        "the pools differ",
        measured="`compare`: medians of both runs' ceilings, over 5 % apart",
        remedy="Run both on the same machine, one after the other",
    ),
    Code.RECORDED: Entry(
        severity=Severity.UNSTABLE,
        text="{text}",
        measured="recorded in words by an earlier version of Poolbench",
        remedy="Repeat the run with this version",
    ),
    Code.NEAR_NOOP: Entry(
        severity=Severity.LIMITED,
        text="{share:percent} of what it does with empty jobs: Celery's own cost of a job may be "
        "the limit, not the work",
        measured=_LIMIT,
    ),
    Code.NEAR_UPSTREAM: Entry(
        severity=Severity.LIMITED,
        text="{share:percent} of what upstream can serve: upstream may be the limit, not the pool",
        measured=_LIMIT,
    ),
    Code.NEAR_REDIS: Entry(
        severity=Severity.LIMITED,
        text="{share:percent} of what Redis can serve: Redis may be the limit, not the pool",
        measured=_LIMIT,
    ),
    Code.NEAR_PRODUCER: Entry(
        severity=Severity.LIMITED,
        text="{share:percent} of what the producer can send: the producer may be the limit, not "
        "the pool",
        measured=_LIMIT,
    ),
    Code.LOOP_BLOCKED: Entry(
        severity=Severity.NOTE,
        text="{jobs:,} of {seen:count job} blocked the event loop for over {counted_ms} ms at a "
        "time: {share:percent} of the time in all, {longest_s:duration} for one job",
        measured="the asyncio pool times each step of a job on its loop",
        remedy="Move what blocks into `asyncio.to_thread`, or run these jobs in another pool",
    ),
    Code.LOOP_FREE: Entry(
        severity=Severity.NOTE,
        text="no job blocked the event loop for over {counted_ms} ms at a time",
        measured="the asyncio pool times each step of a job on its loop",
    ),
    Code.JOBS_NOT_DONE: Entry(
        severity=Severity.NOTE,
        text="{missing:,} of {jobs:count job} not done",
        measured="of a rate: jobs without a record `done`",
    ),
    Code.OVER_BOUND: Entry(
        severity=Severity.NOTE,
        text="{percentile} {span} {seen_s:duration} exceeds {bound_s:duration}",
        measured="of a rate: the percentile over all jobs, against the `[slo]`; one that was not "
        "done has no end",
    ),
    Code.FELL_BEHIND: Entry(
        severity=Severity.NOTE,
        text="it fell behind: its last jobs waited for {share:percent} of the time in which jobs "
        "arrived",
        measured="of a rate: the median wait of the last tenth of the jobs, against 5 %",
    ),
}


def strongest(reasons: Sequence[Reason]) -> Severity:
    """Return the strongest mark of some reasons: invalid, too few, unstable or none."""
    marks = {one.severity for one in reasons}
    marking = (Severity.INVALID, Severity.TOO_FEW, Severity.UNSTABLE)
    return next((mark for mark in marking if mark in marks), Severity.NOTE)


_OPENING = """\
# Marks and their reasons

A row of a report has at most one mark, its strongest. Each reason has a code, which `summary.json`
holds with its parameters.

This page is generated from the catalogue that the reports use:
`python -m collector.reasons > docs/marks.md`.
"""


def marks_page() -> str:
    """Return the text of docs/marks.md."""
    lines = [_OPENING]
    for severity in Severity:
        meaning = severity.meaning.removeprefix("no mark: ")
        lines += [f"## `{severity}`" if severity else "## No mark", ""]
        lines += [f"{meaning[0].upper()}{meaning[1:]}.", ""]
        lines += ["| code | meaning | how it is measured | what to do |"]
        lines += ["| --- | --- | --- | --- |"]
        for code, entry in CATALOGUE.items():
            if entry.severity is severity:
                cells = [f"`{code}`", _blank(entry.text), entry.measured, _blank(entry.remedy)]
                lines.append(f"| {' | '.join(cell or '–' for cell in cells)} |")
        lines.append("")
    return "\n".join(lines)


def _blank(text: str) -> str:
    """Return a text with its parameters' names in place of their values."""
    shown = ""
    for words, name, form, _ in string.Formatter().parse(text):
        noun = f" {form.removeprefix('count ')}s" if form and form.startswith("count ") else ""
        shown += f"{words}*{name}*{noun}" if name else words
    return shown


if __name__ == "__main__":
    sys.stdout.write(marks_page())
