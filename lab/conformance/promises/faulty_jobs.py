"""Bad jobs beside good ones: one that blocks, one that takes its process with it."""

from __future__ import annotations

from lab.conformance.finding import Finding, breaks, not_tried, works
from lab.conformance.job_fates import Account
from lab.conformance.promise import Row
from lab.conformance.stamps import Story
from lab.conformance.testbed import Bed

#: How long the C call blocks, and how often the jobs beside it wake up, seconds.
BLOCKED_S = 2.0
TICK_S = 0.1

#: The longest time between two wakes that a busy machine explains, seconds.
GAP_S = BLOCKED_S * 0.6

#: Jobs that wait behind the one that crashes, and how long that and its neighbour take, seconds.
WAITING = 3
CRASH_AFTER_S, BESIDE_S = 1.5, 3.0


def _try_blocking(bed: Bed) -> Finding:
    if bed.slots(3) == 1:
        return not_tried("its one slot has no other beside it")
    with bed.worker(slots=3) as worker:
        ticking = bed.send_many("tick", labels="beside", count=2, seconds=4.0, every_s=TICK_S)
        worker.until(bed.has("started", *ticking), within_s=15)
        bed.send("block", label="blocker", seconds=BLOCKED_S)
        worker.until(bed.has("finished", "blocker", *ticking), within_s=20)
        return judge_blocking(
            bed.story(), beside=ticking, log=worker.log_lines("(?i)blocked|blocking", most=1)
        )


def judge_blocking(story: Story, *, beside: list[str], log: tuple[str, ...]) -> Finding:
    """Judge by the longest time for which the jobs beside it did not wake."""
    gaps_s = [one.facts["gap_s"] for label in beside for one in story.of(label, moment="finished")]
    if len(gaps_s) < len(beside) or not story.of("blocker", moment="finished"):
        return breaks("Not every job was run.", story.tell(), *log)
    evidence = (
        f"one job was in usleep(3) for {BLOCKED_S:.0f} s",
        f"jobs that wake every {TICK_S} s slept for {max(gaps_s):.1f} s at the longest",
        *log,
    )
    if max(gaps_s) > GAP_S:
        return breaks("Every other job stood still until the call returned.", *evidence)
    return works("The other jobs went on.", *evidence)


def _try_crash(bed: Bed) -> Finding:
    with bed.worker() as worker:
        if worker.slots > 1:
            bed.send("wait", label="beside", seconds=BESIDE_S)
        bed.send("crash", label="crash", after_s=CRASH_AFTER_S)
        worker.until(bed.has("started", *bed.sent), within_s=15)
        bed.send_many("wait", labels="waiting", count=WAITING, seconds=0.1)
        good = [label for label in bed.sent if label != "crash"]
        bed.until(
            lambda: bed.story().have("finished", labels=good) or worker.child.exit_code is not None,
            within_s=15,
        )
        # a pool of processes gives a lost one ten seconds to have told its result
        bed.until(
            lambda: bed.state("crash") == "FAILURE" or worker.child.exit_code is not None,
            within_s=15,
        )
        exit_code = worker.child.exit_code
        worker.kill()
        return judge_crash(
            bed.account(),
            exit_code=exit_code,
            state=bed.state("crash"),
            log=worker.log_lines("WorkerLost", most=1),
        )


def judge_crash(
    account: Account, *, exit_code: int | None, state: str, log: tuple[str, ...]
) -> Finding:
    """Judge by whether the worker and every other job survived, and the crash is on record."""
    harmed = sorted((account.lost | account.unacked | account.doubled) - {"crash"})
    evidence = (
        account.tell(),
        f"harmed beside the job itself: {', '.join(harmed) or 'none'}",
        f"worker's exit code: {'none, it lives' if exit_code is None else exit_code}",
        f"state stored for the crashed job: {state or 'none'}",
        *log,
    )
    if exit_code is not None:
        what = ", and with it jobs that had nothing to do with it" if harmed else ""
        return breaks(f"The whole worker died{what}.", *evidence)
    if harmed:
        return breaks("Other jobs were harmed.", *evidence)
    if state != "FAILURE":
        return breaks("The crashed job is nowhere marked as failed.", *evidence)
    return works("Only the crashed job failed, and is stored so.", *evidence)


BLOCKING = Row(
    name="blocking-call",
    title="a blocking C call beside waiting jobs",
    question=(
        f"Two jobs wake up every {TICK_S} s; a third calls usleep(3) in C for {BLOCKED_S:.0f} s, "
        "which lets go of the GIL and knows of no event loop."
    ),
    expected="The other slots' jobs go on.",
    attempt=_try_blocking,
)
CRASH = Row(
    name="crash",
    title="a job that crashes its process",
    question=(
        f"A job kills its own process with SIGKILL, as the kernel does when memory is short; one "
        f"job runs beside it where there is a slot, {WAITING} wait behind it."
    ),
    expected="That job is marked failed (WorkerLostError); the worker and all others go on.",
    attempt=_try_crash,
)
