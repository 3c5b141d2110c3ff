"""The broker's part: jobs of a dead worker that come again, and a broker that goes away."""

from __future__ import annotations

import time

from lab.conformance.finding import Finding, breaks, works
from lab.conformance.job_fates import Account
from lab.conformance.promise import Row
from lab.conformance.stamps import Story
from lab.conformance.testbed import Bed
from lab.conformance.worker import BedWorker

#: The visibility timeout, seconds, and when a job must have come. kombu up to 5.6 looks for such
#: jobs only every 100 s, whatever it is told.
VISIBLE_AFTER_S = 3
COMES_WITHIN_S = 120.0

#: How long jobs run, and how much longer the broker is away, so that all see it gone, seconds.
RUNNING_S = 3.0
AWAY_S = 4.0

#: Jobs that the worker has fetched when the broker goes, and those sent when it is back.
FETCHED, FRESH = 4, 3

#: How long a worker may take until everything was run after a restart, seconds.
RECOVERS_WITHIN_S = 25.0


def _try_redelivery(bed: Bed) -> Finding:
    options = {
        "visibility_timeout": VISIBLE_AFTER_S,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    }
    settings = {"task_acks_late": True, "broker_transport_options": options}
    with bed.worker(slots=1, settings=settings) as first:
        bed.send("wait", label="job", seconds=2.0)
        first.until(bed.has("started", "job"), within_s=15)
        first.kill()
    killed_at_s = time.monotonic()
    with bed.worker(slots=1, settings=settings) as second:
        came = second.until(
            lambda: len(bed.story().of("job", moment="started")) > 1, within_s=COMES_WITHIN_S
        )
        came_after_s = time.monotonic() - killed_at_s
        second.until(bed.has("finished", "job"), within_s=10)
        bed.until(lambda: not bed.unacked(), within_s=2)
        return judge_redelivery(bed.account(), story=bed.story(), came=came, after_s=came_after_s)


def judge_redelivery(account: Account, *, story: Story, came: bool, after_s: float) -> Finding:
    """Judge by the job's second start, in another process than its first."""
    starts = story.of("job", moment="started")
    evidence = (story.tell(), account.tell())
    if not came:
        return breaks(f"The job did not come again within {COMES_WITHIN_S:.0f} s.", *evidence)
    if len(starts) != 2 or "job" not in account.done:
        return breaks("The job came again and was not done exactly once.", *evidence)
    return works(
        f"The job came again {after_s:.0f} s after its worker's death and was done once.", *evidence
    )


def _try_restart_idle(bed: Bed) -> Finding:
    with bed.worker() as worker:
        before = bed.send("wait", label="before", seconds=0.1)
        worker.until(bed.has("finished", before), within_s=15)
        bed.until(lambda: not bed.unacked(), within_s=2)
        return _restart(bed, worker, jobs=[before])


def _try_restart_busy(bed: Bed) -> Finding:
    with bed.worker() as worker:
        running = bed.send_many("wait", labels="running", count=worker.slots, seconds=RUNNING_S)
        worker.until(bed.has("started", *running), within_s=15)
        fetched = bed.send_many("wait", labels="fetched", count=FETCHED, seconds=0.1)
        bed.until(lambda: not bed.queued(), within_s=RUNNING_S / 3)
        return _restart(bed, worker, jobs=[*running, *fetched])


def _restart(bed: Bed, worker: BedWorker, *, jobs: list[str]) -> Finding:
    """Restart the broker, send jobs, and count."""
    bed.restart_server(away_s=AWAY_S)
    fresh = bed.send_many("wait", labels="fresh", count=FRESH, seconds=0.1)
    has_run_all = bed.has("finished", *jobs, *fresh)
    bed.until(
        lambda: has_run_all() or worker.child.exit_code is not None, within_s=RECOVERS_WITHIN_S
    )
    bed.until(lambda: not bed.unacked(), within_s=2)
    return judge_restart(
        bed.account(),
        story=bed.story(),
        fresh=fresh,
        exit_code=worker.child.exit_code,
        log=(
            *worker.log_lines("(?i)connection to broker lost", most=1),
            *worker.log_lines("^CRITICAL", most=1),
        ),
    )


def judge_restart(
    account: Account,
    *,
    story: Story,
    fresh: list[str],
    exit_code: int | None,
    log: tuple[str, ...],
) -> Finding:
    """Judge by whether the worker takes jobs again, and what became of those it had."""
    evidence = (account.tell(), story.tell(), *log)
    if exit_code is not None:
        return breaks(f"The worker died of it, with exit code {exit_code}.", *evidence)
    twice = {label for label, runs in story.count("started").items() if runs > 1}
    if not story.have("finished", labels=fresh):
        return breaks("It never took a job again.", *evidence)
    if jobs := twice | account.doubled:
        return breaks(f"It went on, and {len(jobs)} job(s) ran twice or will.", *evidence)
    if account.lost:
        return breaks(f"It went on, and {len(account.lost)} job(s) are lost.", *evidence)
    if account.unacked:
        what = f"{len(account.unacked)} job(s) it had fetched stay in unacked"
        return breaks(f"It went on, and {what} until the visibility timeout.", *evidence)
    return works("It went on, and every job was run once.", *evidence)


REDELIVERY = Row(
    name="redelivery",
    title="redelivery after the visibility timeout",
    question=(
        f"A worker is killed (SIGKILL) while it runs a job with acks_late; another is started. "
        f"visibility_timeout is {VISIBLE_AFTER_S} s, and it is looked for every second."
    ),
    expected="The job comes again after the timeout and is done once.",
    attempt=_try_redelivery,
    lasts_s=120.0,
)
RESTART_IDLE = Row(
    name="redis-restart-idle",
    title="a Redis restart, worker idle",
    question=(
        f"Redis is stopped for {AWAY_S:.0f} s and started again with its data, while the worker "
        f"has nothing to do; then {FRESH} jobs are sent."
    ),
    expected="The worker reconnects by itself and runs them.",
    attempt=_try_restart_idle,
    needs_own_server=True,
    lasts_s=8.0,
)
RESTART_BUSY = Row(
    name="redis-restart-busy",
    title="a Redis restart, worker busy",
    question=(
        f"The same, while every slot runs a job of {RUNNING_S:.0f} s and {FETCHED} fetched ones "
        "wait in the worker."
    ),
    expected="The worker reconnects by itself, and each job is run once.",
    attempt=_try_restart_busy,
    needs_own_server=True,
    lasts_s=30.0,
)
