"""The reasons for marks, as data, with one catalogue of their texts and remedies.

A reason is created where its condition is detected. Its text and remedy are looked up here when
they are printed, and never parsed. docs/marks.md is generated from the catalogue:

python -m collector.reasons > docs/marks.md
"""

from __future__ import annotations

import string
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Self

from poolbench.format import counted, duration, listed, number, percent, size

#: A value in a reason's text; lists are shown as "a, b and c".
Parameter = bool | int | float | str | Sequence[str] | None


class Severity(StrEnum):
    """The effect of a reason on a row, as its mark; the strongest first."""

    INVALID = "!"
    TOO_FEW = "?"
    UNSTABLE = "~"
    #: The harness may be the limit instead of the pool.
    LIMITED = "†"
    #: For information; sets no mark.
    NOTE = ""

    @property
    def meaning(self) -> str:
        """Return the meaning of the mark, for legends."""
        return _MEANINGS[self]


_MEANINGS = {
    Severity.INVALID: "invalid: jobs are missing, or the conditions of the trial did not hold",
    Severity.TOO_FEW: "too few repetitions for a statistical claim",
    Severity.UNSTABLE: "unstable: repetitions drift, jobs failed, or the machine was disturbed",
    Severity.LIMITED: "near the limit of the harness itself, which may be what is measured",
    Severity.NOTE: "no mark: good to know",
}


class Code(StrEnum):
    """Every reason that Poolbench reports."""

    INTERRUPTED = "interrupted"
    WORKER_EXITED = "worker-exited"
    WORKER_OOM_KILLED = "worker-oom-killed"
    STALLED = "stalled"
    MESSAGES_OPEN = "messages-open"
    BROKER_LOST = "broker-lost"
    FLOWER_SILENT = "flower-silent"
    RATE_LIMIT_UNCONFIRMED = "rate-limit-unconfirmed"
    SETTING_DIFFERS = "setting-differs"
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
    SLOTS_NOT_BUSY = "slots-not-busy"
    NO_PING = "no-ping"
    NOT_MEASURED = "not-measured"
    TOO_FEW = "too-few"
    FEW_OF_WORKER = "few-of-worker"
    DRIFT = "drift"
    CHILDREN_OOM_KILLED = "children-oom-killed"
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
    MEASURED_AGAIN = "measured-again"
    LOOP_BLOCKED = "loop-blocked"
    LOOP_FREE = "loop-free"
    SLOTS_UNSEEN = "slots-unseen"
    LEVEL_RETURNED = "level-returned"
    LEVEL_DRIFTED = "level-drifted"
    COUNTDOWN_MEMORY = "countdown-memory"
    JOB_MEMORY = "job-memory"
    JOBS_NOT_DONE = "jobs-not-done"
    OVER_BOUND = "over-bound"
    FELL_BEHIND = "fell-behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A condition of a trial or a row that affects how a figure is read."""

    code: Code
    severity: Severity
    #: Values in its text.
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    #: Repetitions that have it, from 1; empty if it concerns the whole trial or row.
    repetitions: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check that the parameters are complete.

        Raises:
            ValueError: if a parameter is missing.
        """
        missing = CATALOGUE[self.code].parameters - self.parameters.keys()
        if missing:
            raise ValueError(f"{self.code} needs {listed(sorted(missing))}")

    @classmethod
    def of(cls, code: Code, **parameters: Parameter) -> Self:
        """Return a reason with the severity in the catalogue."""
        return cls(code=code, severity=CATALOGUE[code].severity, parameters=parameters)

    @property
    def text(self) -> str:
        """Return the text, without a full stop and without the repetitions."""
        return _Words().vformat(CATALOGUE[self.code].text, (), self.parameters)

    @property
    def remedy(self) -> str:
        """Return what to do, as an imperative without a full stop; empty if nothing."""
        return _Words().vformat(CATALOGUE[self.code].remedy, (), self.parameters)

    @property
    def key(self) -> tuple[str, str, str]:
        """Return a key that is equal for reasons that differ only in their repetitions."""
        return self.severity, self.code, repr(sorted(self.parameters.items()))

    def __str__(self) -> str:
        if not self.repetitions:
            return self.text
        noun = "repetition" if len(self.repetitions) == 1 else "repetitions"
        return f"{noun} {listed([*map(str, self.repetitions)])}: {self.text}"


class _Counts(NamedTuple):
    """The smallest and the largest of counts that differ."""

    least: int
    most: int


def describe_alike(reasons: Sequence[Reason]) -> str:
    """Return one text for reasons of one code, with "…" for parameters that differ.

    Counts that differ have their range.
    """
    first = reasons[0]
    shared: dict[str, object] = {}
    for name, value in first.parameters.items():
        values = [one.parameters.get(name) for one in reasons]
        counts = [one for one in values if isinstance(one, int)]
        if all(one == value for one in values):
            shared[name] = value
        elif len(counts) == len(values):
            shared[name] = _Counts(min(counts), max(counts))
        else:
            shared[name] = ...
    return _Words().vformat(CATALOGUE[first.code].text, (), shared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The catalogue's entry for a code."""

    severity: Severity
    #: Text with the names of parameters in braces; `_Words` has the formats.
    text: str
    #: How the condition is detected.
    measured: str
    #: What to do; empty if nothing.
    remedy: str = ""

    @property
    def parameters(self) -> set[str]:
        """Return the names of the parameters in its text and remedy."""
        parsed = string.Formatter().parse(f"{self.text}{self.remedy}")
        return {name for _, name, _, _ in parsed if name}


class _Words(string.Formatter):
    """Formats such as ``{jobs:count job}``, ``{share:percent}``, ``{seen_s:duration}``."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """Return a formatted parameter, or an ellipsis for one that differs between rows."""
        kind, _, noun = format_spec.partition(" ")
        if isinstance(value, _Counts) and kind == "count":
            return f"{value.least:,} to {value.most:,} {noun}s"
        if value is ... or isinstance(value, _Counts):
            return "…"
        shown = {
            "count": lambda: counted(value, noun=noun),
            "percent": lambda: percent(value),
            # None is the duration of a job that was not done
            "duration": lambda: "without end" if value is None else duration(value),
            "number": lambda: number(value),
            "size": lambda: size(value),
            "list": lambda: listed([*value]),
        }.get(kind)
        return shown() if shown else format(value, format_spec)


def _read_catalogue() -> dict[Code, Entry]:
    with Path(__file__).with_suffix(".toml").open("rb") as file:
        entries = tomllib.load(file)
    return {
        Code(code): Entry(**{**entry, "severity": Severity[entry["severity"].upper()]})
        for code, entry in entries.items()
    }


#: Entry by code, from reasons.toml.
CATALOGUE: Mapping[Code, Entry] = _read_catalogue()


def strongest(reasons: Sequence[Reason]) -> Severity:
    """Return the strongest severity of some reasons: invalid, too few, unstable or none."""
    marks = {one.severity for one in reasons}
    marking = (Severity.INVALID, Severity.TOO_FEW, Severity.UNSTABLE)
    return next((mark for mark in marking if mark in marks), Severity.NOTE)


_OPENING = """\
# Marks and their reasons

A row of a report has at most one mark, its strongest. Each reason has a code, which `summary.json`
contains with its parameters.

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
    """Return a text with the names of its parameters instead of their values."""
    shown = ""
    for words, name, form, _ in string.Formatter().parse(text):
        noun = f" {form.removeprefix('count ')}s" if form and form.startswith("count ") else ""
        shown += f"{words}*{name}*{noun}" if name else words
    return shown


if __name__ == "__main__":
    sys.stdout.write(marks_page())
