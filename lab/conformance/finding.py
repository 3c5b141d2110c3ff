"""The result of one try: one of four outcomes, a sentence, and the evidence."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel


class Outcome(StrEnum):
    """What a pool did with a promise, the worst first.

    A try without a verdict doesn't count next to one with a verdict.
    """

    BREAKS = "breaks"
    IGNORED = "ignored"
    WORKS = "works"
    #: There is no verdict on the pool; the finding's sentence is the reason.
    NOT_TRIED = "not tried"


#: The outcomes by which judges decide cases.
IGNORED, BREAKS = Outcome.IGNORED, Outcome.BREAKS

#: The meaning of each outcome, in one sentence.
MEANINGS = {
    Outcome.WORKS: "Celery did what its documentation promises, and no job was harmed.",
    Outcome.IGNORED: "The worker accepted the option or request, and jobs ran as if without it.",
    Outcome.BREAKS: (
        "Jobs were lost, run twice or left waiting; or the worker died, hung or reported "
        "something false."
    ),
    Outcome.NOT_TRIED: "There is no verdict; the reason is given with the result.",
}


class Finding(BaseModel, frozen=True):
    """What one pool did with one promise, in one try."""

    outcome: Outcome
    #: What happened, in one sentence.
    seen: str
    #: Stamps, log lines, counts and exit codes that show it, each one line.
    evidence: tuple[str, ...] = ()


#: A possible judgement: whether it applies, its outcome, and what happened.
Case = tuple[bool, Outcome, str]


def judge(*cases: Case, works: str, evidence: tuple[str, ...]) -> Finding:
    """Return the finding of the first case that applies, else that the promise works."""
    _, outcome, seen = next(case for case in (*cases, (True, Outcome.WORKS, works)) if case[0])
    return Finding(outcome=outcome, seen=seen, evidence=evidence)


def not_tried(reason: str) -> Finding:
    """Return that there is no verdict."""
    return Finding(outcome=Outcome.NOT_TRIED, seen=reason)
