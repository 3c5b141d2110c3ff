"""Shutdowns of a worker: the fates of the jobs that run, and of those that it has fetched."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

from lab.conformance.finding import BREAKS, IGNORED, Case, Finding, judge
from lab.conformance.observation import Observation
from lab.conformance.promise import Promise
from lab.conformance.testbed import Testbed
from lab.conformance.worker import TestbedWorker

#: How long jobs run, seconds: a short one and a long one.
SHORT_S, LONG_S = 3.0, 12.0

#: The time that a soft shutdown gives to jobs, seconds: a job that starts when a short one ends
#: can't finish within it.
SOFT_TIMEOUT_S = 5.0

#: How long a worker may take to end, seconds: longer than all that it may wait for.
END_WITHIN_S = LONG_S + SOFT_TIMEOUT_S + 12.0

#: How long jobs have run when the signal is sent, seconds. Celery registers a start a moment later;
#: the fate of a job that has started and is not yet registered is random, on prefork too.
SETTLED_S = 0.5

#: Jobs that a worker has fetched and not started, and how long it may take to fetch them, seconds;
#: solo fetches none while it runs one.
WAITING = 4
FETCHED_WITHIN_S = 1.0

#: The same job with early acknowledgement, Celery's own default, and with acks_late.
EARLY, LATE = "wait", "wait_late"

#: Pattern of the worker's log lines about a failed shutdown.
_TROUBLE = r"^(CRITICAL|ERROR)|^[\w.]*Error\b|^[\w.]*Error:|not implement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown:
    """How a worker ended; its exit code is None if it had to be killed."""

    seen: Observation
    #: When the signal was sent, Unix ns.
    signalled_ns: int
    #: From the signal to the end, seconds.
    took_s: float

    def late_starts(self) -> list[str]:
        """Return the jobs that started after the signal."""
        stamps = [one for one in self.seen.stamps.all if one.t_ns > self.signalled_ns]
        return [one.label for one in stamps if one.moment == "started"]

    def judge(self, *cases: Case, works: str) -> Finding:
        """Return the finding: a worker that hung and harmed jobs come before ``cases``."""
        seen, fates, late = self.seen, self.seen.fates, self.late_starts()
        harm, is_hanging = fates.harm(), seen.exit_code is None
        evidence = [fates.describe(), seen.stamps.describe()]
        if late:
            evidence.append(f"{len(late)} job(s) started after the signal: {', '.join(late)}")
        code = "none: it had to be killed" if is_hanging else seen.exit_code
        evidence.append(f"exit code: {code}, {self.took_s:.0f} s after the signal")
        evidence += [f"state stored of {one}: {seen.state(one)}" for one in sorted(fates.lost)]
        return judge(
            (is_hanging, BREAKS, "The worker hung."),
            (bool(harm), BREAKS, f"It ended with {harm}."),
            *cases,
            works=works,
            evidence=(*evidence, *seen.log),
        )


def _shut_down(testbed: Testbed, worker: TestbedWorker, *, number: signal.Signals) -> Shutdown:
    """Send the signal a moment after the last start; return how the worker ended."""
    testbed.pause(SETTLED_S)
    signalled_ns, began_at_s = time.time_ns(), time.monotonic()
    worker.signal(number)
    testbed.until(worker.has_ended, within_s=END_WITHIN_S)
    took_s = time.monotonic() - began_at_s
    worker.kill()
    seen = testbed.observe(worker, _TROUBLE)
    return Shutdown(seen=seen, signalled_ns=signalled_ns, took_s=took_s)


def _send_in_turn(testbed: Testbed, *, labels: str, count: int, seconds: float) -> list[str]:
    """Send jobs with the labels ``labels-1`` and so on, in turn acknowledged early and late."""
    return [
        testbed.send(LATE if number % 2 else EARLY, label=f"{labels}-{number + 1}", seconds=seconds)
        for number in range(count)
    ]


def _let_wait(testbed: Testbed, *, seconds: float) -> None:
    """Send jobs that the worker fetches while it has no free slot."""
    _send_in_turn(testbed, labels="waiting", count=WAITING, seconds=seconds)
    testbed.until(lambda: not testbed.queued(), within_s=FETCHED_WITHIN_S)


@Promise(
    title="warm shutdown, jobs running",
    question=(
        f"SIGTERM {SETTLED_S} s after every slot started a job of {SHORT_S:.0f} s, in turn with "
        "early acknowledgement and with acks_late."
    ),
    expected="The jobs finish, then the worker ends with exit code 0.",
)
def warm_shutdown_running(testbed: Testbed) -> Finding:
    """Stop a worker while jobs run."""
    return _try_warm(testbed, has_waiting=False)


@Promise(
    title="warm shutdown, jobs prefetched",
    question=(
        f"The same, while the worker holds {WAITING} fetched jobs that have not started, in turn "
        "with both acknowledgements too."
    ),
    expected="The running jobs finish; the fetched ones are run or are in the queue again.",
)
def warm_shutdown_prefetched(testbed: Testbed) -> Finding:
    """Stop a worker while jobs run and others wait in it."""
    return _try_warm(testbed, has_waiting=True)


def _try_warm(testbed: Testbed, *, has_waiting: bool) -> Finding:
    with testbed.worker() as worker:
        jobs = _send_in_turn(testbed, labels="running", count=worker.slots, seconds=SHORT_S)
        worker.until(testbed.has("started", *jobs))
        if has_waiting:
            _let_wait(testbed, seconds=0.2)
        return judge_warm(_shut_down(testbed, worker, number=signal.SIGTERM))


def judge_warm(end: Shutdown) -> Finding:
    """Judge by whether each job was done or is in the queue again."""
    queued = end.seen.fates.queued
    cut = queued & end.seen.stamps.labels("started")
    back = f"; {len(queued)} that had not started are in the queue again" if queued else ""
    return end.judge(
        (bool(cut), BREAKS, f"{len(cut)} running job(s) were cut off and put back."),
        works=f"Running jobs finished{back}.",
    )


@Promise(
    title="cold shutdown",
    question=(
        f"SIGQUIT {SETTLED_S} s after every slot started a job of {LONG_S:.0f} s with acks_late, "
        f"while the worker holds {WAITING} fetched jobs, in turn with early acknowledgement and "
        "with acks_late."
    ),
    expected=(
        "The running jobs are ended at once, no other starts, and all are in the queue again; the "
        "worker ends."
    ),
    lasts_s=15.0,
)
def cold_shutdown(testbed: Testbed) -> Finding:
    """Stop a worker at once."""
    with testbed.worker() as worker:
        testbed.fill_slots(worker, labels="running", job=LATE, seconds=LONG_S)
        _let_wait(testbed, seconds=LONG_S)
        return judge_cold(_shut_down(testbed, worker, number=signal.SIGQUIT))


def judge_cold(end: Shutdown) -> Finding:
    """Judge by whether running jobs were ended at once and all are in the queue again."""
    waited = bool(end.seen.fates.done)
    return end.judge(
        (waited, IGNORED, "It waited for the running jobs to finish."),
        (bool(end.late_starts()), IGNORED, "It started jobs after the signal."),
        works="The running jobs were ended, and all jobs are in the queue again.",
    )


@Promise(
    title="soft shutdown",
    question=(
        f"SIGQUIT with worker_soft_shutdown_timeout = {SOFT_TIMEOUT_S:.0f} s, {SETTLED_S} s after "
        f"one slot started a job of {SHORT_S:.0f} s and another, where there is one, a job of "
        f"{LONG_S:.0f} s with acks_late, while the worker holds {WAITING} fetched jobs, in turn "
        "with early acknowledgement and with acks_late."
    ),
    expected=(
        "The short job finishes, the long one is ended, no other starts, and all but the short one "
        "are in the queue again."
    ),
    lasts_s=15.0,
)
def soft_shutdown(testbed: Testbed) -> Finding:
    """Stop a worker that gives its jobs some time."""
    with testbed.worker(settings={"worker_soft_shutdown_timeout": SOFT_TIMEOUT_S}) as worker:
        testbed.send(EARLY, label="short", seconds=SHORT_S)
        if worker.slots > 1:
            testbed.send(LATE, label="long", seconds=LONG_S)
        worker.until(testbed.has("started", *testbed.sent))
        _let_wait(testbed, seconds=LONG_S)
        return judge_soft(_shut_down(testbed, worker, number=signal.SIGQUIT))


def judge_soft(end: Shutdown) -> Finding:
    """Judge by whether the short job was done, and all others are in the queue again."""
    done = end.seen.fates.done
    return end.judge(
        ("short" not in done, IGNORED, "The short job got no time to finish."),
        ("long" in done, IGNORED, "It waited for the long job too."),
        (bool(end.late_starts()), IGNORED, "It started jobs after the signal."),
        works="The short job finished; all others are in the queue again.",
    )
