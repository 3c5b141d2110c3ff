"""What a try can come to: three words, each with its meaning, and the evidence beside it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The word for what a pool did with a row."""

    WORKS = "works"
    IGNORED = "ignored"
    BREAKS = "breaks"
    #: No verdict on the pool: the reason stands beside it.
    NOT_TRIED = "not tried"


#: What each word says, in one sentence.
MEANINGS = {
    Outcome.WORKS: "What the documentation promises happened, and no job came to harm.",
    Outcome.IGNORED: "The option or request was taken, and jobs ran as if it had not been made.",
    Outcome.BREAKS: (
        "Jobs were lost, run twice or left standing; or the worker died, hung or told an untruth."
    ),
    Outcome.NOT_TRIED: "There is no verdict; the reason stands beside it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one pool was seen to do with one row."""

    outcome: Outcome
    #: What happened, in one sentence.
    seen: str
    #: Stamps, log lines, counts and exit codes that show it, each a line.
    evidence: tuple[str, ...] = ()


def works(seen: str, *evidence: str) -> Finding:
    """Return that it did what was expected."""
    return Finding(outcome=Outcome.WORKS, seen=seen, evidence=evidence)


def ignored(seen: str, *evidence: str) -> Finding:
    """Return that it did nothing of what was asked."""
    return Finding(outcome=Outcome.IGNORED, seen=seen, evidence=evidence)


def breaks(seen: str, *evidence: str) -> Finding:
    """Return that it did harm."""
    return Finding(outcome=Outcome.BREAKS, seen=seen, evidence=evidence)


def not_tried(reason: str, *evidence: str) -> Finding:
    """Return that there is no verdict."""
    return Finding(outcome=Outcome.NOT_TRIED, seen=reason, evidence=evidence)
