"""What the lines of an execution mean, case by case, and that their order never matters."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from collector.fold import Folding, fold, fold_parts, gather, settle
from collector.schema import LINE_SCHEMA, RECORD_SCHEMA
from poolbench.records import RECORD_COLUMNS

Line = dict[str, Any]


def line(moment: str, t_ns: int = 1, *, nonce: str = "a", seq: int = 0, **more: Any) -> Line:
    """Return a line as the probe writes it, short of what a test doesn't look at."""
    return {"v": 1, "m": moment, "t_ns": t_ns, "nonce": nonce, "trial": 0, "seq": seq, **more}


def table(*lines: Line) -> pl.DataFrame:
    """Return lines as ingest stores them."""
    return pl.DataFrame(lines, schema=LINE_SCHEMA)


def finished(state: str | None, t_ns: int = 30, **more: Any) -> Line:
    """Return the end of an execution in a state of Celery's."""
    return line("finished", t_ns, state=state, **more)


def verdict(outcome: str, error: str = "") -> Line:
    """Return Celery's own word on an execution."""
    return line("verdict", 40, outcome=outcome, error=error or None)


def outcome_of(*lines: Line, is_over: bool = True) -> str | None:
    """Return the outcome of the one execution that the lines are of."""
    records = settle(gather(table(*lines)), is_over=is_over)
    assert records.height == 1
    outcome: str | None = records["outcome"][0]
    return outcome


RECEIVED, STARTED = line("received", 10), line("started", 20)
TIMED_OUT = verdict("timed-out", "TimeLimitExceeded(1)")
LOST = verdict("lost-worker", "WorkerLostError()")


def begun(*lines: Line) -> list[Line]:
    """Return the lines of an execution that started, with these behind."""
    return [RECEIVED, STARTED, *lines]


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        pytest.param(begun(finished("SUCCESS")), "done", id="success"),
        pytest.param(begun(finished("FAILURE"), verdict("failed")), "failed", id="failure"),
        pytest.param(begun(finished("FAILURE"), TIMED_OUT), "timed-out", id="soft-limit"),
        pytest.param(begun(finished("RETRY"), verdict("retried")), "retried", id="retry"),
        pytest.param(begun(finished("IGNORED")), "ignored", id="ignored"),
        pytest.param(begun(finished("REJECTED"), verdict("failed")), "rejected", id="reject"),
        pytest.param(begun(finished("REVOKED")), "revoked", id="revoked-in-the-slot"),
        pytest.param(begun(finished(None), TIMED_OUT, TIMED_OUT), "timed-out", id="prefork-limit"),
        pytest.param(begun(finished(None), TIMED_OUT), "timed-out", id="gevent-limit"),
        pytest.param(begun(TIMED_OUT, LOST), "timed-out", id="the-limit-killed-the-child"),
        pytest.param(begun(LOST), "lost-worker", id="killed-child"),
        pytest.param(begun(LOST, verdict("failed")), "lost-worker", id="killed-child-told-failed"),
        pytest.param(begun(), "lost-worker", id="killed-worker-or-reject-on-worker-lost"),
        pytest.param(begun(finished(None)), "lost-worker", id="slot-left-without-a-word"),
        pytest.param(begun(finished("PENDING")), "lost-worker", id="a-state-that-is-no-end"),
        pytest.param(begun(finished(None), LOST), "lost-worker", id="lost-beats-no-state"),
        pytest.param(begun(finished("SUCCESS"), TIMED_OUT), "done", id="done-at-the-limit"),
        pytest.param(begun(finished("SUCCESS"), LOST), "done", id="done-and-then-killed"),
        pytest.param(begun(verdict("revoked"), LOST), "revoked", id="terminated"),
        pytest.param(begun(verdict("no-such-outcome")), "lost-worker", id="unknown-verdict"),
        pytest.param(begun(finished(None), verdict("failed")), "failed", id="failed-stateless"),
        pytest.param([RECEIVED], None, id="prefetched-and-never-begun"),
        pytest.param([RECEIVED, verdict("revoked")], "revoked", id="revoked-while-it-waited"),
        pytest.param([verdict("expired")], "expired", id="expired-before-it-was-received"),
        pytest.param([finished("SUCCESS")], "done", id="earlier-lines-are-missing"),
    ],
)
def test_outcome_of_an_execution(lines: list[Line], outcome: str | None) -> None:
    """The slot's own state, then Celery's strongest word, then silence: lost if a slot began it."""
    assert outcome_of(*lines) == outcome


@pytest.mark.parametrize("ends", [[], [finished(None)]], ids=["running", "verdict-on-its-way"])
def test_running_execution_has_no_outcome_until_the_trial_is_over(ends: list[Line]) -> None:
    """Only who knows that no line will come may call an execution lost."""
    assert outcome_of(*begun(*ends), is_over=False) is None
    assert outcome_of(*begun(*ends), is_over=True) == "lost-worker"


def test_record_holds_what_each_moment_knows() -> None:
    """Identity from any line, stamps by moment, the slot's evidence from the slot alone."""
    lines = table(
        line("received", 10, due_ns=5, sent_ns=6, pid=1, host="consumer", kind="io.sleep"),
        line("started", 20, pid=2, host="slot", boot_id="b", gil_enabled=True),
        line("finished", 30, state="SUCCESS", cpu_ns=7, work_ns=8, blocked_ns=9),
        line("verdict", 40, outcome="failed", error="late nonsense", pid=1),
    )

    (record,) = fold(lines).to_dicts()

    expected = {
        "due_ns": 5, "sent_ns": 6, "received_ns": 10, "started_ns": 20, "finished_ns": 30,
        "outcome": "done", "error": None, "kind": "io.sleep", "pid": 2, "host": "slot",
        "boot_id": "b", "gil_enabled": True, "cpu_ns": 7, "work_ns": 8,
        "blocked_ns": 9,
    }  # fmt: skip
    assert {name: record[name] for name in expected} == expected


