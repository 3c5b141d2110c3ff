"""The broker: redelivery of a dead worker's jobs, and a broker that is away for a while."""

from __future__ import annotations

import time

from lab.conformance.finding import BREAKS, Finding, judge
from lab.conformance.observation import Observation
from lab.conformance.promise import Promise
from lab.conformance.testbed import Testbed
from lab.conformance.worker import TestbedWorker

#: The visibility timeout, and the time within which a job must be redelivered, seconds. kombu up to
#: 5.6 looks for such jobs only every 100 s, whatever the options say.
VISIBLE_AFTER_S = 3
COMES_WITHIN_S = 120.0

#: How long jobs run, and how long the broker is away, so that each worker notices it, seconds.
RUNNING_S = 3.0
AWAY_S = 4.0

#: Jobs that the worker has fetched when the broker stops, and those sent when it is back.
FETCHED, FRESH = 4, 3

#: How long a worker may take to run everything after a restart, seconds.
RECOVERS_WITHIN_S = 25.0


@Promise(
    title="redelivery after the visibility timeout",
    question=(
        f"A worker is killed (SIGKILL) while it runs a job with acks_late; another is started. "
        f"visibility_timeout is {VISIBLE_AFTER_S} s, and is checked every second."
    ),
    expected="The job is redelivered after the timeout and done once.",
    lasts_s=120.0,
)
def redelivery(testbed: Testbed) -> Finding:
    """Kill a worker that runs a job, and start another."""
    options = {
        "visibility_timeout": VISIBLE_AFTER_S,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    }
    settings = {"task_acks_late": True, "broker_transport_options": options}
    with testbed.worker(slots=1, settings=settings) as first:
        testbed.send("wait", label="job", seconds=2.0)
        first.until(testbed.has("started", "job"))
        first.kill()
    killed_at_s = time.monotonic()
    with testbed.worker(slots=1, settings=settings) as second:
        second.until(lambda: testbed.stamps().count("started")["job"] > 1, within_s=COMES_WITHIN_S)
        after_s = time.monotonic() - killed_at_s
        second.until(testbed.has("finished", "job"), within_s=10)
        testbed.until(testbed.is_acknowledged, within_s=2)
        return judge_redelivery(testbed.observe(second), after_s=after_s)


def judge_redelivery(seen: Observation, *, after_s: float) -> Finding:
    """Judge by the job's second start, in another process than its first."""
    starts = seen.stamps.count("started")["job"]
    never = f"The job was not redelivered within {COMES_WITHIN_S:.0f} s."
    is_once = starts == 2 and "job" in seen.fates.done
    return judge(
        (starts < 2, BREAKS, never),
        (not is_once, BREAKS, "The job was redelivered, and not done exactly once."),
        works=f"The job was redelivered {after_s:.0f} s after its worker's death, and done once.",
        evidence=(seen.stamps.describe(), seen.fates.describe()),
    )


@Promise(
    title="a Redis restart, worker idle",
    question=(
        f"Redis is stopped for {AWAY_S:.0f} s and started again with its data, while the worker "
        f"is idle; then {FRESH} jobs are sent."
    ),
    expected="The worker reconnects by itself and runs them.",
    lasts_s=8.0,
)
def redis_restart_idle(testbed: Testbed) -> Finding:
    """Restart the broker of an idle worker."""
    with testbed.worker() as worker:
        before = testbed.send("wait", label="before", seconds=0.1)
        worker.until(testbed.has("finished", before))
        testbed.until(testbed.is_acknowledged, within_s=2)
        return _restart(testbed, worker)


@Promise(
    title="a Redis restart, worker busy",
    question=(
        f"The same, while every slot runs a job of {RUNNING_S:.0f} s and {FETCHED} fetched jobs "
        "wait in the worker."
    ),
    expected="The worker reconnects by itself, and each job is run once.",
    lasts_s=30.0,
)
def redis_restart_busy(testbed: Testbed) -> Finding:
    """Restart the broker of a worker that runs jobs and holds others."""
    with testbed.worker() as worker:
        testbed.fill_slots(worker, labels="running", seconds=RUNNING_S)
        testbed.send_many("wait", labels="fetched", count=FETCHED, seconds=0.1)
        testbed.until(lambda: not testbed.queued(), within_s=RUNNING_S / 3)
        return _restart(testbed, worker)


def _restart(testbed: Testbed, worker: TestbedWorker) -> Finding:
    """Restart the broker, send more jobs, and judge when all were run or the time is over."""
    testbed.server.stop()
    testbed.pause(AWAY_S)
    testbed.server.start()
    fresh = testbed.send_many("wait", labels="fresh", count=FRESH, seconds=0.1)
    worker.until_or_ended(testbed.has("finished", *testbed.sent), within_s=RECOVERS_WITHIN_S)
    testbed.until(testbed.is_acknowledged, within_s=2)
    seen = testbed.observe(worker, "(?i)connection to broker lost", "^CRITICAL")
    return judge_restart(seen, fresh=fresh)


def judge_restart(seen: Observation, *, fresh: list[str]) -> Finding:
    """Judge by whether the worker takes jobs again, and by the fates of those that it had."""
    fates, starts = seen.fates, seen.stamps.count("started")
    twice = {label for label, runs in starts.items() if runs > 1} | fates.doubled
    died = f"The worker died of it, with exit code {seen.exit_code}."
    ran_twice = f"It continued, and {len(twice)} job(s) ran twice or will."
    return judge(
        (seen.exit_code is not None, BREAKS, died),
        (not seen.stamps.have("finished", *fresh), BREAKS, "It never took a job again."),
        (bool(twice), BREAKS, ran_twice),
        (bool(fates.harm()), BREAKS, f"It continued, with {fates.harm()}."),
        works="It continued, and every job was run once.",
        evidence=(fates.describe(), seen.stamps.describe(), *seen.log),
    )
