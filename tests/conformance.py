"""What the tests of the conformance survey share: stories in short, and a survey made by hand."""

from __future__ import annotations

from typing import Any

from lab.conformance.finding import Finding, breaks, ignored, works
from lab.conformance.promises import ROWS
from lab.conformance.stamps import Stamp, Story
from lab.conformance.survey import Entry, Survey
from lab.conformance.verdict import judge_tries


def story(*moments: str, pids: dict[str, int] | None = None, **facts: Any) -> Story:
    """Return a story of stamps written as ``label moment seconds``.

    A moment that starts with a capital is the error of an interruption; ``facts`` go to each
    stamp of a finish.
    """
    return Story(tuple(_stamp(words.split(), pids=pids or {}, facts=facts) for words in moments))


def survey(**changes: Any) -> Survey:
    """Return a survey of two rows and three pools."""
    first, second, *_ = ROWS
    plain: dict[str, Any] = {
        "made_at": "2026-03-04T05:06:07+00:00",
        "command": "poolbench conformance --write docs/pools.md",
        "took_s": 98.4,
        "versions": {"python": "3.14.0", "celery": "5.7.0"},
        "broker": {"server": "valkey", "version": "9.1.2", "origin": "embedded"},
        "machine": {"os": "Linux 6", "architecture": "x86_64", "cores": 2},
        "pools": ("prefork", "threads", "gevent"),
        "entries": (
            entry(first.name, prefork=works("Told.", "stamps: long Oh 1.0 s"), threads=ignored("")),
            entry(second.name, prefork=works("Ended."), gevent=breaks("Died.", "exit code: 1")),
        ),
    }
    return Survey(**{**plain, **changes})


def entry(name: str, **findings: Finding | list[Finding]) -> Entry:
    """Return a row's entry with these findings by pool, of one try or of several."""
    row = next(row for row in ROWS if row.name == name)
    return Entry(
        name=row.name,
        title=row.title,
        question=row.question,
        expected=row.expected,
        verdicts={
            pool: judge_tries(found if isinstance(found, list) else [found])
            for pool, found in findings.items()
        },
    )


def _stamp(words: list[str], *, pids: dict[str, int], facts: dict[str, Any]) -> Stamp:
    label, moment, seconds = words
    said: dict[str, Any] = facts if moment == "finished" else {}
    if moment[0].isupper():
        moment, said = "interrupted", {"error": moment}
    return Stamp(
        label=label,
        moment=moment,
        t_ns=round(float(seconds) * 1e9),
        pid=pids.get(label, 1),
        thread=1,
        facts=said,
    )
