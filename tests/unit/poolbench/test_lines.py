"""What the hand-built lines promise to whoever parses them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench import lines
from poolbench.evidence import Evidence
from poolbench.jobs import JobHeader
from poolbench.line_sorter import Sorter
from poolbench.records import LINE_COLUMNS, LINE_MAX_BYTES, Outcome, decode_line

HEADER = JobHeader(run="r-1", trial=2, seq=3, contender="c.4", due_ns=5, sent_ns=6)

IDENTITY = {
    "run": "r-1",
    "trial": 2,
    "seq": 3,
    "contender": "c.4",
    "kind": "cpu.primes",
    "task_id": "an id",
    "attempt": 1,
    "nonce": "0123456789abcdef",
    "due_ns": 5,
    "sent_ns": 6,
}


def _identity(header: JobHeader | None = HEADER, **other: Any) -> str:
    given_members: dict[str, Any] = {
        name: IDENTITY[name] for name in ("kind", "task_id", "attempt")
    }
    job = lines.job_members(header.as_dict()) if header else None
    job = job or lines.foreign_members(run="mine", contender="me")
    return lines.identity(job, **given_members | {"nonce": 0x0123456789ABCDEF} | other)


@pytest.mark.parametrize("part", [None, "long"])
def test_a_received_line_tells_which_job(part: str | None) -> None:
    """It has the job's identity, its moment, worker and countdown; the part of a mix's job."""
    identity = _identity(replace(HEADER, part=part))
    receipt: dict[str, Any] = {"worker": "me@here", "eta_ns": 9}
    line = decode_line(lines.received_line(identity, t_ns=7, **receipt))
    members = {"part": part} if part else {}
    assert line == {"v": 1, "m": "received", "t_ns": 7, **IDENTITY, **receipt, **members}
    assert line.keys() <= LINE_COLUMNS.keys()


def test_a_started_line_carries_the_evidence() -> None:
    """It adds who ran the job, in columns that a record has."""
    evidence = Evidence(pool_seen="celery.concurrency.solo:TaskPool").fragment()
    line = decode_line(lines.started_line(_identity(), t_ns=7, evidence=evidence))
    assert line.items() >= {"m": "started", "t_ns": 7, **IDENTITY}.items()
    assert line.keys() - IDENTITY.keys() == {
        *("v", "m", "t_ns", "host", "boot_id", "pid", "slot"),
        *("pool_seen", "sockets_patched", "gil_enabled"),
    }
    assert line.keys() <= LINE_COLUMNS.keys()


@pytest.mark.parametrize(("state", "cost_ns"), [("SUCCESS", 8), (None, None)])
def test_a_finished_line_tells_state_and_costs(state: str | None, cost_ns: int | None) -> None:
    """What is not known is null."""
    costs_ns = dict.fromkeys(("cpu_ns", "work_ns", "blocked_ns"), cost_ns)
    wire = lines.finished_line(_identity(), t_ns=7, pid=8, state=state, **costs_ns)
    costs = {"pid": 8, "state": state, **costs_ns}
    assert decode_line(wire) == {"v": 1, "m": "finished", "t_ns": 7, **IDENTITY, **costs}


def test_a_verdict_line_tells_outcome_and_error() -> None:
    """It carries Celery's word and the error's text."""
    wire = lines.verdict_line(_identity(), t_ns=7, outcome=Outcome.TIMED_OUT, error='so "slow"\n')
    word = {"outcome": "timed-out", "error": 'so "slow"\n'}
    assert decode_line(wire) == {"v": 1, "m": "verdict", "t_ns": 7, **IDENTITY, **word}


@pytest.mark.parametrize("kind", ["mail", '"nonce":"ffffffffffffffff'])
def test_a_published_line_has_the_message_and_the_nonce_of_its_publisher(kind: str) -> None:
    """The nonce is read from the publisher's members, whatever its kind is called."""
    nonce = lines.nonce_of(_identity(kind=kind))
    wire = lines.published_line(_identity(task_id="a child", nonce=nonce), t_ns=7)
    line = decode_line(wire)
    assert line == {"v": 1, "m": "published", "t_ns": 7, **IDENTITY, "task_id": "a child"}
    assert [run for run, _ in Sorter().sort(wire).entries] == ["r-1"]


def test_a_job_without_a_header_is_filed_where_the_worker_says() -> None:
    """It has a run, a trial and a contender, but no seq and no due time."""
    line = decode_line(lines.received_line(_identity(None), t_ns=7))
    found = {name: line[name] for name in ("run", "trial", "seq", "contender", "due_ns")}
    assert found == {"run": "mine", "trial": 0, "seq": None, "contender": "me", "due_ns": None}


@given(kind=st.text(), task_id=st.text(), error=st.text(), state=st.none() | st.text())
def test_any_text_makes_a_whole_short_line(
    kind: str, task_id: str, error: str, state: str | None
) -> None:
    """Whatever a job is called or says, its lines are one line each, short, and keep the nonce."""
    identity = _identity(kind=kind * 300, task_id=task_id * 300)
    for wire in (
        lines.received_line(identity, t_ns=2**63 - 1, worker=kind * 300, eta_ns=2**63 - 1),
        lines.verdict_line(identity, t_ns=2**63 - 1, outcome=Outcome.FAILED, error=error * 300),
        lines.finished_line(
            identity, t_ns=2**63 - 1, pid=1, state=state, cpu_ns=2**63 - 1, work_ns=0
        ),
    ):
        assert len(wire) < LINE_MAX_BYTES
        assert wire.index(b"\n") == len(wire) - 1
        assert decode_line(wire)["nonce"] == IDENTITY["nonce"]


@pytest.mark.parametrize("part", ['so "long"', 7, "", ["long"]])
def test_a_header_with_a_part_that_is_no_name_is_foreign(part: object) -> None:
    """It goes into a line unquoted, so nothing but a name is taken."""
    assert lines.job_members({**HEADER.as_dict(), "part": part}) is None
