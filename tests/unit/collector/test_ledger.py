"""The account of a trial: every job sent is done, failed or lost, and nothing is counted twice."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ledger import ledgers
from collector.schema import RECORD_SCHEMA, conform
from poolbench.records import FINAL_OUTCOMES, Outcome
from poolbench.summaries import Ledger


def records(*rows: tuple[int | str | None, ...], trial: int = 0) -> pl.DataFrame:
    """Return records of (seq, attempt, outcome), or of (seq, attempt, outcome, error)."""
    names = ("seq", "attempt", "outcome", "error")
    frame = pl.DataFrame(
        [dict(zip(names, row, strict=False)) for row in rows], infer_schema_length=None
    )
    return conform(frame.with_columns(trial=pl.lit(trial)), schema=RECORD_SCHEMA)


def ledger(**counts: int) -> Ledger:
    """Return a ledger, zero where nothing is said."""
    return Ledger(**counts)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([(0, 0, "done"), (1, 0, "failed")], {"done": 1, "failed": 1}, id="plain"),
        pytest.param([(0, 0, "retried"), (0, 1, "done")], {"done": 1, "retried": 1}, id="retry"),
        pytest.param([(0, 0, "done"), (0, 0, "done")], {"done": 1, "duplicated": 1}, id="twice"),
        pytest.param(
            [(0, 0, "failed"), (0, 0, "done")], {"done": 1, "duplicated": 1}, id="failed-and-done"
        ),
        pytest.param([(0, 0, "done"), (0, 1, "done")], {"done": 1}, id="another-attempt"),
        pytest.param([(0, 0, "lost-worker"), (0, 0, "done")], {"done": 1}, id="redelivered"),
        pytest.param([(0, 0, "lost-worker")], {}, id="lost"),
        pytest.param([(0, 0, "rejected")], {}, id="rejected-comes-again"),
        pytest.param([(0, 0, None)], {}, id="running"),
        pytest.param([(0, 0, "timed-out")], {"failed": 1}, id="timed-out"),
        pytest.param(
            [(0, 0, "revoked"), (1, 0, "expired")], {"failed": 1, "expired": 1}, id="never-ran"
        ),
        pytest.param(
            [(0, 0, "failed", "PlannedError: "), (1, 0, "failed", "ValueError: PlannedError")],
            {"failed": 1, "failed_as_planned": 1},
            id="planned",
        ),
        pytest.param(
            [(0, 0, "retried"), (0, 1, "expired")], {"retried": 1, "expired": 1}, id="late"
        ),
        pytest.param([(None, 0, "done")], {}, id="a-job-without-our-header"),
    ],
)
def test_account_of_two_jobs_sent(
    rows: list[tuple[int | str | None, ...]], expected: dict[str, int]
) -> None:
    """Each outcome lands in one column, and what is missing is lost."""
    ends = ("done", "failed", "failed_as_planned", "expired")
    lost = 2 - sum(expected.get(end, 0) for end in ends)

    found = ledgers(records(*rows), sent={0: 2})

    assert found == {0: ledger(sent=2, lost=lost, **expected)}


def test_an_execution_that_finished_again_ran_twice() -> None:
    """Prefork may run a message again under its first nonce: done once, and once too often."""
    twice = records((0, 0, "done")).with_columns(finished_again_ns=pl.lit(9, dtype=pl.Int64))

    assert ledgers(twice, sent={0: 1}) == {0: ledger(sent=1, done=1, duplicated=1)}


def test_ledger_closes_when_every_end_is_known() -> None:
    """Failed jobs close it too; a lost one, or one too many, doesn't, and isn't clipped to zero."""
    table = records((0, 0, "done"), (1, 0, "failed"))

    found = [ledgers(table, sent={0: count})[0] for count in (1, 2, 3)]

    assert [(one.is_closed, one.lost) for one in found] == [(False, -1), (True, 0), (False, 1)]


def test_every_trial_has_an_account() -> None:
    """A trial without records, and one that nobody said was sent, are in the answer."""
    table = pl.concat([records((0, 0, "done")), records((0, 0, "done"), trial=7)])

    found = ledgers(table, sent={0: 1, 3: 5})

    assert list(found) == [0, 3, 7]
    assert (found[3], found[7].lost) == (ledger(sent=5, lost=5), -1)
    assert ledgers(RECORD_SCHEMA.to_frame(), sent={0: 4}) == {0: ledger(sent=4, lost=4)}


_ROWS = st.tuples(
    st.integers(0, 4), st.integers(0, 2), st.sampled_from([*(o.value for o in Outcome), None])
)


@settings(max_examples=80, deadline=None)
@given(rows=st.lists(_ROWS, min_size=1, max_size=20))
def test_account_is_that_of_plain_counting(rows: list[tuple[int, int, str | None]]) -> None:
    """The vectorised account equals one counted job by job, and always adds up."""
    (found,) = ledgers(records(*rows), sent={0: 5}).values()

    assert found == _count_plainly(rows, sent=5)
    assert found.sent == found.done + found.failed + found.expired + found.lost


def _count_plainly(rows: list[tuple[int, int, str | None]], *, sent: int) -> Ledger:
    ends: dict[int, set[Any]] = {}
    finished: dict[tuple[int, int], int] = {}
    for seq, attempt, outcome in rows:
        ends.setdefault(seq, set()).add(outcome)
        if outcome in {"done", "failed", "timed-out"}:
            finished[seq, attempt] = finished.get((seq, attempt), 0) + 1
    done = sum("done" in found for found in ends.values())
    failing = FINAL_OUTCOMES - {Outcome.DONE, Outcome.EXPIRED}
    failed = sum("done" not in found and bool(found & failing) for found in ends.values())
    expired = sum(
        "expired" in found and not found & (failing | {"done"}) for found in ends.values()
    )
    return Ledger(
        sent=sent,
        done=done,
        failed=failed,
        expired=expired,
        retried=sum(outcome == "retried" for _, _, outcome in rows),
        lost=sent - done - failed - expired,
        duplicated=sum(count - 1 for count in finished.values()),
    )
