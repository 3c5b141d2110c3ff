"""Ends of a worker: what becomes of the jobs that run, and of those that it had fetched."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

from lab.conformance.finding import Finding, breaks, ignored, works
from lab.conformance.job_fates import Account
from lab.conformance.promise import Row
from lab.conformance.stamps import Story
from lab.conformance.testbed import Bed
from lab.conformance.worker import BedWorker

#: How long jobs run, seconds: a short one and a long one.
SHORT_S, LONG_S = 3.0, 12.0

#: How long a worker may take to end, beside what it may wait for, seconds.
END_WITHIN_S = 12.0

#: The time that a soft shutdown gives to jobs, seconds: a job that begins when a short one ends
#: can't finish within it.
SOFT_TIMEOUT_S = 5.0

#: How long jobs have run when the signal comes, seconds. Celery hears of a start a moment later;
#: what it does with a job between the two is chance, on prefork too.
SETTLED_S = 0.5

#: Jobs that a worker has fetched and not begun, and how long it may take to fetch them, seconds;
#: solo fetches none while it runs one.
WAITING = 4
FETCHED_WITHIN_S = 1.0

#: The same job with early acknowledgement, Celery's own default, and with acks_late.
EARLY, LATE = "wait", "wait_late"

#: What a worker says when its shutdown goes wrong.
_TROUBLE = r"^(CRITICAL|ERROR)|^[\w.]*Error\b|^[\w.]*Error:|not implement"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a worker ended."""

    #: None if it had to be killed.
    exit_code: int | None
    #: When the signal was sent: a wall clock, as stamps have it.
    signalled_ns: int
    #: From the signal on, seconds.
    took_s: float
    story: Story
    account: Account
    #: What Celery stored as the state of jobs that are lost.
    states: tuple[str, ...]
    log: tuple[str, ...]

    @property
    def begun_late(self) -> tuple[str, ...]:
        """Return the jobs that began after the signal."""
        return tuple(
            one.label
            for one in self.story.stamps
            if one.moment == "started" and one.t_ns > self.signalled_ns
        )

    def tell(self) -> tuple[str, ...]:
        """Return it as evidence."""
        late = self.begun_late
        begun = (f"{len(late)} job(s) began after the signal: {', '.join(late)}",) if late else ()
        code = "none: it had to be killed" if self.exit_code is None else self.exit_code
        return (
            self.account.tell(),
            self.story.tell(),
            *begun,
            f"exit code: {code}, {self.took_s:.0f} s after the signal",
            *(f"state stored of {state}" for state in self.states),
            *self.log,
        )


def _end(bed: Bed, worker: BedWorker, *, number: signal.Signals, within_s: float) -> End:
    """Let the jobs run a moment, send the signal, wait for the end, and count."""
    bed.pause(SETTLED_S)
    signalled_ns, began_at_s = time.time_ns(), time.monotonic()
    worker.signal(number)
    exit_code = worker.end_within(within_s)
    took_s = time.monotonic() - began_at_s
    worker.kill()
    account = bed.account()
    return End(
        exit_code=exit_code,
        signalled_ns=signalled_ns,
        took_s=took_s,
        story=bed.story(),
        account=account,
        states=tuple(f"{label}: {bed.state(label) or 'none'}" for label in sorted(account.lost)),
        log=worker.log_lines(_TROUBLE),
    )


def _send_in_turn(bed: Bed, *, labels: str, count: int, seconds: float) -> list[str]:
    """Send jobs labelled ``labels-1`` and so on: one acknowledged early, one late, and so on."""
    return [
        bed.send(LATE if number % 2 else EARLY, label=f"{labels}-{number + 1}", seconds=seconds)
        for number in range(count)
    ]


def _let_wait(bed: Bed, *, seconds: float) -> None:
    """Send jobs that the worker fetches and has no slot for."""
    _send_in_turn(bed, labels="waiting", count=WAITING, seconds=seconds)
    bed.until(lambda: not bed.queued(), within_s=FETCHED_WITHIN_S)


def _try_warm_running(bed: Bed) -> Finding:
    with bed.worker() as worker:
        jobs = _send_in_turn(bed, labels="running", count=worker.slots, seconds=SHORT_S)
        worker.until(bed.has("started", *jobs), within_s=15)
        end = _end(bed, worker, number=signal.SIGTERM, within_s=SHORT_S + END_WITHIN_S)
        return judge_warm(end)


def _try_warm_prefetched(bed: Bed) -> Finding:
    with bed.worker() as worker:
        running = _send_in_turn(bed, labels="running", count=worker.slots, seconds=SHORT_S)
        worker.until(bed.has("started", *running), within_s=15)
        _let_wait(bed, seconds=0.2)
        end = _end(bed, worker, number=signal.SIGTERM, within_s=SHORT_S + END_WITHIN_S)
        return judge_warm(end)


