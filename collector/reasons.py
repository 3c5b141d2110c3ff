"""Why a trial or a row deserves its mark: reasons as data, with one catalogue of their words.

A reason is made where its condition is found. Its text and its remedy are looked up here when a
person reads them; nothing parses them. The catalogue also is docs/marks.md:

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
from typing import Any, Self

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

    def __post_init__(self) -> None:
        """Refuse a reason whose words could not be filled.

        Raises:
            ValueError: if a parameter is missing.
        """
        missing = CATALOGUE[self.code].parameters - self.parameters.keys()
        if missing:
            raise ValueError(f"{self.code} needs {listed(sorted(missing))}")

    @classmethod
    def of(cls, code: Code, **parameters: Parameter) -> Self:
        """Return a reason with the severity that the catalogue gives it."""
        return cls(code=code, severity=CATALOGUE[code].severity, parameters=parameters)

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


def describe_alike(reasons: Sequence[Reason]) -> str:
    """Return the text that reasons of one code share: what differs between them is left open."""
    first = reasons[0]
    shared = {
        name: value if all(one.parameters.get(name) == value for one in reasons) else ...
        for name, value in first.parameters.items()
    }
    return _Words().vformat(CATALOGUE[first.code].text, (), shared)


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

    @property
    def parameters(self) -> set[str]:
        """The names of what its words are filled with."""
        parsed = string.Formatter().parse(f"{self.text}{self.remedy}")
        return {name for _, name, _, _ in parsed if name}


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


def _read_catalogue() -> dict[Code, Entry]:
    with Path(__file__).with_suffix(".toml").open("rb") as file:
        entries = tomllib.load(file)
    return {
        Code(code): Entry(**{**entry, "severity": Severity[entry["severity"].upper()]})
        for code, entry in entries.items()
    }


#: Code → its words; reasons.toml holds them.
CATALOGUE: Mapping[Code, Entry] = _read_catalogue()


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
