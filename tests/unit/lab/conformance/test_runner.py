"""The order of tries, and the check of how workers ended, after every promise's own judge."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery import Celery

from lab.conformance import worker
from lab.conformance.finding import Finding, Outcome, not_tried
from lab.conformance.promises import PROMISES
from lab.conformance.runner import in_order, judge_death, judge_exits
from lab.conformance.worker import WorkerDiedError
from poolbench.pools import POOLS
from tests.conformance import BREAKS, IGNORED, WORKS, finding

Ended = Callable[..., worker.TestbedWorker]

TERM, QUIT = signal.SIGTERM, signal.SIGQUIT
NO_SHUTDOWN = "CRITICAL: Unrecoverable error: NotImplementedError()"


@pytest.fixture
def ended(tmp_path: Path) -> Ended:
    """Make a worker that ended like this, or runs, and whose log has these lines."""

    def make(
        exit_code: int | None, stop_signal: signal.Signals | None, *log: str
    ) -> worker.TestbedWorker:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.log"
        path.write_text("".join(f"{line}\n" for line in log), encoding="utf-8")
        child = SimpleNamespace(exit_code=exit_code, log=path)
        return worker.TestbedWorker(
            child=child,  # type: ignore[arg-type]  # it is a process
            slots=2,
            app=Celery(set_as_current=False),
            wait_until=lambda: False,
            stop_signal=stop_signal,
        )

    return make


def test_all_promises_are_tried_once_before_any_is_tried_again() -> None:
    """The slow ones first, so that the end of a survey does not wait for them."""
    count = len(PROMISES)

    tries = in_order(PROMISES, pools=[POOLS["solo"]], tries=3)
    rounds = [tries[start : start + count] for start in range(0, len(tries), count)]

    assert [{promise for promise, _ in one} for one in rounds] == [set(PROMISES)] * 3
    assert [one[0][0].name for one in rounds] == ["redelivery"] * 3


@pytest.mark.parametrize("found", [finding(WORKS, "Fine."), finding(IGNORED, "It waited.")])
@pytest.mark.parametrize(
    ("exit_code", "stop_signal", "log"),
    [
        (1, QUIT, [NO_SHUTDOWN]),
        (0, QUIT, [NO_SHUTDOWN]),
        (None, QUIT, [NO_SHUTDOWN]),
        (None, None, [NO_SHUTDOWN]),
        (1, TERM, []),
        (-9, QUIT, []),
        (-11, None, []),
        (0, None, []),
    ],
)
def test_a_worker_that_died_breaks_whatever_its_jobs_did(
    ended: Ended,
    found: Finding,
    exit_code: int | None,
    stop_signal: signal.Signals | None,
    log: list[str],
) -> None:
    """An error of its own, another exit code than asked for, or an end that nobody asked for."""
    workers = [ended(None, None), ended(exit_code, stop_signal, *log)]

    judged = judge_exits(found, workers=workers)

    assert judged.outcome is BREAKS
    assert judged.seen.startswith("The worker failed (")
    assert judged.seen.endswith(found.seen)
    assert judged.evidence == (*found.evidence, *(f"log: {line}" for line in log))


@pytest.mark.parametrize(
    ("exit_code", "stop_signal"),
    [(0, TERM), (0, QUIT), (1, QUIT), (None, TERM), (None, None)],
)
def test_a_worker_that_ended_as_asked_or_was_killed_by_the_try_is_no_break(
    ended: Ended, exit_code: int | None, stop_signal: signal.Signals | None
) -> None:
    """Celery announces exit code 1 for a cold shutdown; a hang is the row's own finding."""
    found = finding(WORKS, "Fine.", "jobs: 1 done")

    one = ended(exit_code, stop_signal, "CRITICAL: Couldn't ack")

    assert judge_exits(found, workers=[one]) == found


def test_a_break_or_a_reason_and_its_evidence_stay_as_they_are(ended: Ended) -> None:
    """The row's sentence says more than that a worker died; a log line stands there once."""
    died = [ended(1, QUIT, NO_SHUTDOWN)]

    for found in (finding(BREAKS, "Jobs are lost."), not_tried("no such option")):
        assert judge_exits(found, workers=died) == found
    shown = finding(IGNORED, "It waited.", "exit code: 1", f"log: {NO_SHUTDOWN}")
    assert judge_exits(shown, workers=died).evidence == shown.evidence


@pytest.mark.parametrize(
    ("line", "exit_code", "outcome", "seen"),
    [
        ("CRITICAL: no grow", 1, Outcome.BREAKS, "The worker died, with exit code 1."),
        ("Error: No such option: --x", 2, Outcome.NOT_TRIED, "has no such option: Error: No such"),
    ],
)
def test_a_worker_that_dies_breaks_unless_it_lacks_the_option(
    ended: Ended, line: str, exit_code: int, outcome: Outcome, seen: str
) -> None:
    """An option that this Celery does not have is no verdict on a pool."""
    found = judge_death(WorkerDiedError(ended(exit_code, None, line)))

    assert found.outcome is outcome
    assert seen in found.seen