def judge_warm(end: End) -> Finding:
    """Judge by whether each job was done or is in the queue again."""
    if end.exit_code is None:
        return breaks("The worker hung.", *end.tell())
    harm = _harm(end)
    if harm:
        return breaks(harm, *end.tell())
    if cut := {label for label in end.account.queued if end.story.of(label, moment="started")}:
        return breaks(f"{len(cut)} running job(s) were cut off and put back.", *end.tell())
    back = len(end.account.queued)
    what = f"; {back} that had not begun went back to the queue" if back else ""
    return works(f"Running jobs finished{what}.", *end.tell())


def _try_cold(bed: Bed) -> Finding:
    with bed.worker() as worker:
        jobs = bed.send_many(LATE, labels="running", count=worker.slots, seconds=LONG_S)
        worker.until(bed.has("started", *jobs), within_s=15)
        _let_wait(bed, seconds=LONG_S)
        end = _end(bed, worker, number=signal.SIGQUIT, within_s=LONG_S + END_WITHIN_S)
        return judge_cold(end)


def judge_cold(end: End) -> Finding:
    """Judge by whether running jobs were ended at once and all are in the queue again."""
    if end.exit_code is None:
        return breaks("The worker hung.", *end.tell())
    harm = _harm(end)
    if harm:
        return breaks(harm, *end.tell())
    if end.account.done:
        return ignored("It waited for the running jobs to finish.", *end.tell())
    if end.begun_late:
        return ignored("It began jobs after the signal.", *end.tell())
    return works("The running jobs were ended, and all jobs are in the queue again.", *end.tell())


def _try_soft(bed: Bed) -> Finding:
    with bed.worker(settings={"worker_soft_shutdown_timeout": SOFT_TIMEOUT_S}) as worker:
        short = bed.send(EARLY, label="short", seconds=SHORT_S)
        if worker.slots > 1:
            bed.send(LATE, label="long", seconds=LONG_S)
        worker.until(bed.has("started", *bed.sent), within_s=15)
        _let_wait(bed, seconds=LONG_S)
        within_s = LONG_S + SOFT_TIMEOUT_S + END_WITHIN_S
        end = _end(bed, worker, number=signal.SIGQUIT, within_s=within_s)
        return judge_soft(end, short=short)


def judge_soft(end: End, *, short: str) -> Finding:
    """Judge by whether the short job was done, and all others are in the queue again."""
    if end.exit_code is None:
        return breaks("The worker hung.", *end.tell())
    harm = _harm(end)
    if harm:
        return breaks(harm, *end.tell())
    if short not in end.account.done:
        return ignored("The short job was not given the time to finish.", *end.tell())
    if "long" in end.account.done:
        return ignored("It waited for the long job too.", *end.tell())
    if end.begun_late:
        return ignored("It began jobs after the signal.", *end.tell())
    return works("The short job finished; all others are in the queue again.", *end.tell())


def _harm(end: End) -> str:
    """Return what harm was done to jobs, in a sentence; empty if none."""
    account = end.account
    harms = []
    if account.lost:
        harms.append(f"{len(account.lost)} job(s) neither finished nor went back to the queue")
    if account.doubled:
        harms.append(f"{len(account.doubled)} finished job(s) will run again")
    if account.unacked:
        harms.append(
            f"{len(account.unacked)} job(s) are left in unacked until the visibility timeout"
        )
    return f"{'; '.join(harms)}." if harms else ""


WARM_RUNNING = Row(
    name="warm-shutdown-running",
    title="warm shutdown, jobs running",
    question=(
        f"SIGTERM {SETTLED_S} s after every slot began a job of {SHORT_S:.0f} s, by turns with "
        "early acknowledgement and with acks_late."
    ),
    expected="The jobs finish, then the worker ends with exit code 0.",
    attempt=_try_warm_running,
)
WARM_PREFETCHED = Row(
    name="warm-shutdown-prefetched",
    title="warm shutdown, jobs prefetched",
    question=(
        f"The same, while the worker holds {WAITING} fetched jobs that have not begun, of both "
        "acknowledgements too."
    ),
    expected="The running jobs finish; the fetched ones are run or are in the queue again.",
    attempt=_try_warm_prefetched,
)
COLD = Row(
    name="cold-shutdown",
    title="cold shutdown",
    question=(
        f"SIGQUIT {SETTLED_S} s after every slot began a job of {LONG_S:.0f} s with acks_late, "
        f"while the worker holds {WAITING} fetched jobs, by turns with early acknowledgement and "
        "with acks_late."
    ),
    expected=(
        "The running jobs are ended at once, no other begins, and all are in the queue again; the "
        "worker ends."
    ),
    attempt=_try_cold,
    lasts_s=15.0,
)
SOFT = Row(
    name="soft-shutdown",
    title="soft shutdown",
    question=(
        f"SIGQUIT with worker_soft_shutdown_timeout = {SOFT_TIMEOUT_S:.0f} s, {SETTLED_S} s after "
        f"one slot began a job of {SHORT_S:.0f} s and another, where there is one, a job of "
        f"{LONG_S:.0f} s with acks_late, while the worker holds {WAITING} fetched jobs, by turns "
        "with early acknowledgement and with acks_late."
    ),
    expected=(
        "The short job finishes, the long one is ended, no other begins, and all but the short one "
        "are in the queue again."
    ),
    attempt=_try_soft,
    lasts_s=15.0,
)
