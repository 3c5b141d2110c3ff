"""The check of how workers ended, which comes after every row's own judge."""

from __future__ import annotations

import signal

import pytest

from lab.conformance.finding import Finding, not_tried
from lab.conformance.worker_exit import WorkerExit, judge_exits
from tests.conformance import BREAKS, IGNORED, WORKS, finding

UNRECOVERABLE = ("log: CRITICAL: Unrecoverable error: NotImplementedError()",)


def ended(
    exit_code: int | None, stop_signal: signal.Signals | None = None, *errors: str
) -> WorkerExit:
    """Return how a worker ended."""
    return WorkerExit(exit_code=exit_code, stop_signal=stop_signal, errors=errors)


@pytest.mark.parametrize("found", [finding(WORKS, "Fine."), finding(IGNORED, "It waited.")])
@pytest.mark.parametrize(
    "exit_",
    [
        ended(1, signal.SIGQUIT, *UNRECOVERABLE),
        ended(0, signal.SIGQUIT, *UNRECOVERABLE),
        ended(None, signal.SIGQUIT, *UNRECOVERABLE),
        ended(None, None, *UNRECOVERABLE),
        ended(1, signal.SIGTERM),
        ended(-9, signal.SIGQUIT),
        ended(-11),
        ended(0),
    ],
)
def test_a_worker_that_died_breaks_whatever_its_jobs_did(found: Finding, exit_: WorkerExit) -> None:
    """An error of its own, another exit code than asked for, or an end that nobody asked for."""
    judged = judge_exits(found, exits=[ended(None), exit_])

    assert judged.outcome is BREAKS
    assert judged.seen.startswith("The worker failed (")
    assert judged.seen.endswith(found.seen)
    assert set(exit_.errors) <= set(judged.evidence)


@pytest.mark.parametrize(
    "exit_",
    [
        ended(0, signal.SIGTERM),
        ended(0, signal.SIGQUIT),
        ended(1, signal.SIGQUIT),
        ended(None, signal.SIGTERM),
        ended(None),
    ],
)
def test_a_worker_that_ended_as_asked_or_was_killed_by_the_try_is_no_break(
    exit_: WorkerExit,
) -> None:
    """Celery announces exit code 1 for a cold shutdown; a hang is the row's own finding."""
    found = finding(WORKS, "Fine.", "jobs: 1 done")

    assert judge_exits(found, exits=[exit_]) == found


@pytest.mark.parametrize("found", [finding(BREAKS, "Jobs are lost."), not_tried("no such option")])
def test_a_break_and_a_reason_keep_their_own_words(found: Finding) -> None:
    """The row's sentence says more than that a worker died."""
    assert judge_exits(found, exits=[ended(1, None, *UNRECOVERABLE)]) == found


def test_evidence_that_the_row_shows_already_is_not_repeated() -> None:
    """A log line stands there once."""
    found = finding(IGNORED, "It waited.", "exit code: 1", *UNRECOVERABLE)

    judged = judge_exits(found, exits=[ended(1, signal.SIGQUIT, *UNRECOVERABLE)])

    assert judged.evidence == found.evidence
