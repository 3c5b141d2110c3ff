"""The stored lines of executions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from poolbench.recording import execution_lines
from poolbench.recording.events import (
    Event,
    Finished,
    Message,
    Pool,
    Queue,
    Received,
    Started,
    Verdict,
)
from poolbench.recording.execution_lines import ExecutionLines

POOL = Pool(pool_seen="celery.concurrency.prefork:TaskPool", worker="celery@host")


def _received(nonce: int, *, job_id: object = "a job", **members: Any) -> Received:
    unknown: list[Any] = [None] * (len(Received._fields) - 4)
    return Received(nonce, 1, "shop.mail", job_id, *unknown)._replace(**members)


def _started(nonce: int) -> Started:
    return Started(nonce, 2, 7, 99, 8, False, True, 4_096)


def _finished(nonce: int) -> Finished:
    return Finished(nonce, 3, 7, "SUCCESS", 1_000, None, None, None, 8_192, 0)


def _verdict(execution: int | str, outcome: str = "failed") -> Verdict:
    return Verdict(execution, 4, outcome, "KeyError")


def _lines(lines: ExecutionLines, *events: Event) -> list[dict[str, Any]]:
    found = [lines.of(event) for event in events]
    assert all(moment.value == json.loads(line)["m"] for moment, line in filter(None, found))
    return [json.loads(one[1]) for one in found if one is not None]


@pytest.fixture
def lines() -> ExecutionLines:
    """Those of a worker whose pool is known."""
    found = ExecutionLines(contender="celery")
    assert _lines(found, POOL) == []
    return found


def test_the_lines_of_one_execution_belong_together(lines: ExecutionLines) -> None:
    """They have one nonce and the keyed hash of the job's id."""
    found = _lines(lines, _received(5), _started(5), _verdict(5), _finished(5))
    assert [line["m"] for line in found] == ["received", "started", "verdict", "finished"]
    assert {line["nonce"] for line in found} == {"0000000000000005"}
    (digest,) = {line["task_id"] for line in found}
    assert len(digest) == 16
    assert {line["kind"] for line in found} == {"shop.mail"}
    assert found[1]["slot"] == "7-99"
    assert (found[1]["rss_before_bytes"], found[3]["rss_after_bytes"]) == (4_096, 8_192)


def test_ids_are_hashed_with_a_key_of_the_session(lines: ExecutionLines) -> None:
    """The hashes of one session agree, and those of two have nothing in common."""
    (first,) = _lines(lines, _received(1, root_id="a job", parent_id="another"))
    (second,) = _lines(lines, _received(2, job_id="another"))
    assert first["root_id"] == first["task_id"]
    assert first["parent_id"] == second["task_id"]
    (other,) = _lines(ExecutionLines(contender="celery"), _received(1))
    assert other["task_id"] != first["task_id"]


def test_a_queue_is_named_by_its_route_or_as_the_only_one(lines: ExecutionLines) -> None:
    """The route that a message came by is not stored."""
    _lines(lines, Queue(("", "mail"), "mail"), Queue(None, "all others"))
    found = _lines(
        lines,
        _received(1, exchange="", routing_key="mail"),
        _received(2, exchange="x", routing_key="y"),
    )
    assert [line["queue"] for line in found] == ["mail", "all others"]
    assert "routing_key" not in found[0]


@pytest.mark.parametrize("value", [-1, 2**63, "7", True, 1.5, [1]])
def test_a_header_that_is_no_count_becomes_null(lines: ExecutionLines, value: object) -> None:
    """Any program may publish a message."""
    (found,) = _lines(lines, _received(1, priority=value, published_ns=value))
    assert (found["priority"], found["published_ns"]) == (None, None)


def test_a_verdict_on_an_id_is_about_its_last_execution(lines: ExecutionLines) -> None:
    """Celery reports a hard time limit without the request."""
    _lines(lines, _received(1), _received(2))
    (found,) = _lines(lines, _verdict("a job"))
    assert found["nonce"] == "0000000000000002"
    assert _lines(lines, _verdict("another")) == []


def test_a_message_that_was_not_received_has_a_verdict_alone(lines: ExecutionLines) -> None:
    """It was revoked, or no valid job."""
    (found,) = _lines(lines, Message(3, "shop.mail", "id", 1), _verdict(3, "revoked"))
    assert (found["m"], found["attempt"], found["outcome"]) == ("verdict", 1, "revoked")


def test_an_execution_may_end_twice(lines: ExecutionLines) -> None:
    """Prefork runs a message again whose slot was killed early."""
    found = _lines(
        lines, _received(1), _started(1), _finished(1), _started(1), _finished(1), _verdict(1)
    )
    assert len(found) == 6


def test_what_is_remembered_is_bounded(
    lines: ExecutionLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorder may run for weeks; of a forgotten execution nothing more is stored."""
    monkeypatch.setattr(execution_lines, "MOST_ENDED", 2)
    monkeypatch.setattr(execution_lines, "MOST_OPEN", 3)
    for nonce in range(10):
        _lines(lines, _received(nonce), _finished(nonce))
    assert len(_lines(lines, *(_finished(nonce) for nonce in range(10)))) == 2
    for nonce in range(10, 30):
        _lines(lines, _received(nonce))
    assert len(_lines(lines, *(_started(nonce) for nonce in range(30)))) == 5
