"""The summary is read as the collector publishes it; anything else is one clear line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from poolbench.errors import StackError
from poolbench.summaries import Ledger, Percentiles
from producer.summary import parse_summary

PUBLISHED: dict[str, Any] = {
    "format": 1,
    "run": "r1",
    "state": "closed",
    "events": True,
    "overlapped_by": ["r0"],
    "trials": [
        {
            "trial": 0,
            "contender": "gevent",
            "pool": "gevent",
            "slots": 100,
            "kind": "io.http",
            "parameters": {"delay_ms": 50.0},
            "sent": 5,
            "ledger": {
                "sent": 5,
                "done": 3,
                "failed": 1,
                "retried": 2,
                "lost": 1,
                "duplicated": 0,
            },
            "throughput_per_s": 12.5,
            "wait_s": {"p50": 0.1, "p95": 0.2, "p99": 0.3},
            "execution_s": None,
            "lag_s": None,
            "mark": "!",
            "reasons": ["its ledger does not close"],
        }
    ],
}


def test_a_summary_is_read_whole() -> None:
    """Every figure that is printed comes from what was published."""
    summary = parse_summary(json.dumps(PUBLISHED))

    trial = summary.trial(0)
    assert trial is not None
    assert summary.state == "closed"
    assert trial.ledger == Ledger(sent=5, done=3, failed=1, retried=2, lost=1, duplicated=0)
    assert not trial.ledger.is_closed
    assert trial.wait_s == Percentiles(p50=0.1, p95=0.2, p99=0.3)
    assert trial.execution_s is None
    assert summary.trial(1) is None
    assert summary.raw == PUBLISHED


def test_more_than_is_known_is_no_fault() -> None:
    """A newer collector of the same format may say more."""
    more = {**PUBLISHED, "extra": 1}
    more["trials"] = [{**PUBLISHED["trials"][0], "peak_in_flight": 4}]
    more["trials"][0]["ledger"] = {**PUBLISHED["trials"][0]["ledger"], "revoked": 0}

    assert parse_summary(json.dumps(more)).trials == parse_summary(json.dumps(PUBLISHED)).trials


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"x"', "{}", '{"format": 1, "run": "r1"}', "\x00"]
)
def test_a_garbled_summary_is_a_stack_error(text: str) -> None:
    """What can't be read is said in one line."""
    with pytest.raises(StackError, match="summary can't be read"):
        parse_summary(text)


def test_another_format_is_said_with_both_numbers() -> None:
    """An old producer beside a new collector is told what to do."""
    with pytest.raises(StackError, match="publishes format 2, this producer reads 1"):
        parse_summary(json.dumps({**PUBLISHED, "format": 2}))
