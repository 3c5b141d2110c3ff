"""What the tests of the conformance survey share: stamps in short form, and a survey."""

from __future__ import annotations

from typing import Any

from lab.conformance.finding import Finding, Outcome
from lab.conformance.promises import PROMISES
from lab.conformance.stamps import Stamp, Stamps
from lab.conformance.survey import Survey, SurveyRow, judge_tries

WORKS, IGNORED, BREAKS = Outcome.WORKS, Outcome.IGNORED, Outcome.BREAKS


def stamps(*moments: str, pids: dict[str, int] | None = None, **facts: Any) -> Stamps:
    """Return stamps written as ``label moment seconds``.

    A moment that starts with a capital is the error of an interruption; ``facts`` go to each
    stamp of a finish.
    """
    return Stamps(tuple(_stamp(words.split(), pids=pids or {}, facts=facts) for words in moments))


def finding(outcome: Outcome, seen: str = "", *evidence: str) -> Finding:
    """Return a finding."""
    return Finding(outcome=outcome, seen=seen, evidence=evidence)


def survey(**changes: Any) -> Survey:
    """Return a survey of two promises and three pools."""
    soft_limit = row(
        PROMISES[0].name,
        prefork=finding(WORKS, "Told.", "stamps: long Oh 1.0 s"),
        threads=finding(IGNORED),
        gevent=finding(IGNORED),
    )
    hard_limit = row(
        PROMISES[1].name,
        prefork=finding(WORKS, "Ended."),
        threads=finding(IGNORED),
        gevent=finding(BREAKS, "Died.", "exit code: 1"),
    )
    plain: dict[str, Any] = {
        "made_at": "2026-03-04T05:06:07+00:00",
        "command": "poolbench conformance --write docs/pools.md",
        "took_s": 98.4,
        "versions": {"python": "3.14.0", "celery": "5.7.0"},
        "broker": {"server": "valkey", "version": "9.1.2", "origin": "embedded"},
        "machine": {"os": "Linux 6", "architecture": "x86_64", "cores": 2},
        "pools": ("prefork", "threads", "gevent"),
        "rows": (soft_limit, hard_limit),
    }
    return Survey(**{**plain, **changes})


def row(name: str, **findings: Finding | list[Finding]) -> SurveyRow:
    """Return a promise's row with these findings by pool, of one try or of several."""
    promise = next(one for one in PROMISES if one.name == name)
    return SurveyRow(
        name=promise.name,
        title=promise.title,
        question=promise.question,
        expected=promise.expected,
        pools={
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
        **said,
    )
