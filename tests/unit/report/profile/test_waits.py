"""Waits of recorded jobs have the causes that their worker shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from report.profile.waits import waits_by_task
from report.trials.wait_causes import Cause
from tests.recordings import RecordedApp, RecordedJob
from tests.unit.report.profile.conftest import Record

CALL = RecordedJob(task="call", at_s=0.0, states={"io_wait": 2.0})


def test_a_job_behind_busy_slots_waits_for_a_slot(record: Record) -> None:
    """The second job of one slot waits as long as the first one runs."""
    waits = waits_by_task(record([CALL, CALL], app=RecordedApp(slots=1)))["call"]

    assert waits.jobs == 2
    assert waits.causes[Cause.BUSY].share > 0.99
    assert waits.mean_s == pytest.approx(1.0, abs=0.01)


def test_jobs_that_no_worker_has_received_wait_in_the_queue(record: Record) -> None:
    """Without prefetching, a job waits in the broker until a slot is free."""
    waits = waits_by_task(record([CALL, CALL], app=RecordedApp(slots=1, prefetch_multiplier=1)))

    assert waits["call"].causes[Cause.QUEUE].share > 0.99


def test_countdowns_and_rate_limits_are_told_apart(record: Record) -> None:
    """Neither counts as a wait for slots; a task's rate limit is in its description."""
    app = RecordedApp(slots=4, tasks={"limited": {"rate_limit": "6/m"}})
    later = RecordedJob(task="later", at_s=0.0, states={"io_wait": 0.1}, countdown_s=3.0)
    waits = waits_by_task(record([later, replace(later, task="limited", countdown_s=0.0)], app=app))

    assert waits["later"].causes[Cause.COUNTDOWN].share > 0.99
    assert Cause.RATE_LIMIT in waits["limited"].causes
    assert sum(one.jobs for name, one in waits.items() if name) == waits[""].jobs == 2


def test_another_worker_with_a_free_slot_is_a_cause_while_it_runs(record: Record) -> None:
    """A job in a full worker waits for the wrong worker; one that has ended doesn't count."""
    busy = [CALL, CALL]
    record(busy, app=RecordedApp(slots=1))
    both = record([replace(CALL, at_s=0.5)], app=RecordedApp(slots=4, name="shop@web2"))
    early = replace(both.sessions[1], end_ns=both.sessions[1].begin_ns + 1)

    beside = waits_by_task(both)["call"].causes
    after = waits_by_task(replace(both, sessions=(both.sessions[0], early)))["call"].causes
    assert Cause.IDLE_WORKER in beside
    assert Cause.IDLE_WORKER not in after


def test_slots_that_changed_leave_the_cause_unknown(record: Record) -> None:
    """Under autoscale it isn't known whether a slot was idle."""
    app = RecordedApp(slots=1, worker={"slots": 4})
    waits = waits_by_task(record([CALL, CALL], app=app))["call"]

    assert waits.causes[Cause.UNKNOWN].share > 0.99