def test_error_is_the_one_of_the_verdict_that_won() -> None:
    """Among several words of Celery's, the text fits the outcome."""
    records = fold(table(RECEIVED, STARTED, LOST, TIMED_OUT, verdict("failed", "zzz")))

    assert records["error"].to_list() == ["TimeLimitExceeded(1)"]


def test_a_second_end_of_a_nonce_is_kept_beside_the_first() -> None:
    """Prefork may run a message again under its nonce; a line stored twice is no second end."""
    first, late = finished("SUCCESS", 30, cpu_ns=3), finished("FAILURE", 99, cpu_ns=9)

    (record,) = fold(table(late, RECEIVED, STARTED, first)).to_dicts()
    (once,) = fold(table(first, first)).to_dicts()

    assert (record["outcome"], record["finished_ns"], record["cpu_ns"]) == ("done", 30, 3)
    assert (record["finished_again_ns"], once["finished_again_ns"]) == (99, None)


def test_a_published_message_is_no_part_of_its_publishers_record() -> None:
    """Its line has the publisher's nonce, and another message's kind and id."""
    published = line("published", 25, kind="mail", task_id="child", attempt=0)
    execution = begun(finished("SUCCESS", kind="order", task_id="job", attempt=1))
    assert_frame_equal(fold(table(*execution, published)), fold(table(*execution)))


def test_redelivery_is_a_record_of_its_own() -> None:
    """A job that ran twice has two nonces, and both executions are kept."""
    again = [line(moment, 50, nonce="b", state="SUCCESS") for moment in ("received", "finished")]

    records = fold(table(RECEIVED, STARTED, finished("SUCCESS"), *again))

    assert records["nonce"].to_list() == ["a", "b"]
    assert records["outcome"].to_list() == ["done", "done"]


def test_records_have_the_contracts_columns_and_order() -> None:
    """Of no lines or some: the same columns, sorted by trial, seq, attempt, reception, nonce."""
    lines = [line("received", t_ns, nonce=n, seq=s) for t_ns, n, s in [(2, "b", 1), (1, "c", 1)]]
    lines += [line("received", 9, nonce="a", seq=0), line("received", 0, nonce="z", trial=1)]

    records = fold(table(*lines))

    assert fold(table()).schema == records.schema == RECORD_SCHEMA
    assert records.columns == list(RECORD_COLUMNS)
    assert records["nonce"].to_list() == ["a", "c", "b", "z"]


@st.composite
def executions(draw: st.DrawFn) -> list[Line]:
    """Draw the lines of some executions, each with any of the moments it may have."""
    lines: list[Line] = []
    for number in range(draw(st.integers(0, 5))):
        who: Line = {"nonce": f"n{number}", "seq": number % 3, "run": "r", "contender": "c"}
        moments = draw(st.sets(st.sampled_from(["received", "started", "finished"])))
        for at, moment in enumerate(sorted(moments)):
            state = draw(st.sampled_from(["SUCCESS", "FAILURE", "RETRY", None]))
            lines.append(line(moment, 100 * number + at, **who, state=state, pid=number))
        words = draw(st.lists(st.sampled_from(["failed", "timed-out", "lost-worker"]), max_size=2))
        lines += [line("verdict", 7, **who, outcome=word, error=word) for word in words]
    return lines


@settings(max_examples=60, deadline=None)
@given(data=st.data(), lines=executions())
def test_neither_order_nor_repetition_matters(data: st.DataObject, lines: list[Line]) -> None:
    """Parts may come in any order and a line may be stored twice: the records are the same."""
    repeated = data.draw(st.lists(st.sampled_from(lines), max_size=5)) if lines else []
    shuffled = data.draw(st.permutations(lines + repeated))

    records = fold(table(*shuffled))

    assert_frame_equal(records, fold(table(*lines)))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), lines=executions())
def test_folding_part_by_part_is_folding_at_once(data: st.DataObject, lines: list[Line]) -> None:
    """Wherever a live run's parts are cut, the records are the same; a part read twice is one."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=4)))
    parts = [
        table(*lines[start:end]) for start, end in zip([0, *cuts], [*cuts, len(lines)], strict=True)
    ]
    folding = Folding()
    for part in parts:
        folding.add(part)

    live = folding.records(columns=RECORD_COLUMNS)

    at_once = fold(table(*lines))
    assert live.height == at_once.height
    assert_frame_equal(folding.close(), at_once)
    assert_frame_equal(fold_parts(iter(parts)), at_once)
    assert_frame_equal(fold_parts(iter(parts * 2)), at_once)


def test_many_parts_are_kept_together() -> None:
    """A long live run doesn't end as thousands of small pieces."""
    folding = Folding()
    for number in range(200):
        who = {"nonce": f"n{number}", "seq": number}
        folding.add(table(*({**one, **who} for one in begun(finished("SUCCESS")))))

    assert len(folding._whole) < 100
    assert folding.close()["seq"].to_list() == list(range(200))
