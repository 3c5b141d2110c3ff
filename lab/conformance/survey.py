"""The results of one survey, by promise and pool, and their JSON format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, PositiveInt, ValidationError, model_validator

from lab.conformance.finding import MEANINGS, Finding, Outcome
from poolbench.errors import Fault, UsageError


class Verdict(Finding, frozen=True):
    """What one pool did with one promise in one try or more: the first of the worst findings."""

    #: Number of tries by outcome, the worst first; outcomes without a try are absent. Files of
    #: single tries may lack it.
    outcomes: Mapping[Outcome, PositiveInt] = Field(
        default_factory=lambda found: {found["outcome"]: 1}
    )

    @model_validator(mode="after")
    def _check_count(self) -> Verdict:
        if self.outcome not in self.outcomes:
            raise ValueError(f"outcomes = {dict(self.outcomes)} is invalid: lacks {self.outcome}")
        return self

    @property
    def tries(self) -> int:
        """Return the number of tries."""
        return sum(self.outcomes.values())

    @property
    def count(self) -> str:
        """Return how many tries had the worst outcome, ``5 of 20``; empty for a single try."""
        return f"{self.outcomes[self.outcome]} of {self.tries}" if self.tries > 1 else ""

    @property
    def word(self) -> str:
        """Return the worst outcome with its count: ``breaks 5 of 20``."""
        return f"{self.outcome} {self.count}".rstrip()

    @property
    def words(self) -> str:
        """Return every outcome with its count: ``breaks 5 of 20, works 15 of 20``."""
        if self.tries == 1:
            return self.word
        return ", ".join(f"{one} {count} of {self.tries}" for one, count in self.outcomes.items())


def judge_tries(findings: Sequence[Finding]) -> Verdict:
    """Return the verdict on one or more tries, in the order in which they were made.

    Raises:
        ValueError: if there is no try.
    """
    worst = min(findings, key=lambda one: list(Outcome).index(one.outcome))
    seen = Counter(one.outcome for one in findings)
    return Verdict(**dict(worst), outcomes={one: seen[one] for one in Outcome if seen[one]})


class SurveyRow(BaseModel, frozen=True):
    """The verdicts on one promise."""

    name: str
    title: str
    question: str
    expected: str
    #: Verdict by pool, in the order of the survey's pools.
    pools: Mapping[str, Verdict]

    def compare(self, other: Survey | None) -> list[tuple[Verdict, Verdict | None]]:
        """Return the verdict on each pool; with the one of another survey, where that differs."""
        there = other.verdicts(self.name) if other else {}
        return [
            (here, there[pool] if pool in there and there[pool].outcome != here.outcome else None)
            for pool, here in self.pools.items()
        ]


class Survey(BaseModel, frozen=True):
    """What one run of the command found. The fields are the JSON format, in its order."""

    #: Version of the JSON format; it changes when a reader would have to change.
    format: Literal[1] = 1
    #: UTC, to the second.
    made_at: str
    command: str
    took_s: float
    #: Of the workers' interpreter.
    versions: Mapping[str, str]
    #: ``server``, ``version``, ``origin``.
    broker: Mapping[str, str]
    #: ``os``, ``architecture``, ``cores``.
    machine: Mapping[str, str | int | float]
    #: Meaning of each outcome.
    words: Mapping[Outcome, str] = MEANINGS
    pools: tuple[str, ...]
    rows: tuple[SurveyRow, ...]

    @property
    def celery(self) -> str:
        """Return the version of the Celery that was tried."""
        return self.versions.get("celery", "?")

    def verdicts(self, name: str) -> Mapping[str, Verdict]:
        """Return the verdicts on a promise by pool; empty if this survey has no such row."""
        return next((row.pools for row in self.rows if row.name == name), {})

    def describe(self, other: Survey | None) -> list[str]:
        """Return sentences about what was tried: versions, number of tries, the other survey."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        broker = f"{self.broker['server']} {self.broker['version']}"
        lines = [f"{versions}; {broker}; {self.machine['os']}, {self.machine['cores']} cores"]
        tries = max((one.tries for row in self.rows for one in row.pools.values()), default=1)
        if tries > 1:
            shown = "the worst outcome, and the number of tries that had it"
            lines.append(f"Each promise was tried {tries} times: {shown}.")
        if other is not None:
            made = f"celery {other.celery}, {other.made_at[:10]}"
            lines.append(f"In brackets, where it differs: {made}.")
        return lines

    def to_json(self) -> str:
        """Return the survey as JSON."""
        return self.model_dump_json(indent=1) + "\n"


def read_survey(path: Path) -> Survey:
    """Return the survey in a JSON file.

    Raises:
        UsageError: if it can't be read, or is no survey of this format.
    """
    try:
        return Survey.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a survey of format 1"
        remedy = "make one with `poolbench conformance --json`"
        raise UsageError(Fault(where=str(path), problem=str(reason), remedy=remedy)) from error
