"""All that was found, row by row and pool by pool: a value, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.conformance.finding import MEANINGS, Finding, Outcome
from lab.conformance.verdict import Verdict
from poolbench.errors import Fault, UsageError

#: Version of the JSON's shape; it changes when a reader would have to.
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row as it was found on every pool."""

    name: str
    title: str
    question: str
    expected: str
    #: By pool.
    verdicts: Mapping[str, Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What one run of the command found."""

    #: UTC, to the second.
    made_at: str
    command: str
    took_s: float
    #: Of the workers' interpreter.
    versions: Mapping[str, str]
    #: ``server``, ``version``, ``origin``.
    broker: Mapping[str, str]
    #: ``os``, ``architecture``, ``cores``.
    machine: Mapping[str, Any]
    pools: tuple[str, ...]
    entries: tuple[Entry, ...]

    @property
    def celery(self) -> str:
        """Return the version of the Celery that was tried."""
        return self.versions.get("celery", "?")

    @property
    def tries(self) -> int:
        """Return how often each row was tried on each pool."""
        verdicts = (one for entry in self.entries for one in entry.verdicts.values())
        return max((one.tries for one in verdicts), default=1)

    def verdict(self, row: str, *, pool: str) -> Verdict | None:
        """Return what a pool did with a row, None if that was no part of this survey."""
        entry = next((entry for entry in self.entries if entry.name == row), None)
        return entry.verdicts.get(pool) if entry else None

    def to_json(self) -> str:
        """Return it as JSON, the same for the same survey."""
        content = {
            "format": FORMAT,
            "made_at": self.made_at,
            "command": self.command,
            "took_s": self.took_s,
            "versions": dict(self.versions),
            "broker": dict(self.broker),
            "machine": dict(self.machine),
            "words": {word.value: meaning for word, meaning in MEANINGS.items()},
            "pools": list(self.pools),
            "rows": [
                {
                    "name": entry.name,
                    "title": entry.title,
                    "question": entry.question,
                    "expected": entry.expected,
                    "pools": {pool: _content(one) for pool, one in entry.verdicts.items()},
                }
                for entry in self.entries
            ],
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_survey(path: Path) -> Survey:
    """Return the survey in a JSON file.

    Raises:
        UsageError: if it can't be read, or is no survey of this format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, problem="no readable JSON file") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or "rows" not in content:
        raise _unreadable(path, problem=f"no survey of format {FORMAT}")
    try:
        return _survey(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, problem="a survey with parts missing or wrong") from error


def _survey(content: dict[str, Any]) -> Survey:
    names = ("made_at", "command", "took_s", "versions", "broker", "machine")
    return Survey(
        **{name: content[name] for name in names},
        pools=tuple(content["pools"]),
        entries=tuple(
            Entry(
                **{name: row[name] for name in ("name", "title", "question", "expected")},
                verdicts={pool: _verdict(one) for pool, one in row["pools"].items()},
            )
            for row in content["rows"]
        ),
    )


def _content(verdict: Verdict) -> dict[str, Any]:
    return {**asdict(verdict.finding), "outcomes": dict(verdict.outcomes)}


def _verdict(content: dict[str, Any]) -> Verdict:
    finding = Finding(
        outcome=Outcome(content["outcome"]),
        seen=content["seen"],
        evidence=tuple(content["evidence"]),
    )
    # a file without counts is of one try each
    outcomes = content.get("outcomes", {finding.outcome: 1})
    return Verdict(
        finding=finding, outcomes={Outcome(word): count for word, count in outcomes.items()}
    )


def _unreadable(path: Path, *, problem: str) -> UsageError:
    remedy = "make one by `poolbench conformance --json`"
    return UsageError(Fault(problem=problem, seen=str(path), remedy=remedy))
