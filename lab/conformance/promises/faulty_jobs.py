"""Bad jobs next to good ones: one that blocks, one that kills its own process."""

from __future__ import annotations

from lab.conformance.finding import BREAKS, Finding, judge, not_tried
from lab.conformance.observation import Observation
from lab.conformance.promise import Promise
from lab.conformance.testbed import Testbed

#: How long the C call blocks, and how often the jobs next to it wake up, seconds.
BLOCKED_S = 2.0
TICK_S = 0.1

#: The longest time between two wake-ups that a busy machine explains, seconds.
GAP_S = BLOCKED_S * 0.6

#: Jobs that wait behind the one that crashes, and how long that and its neighbour take, seconds.
WAITING = 3
CRASH_AFTER_S, BESIDE_S = 1.5, 3.0


@Promise(
    title="a blocking C call beside waiting jobs",
    question=(
        f"Two jobs wake up every {TICK_S} s; a third calls usleep(3) in C for {BLOCKED_S:.0f} s, "
        "which releases the GIL and does not return to an event loop."
    ),
    expected="The jobs in the other slots go on.",
)
def blocking_call(testbed: Testbed) -> Finding:
    """Block one slot in C, and watch the others."""
    if testbed.pool.fixed_slots == 1:
        return not_tried("The pool has a single slot, so that no job runs next to it.")
    with testbed.worker(slots=3) as worker:
        ticking = testbed.send_many("tick", labels="beside", count=2, seconds=4.0, every_s=TICK_S)
        worker.until(testbed.has("started", *ticking))
        testbed.send("block", label="blocker", seconds=BLOCKED_S)
        worker.until(testbed.has("finished", "blocker", *ticking), within_s=20)
        return judge_blocking(testbed.observe(worker, "(?i)blocked|blocking"), beside=ticking)


def judge_blocking(seen: Observation, *, beside: list[str]) -> Finding:
    """Judge by the longest time for which the jobs next to it did not wake up."""
    ends = [one for label in beside for one in seen.stamps.of(label, moment="finished")]
    gap_s = max((one.gap_s for one in ends), default=0.0)
    are_done = seen.stamps.have("finished", "blocker", *beside)
    cut = f"Not every job ran to its end; {seen.stamps.describe()}."
    return judge(
        (not are_done, BREAKS, cut),
        (gap_s > GAP_S, BREAKS, "Every other job stopped until the call returned."),
        works="The other jobs went on.",
        evidence=(
            f"one job was in usleep(3) for {BLOCKED_S:.0f} s",
            f"longest sleep of the jobs that wake up every {TICK_S} s: {gap_s:.1f} s",
            *seen.log,
        ),
    )


@Promise(
    title="a job that crashes its process",
    question=(
        "A job kills its own process with SIGKILL, as the kernel does when it runs out of memory; "
        f"one job runs next to it where there is a slot, {WAITING} wait behind it."
    ),
    expected="That job is marked failed (WorkerLostError); the worker and all other jobs go on.",
)
def crash(testbed: Testbed) -> Finding:
    """Kill the process of one job."""
    with testbed.worker() as worker:
        if worker.slots > 1:
            testbed.send("wait", label="beside", seconds=BESIDE_S)
        testbed.send("crash", label="crash", after_s=CRASH_AFTER_S)
        worker.until(testbed.has("started", *testbed.sent))
        testbed.send_many("wait", labels="waiting", count=WAITING, seconds=0.1)
        good = [label for label in testbed.sent if label != "crash"]
        worker.until_or_ended(testbed.has("finished", *good))
        # prefork gives a lost process ten seconds to deliver a result
        worker.until_or_ended(lambda: testbed.state("crash") == "FAILURE")
        worker.kill()
        return judge_crash(testbed.observe(worker, "WorkerLost"))


def judge_crash(seen: Observation) -> Finding:
    """Judge by whether the worker and every other job survived, and the failure was stored."""
    fates, code, state = seen.fates, seen.exit_code, seen.state("crash")
    harmed = sorted((fates.lost | fates.unacked | fates.doubled) - {"crash"})
    others = ", and with it jobs that had nothing to do with it" if harmed else ""
    return judge(
        (code is not None, BREAKS, f"The whole worker died{others}."),
        (bool(harmed), BREAKS, "Other jobs were harmed."),
        (state != "FAILURE", BREAKS, "The failure of the crashed job was not stored."),
        works="Only the crashed job failed, and its failure was stored.",
        evidence=(
            fates.describe(),
            f"other jobs that were harmed: {', '.join(harmed) or 'none'}",
            f"exit code of the worker: {'none, it runs' if code is None else code}",
            f"state stored for the crashed job: {state}",
            *seen.log,
        ),
    )
