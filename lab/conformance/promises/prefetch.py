"""What a worker fetches from the queue before it can run it, and when it acknowledges a job."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lab.conformance.finding import BREAKS, IGNORED, Finding, judge
from lab.conformance.observation import JobFates
from lab.conformance.promise import Promise
from lab.conformance.stamps import Stamps
from lab.conformance.testbed import Testbed
from lab.conformance.worker import TestbedWorker

#: Rounds of jobs that each slot gets, and how long one waits, seconds.
ROUNDS = 8
ROUND_S = 0.5

#: Longest total time, as a multiple of the time with all slots always busy, on a busy machine.
SLOWER_RATIO = 1.4

#: Time without a stamp after which no more progress is expected, seconds.
STALL_S = 10.0

#: Slots of pools whose slots cost little, and of those where each is a process.
MANY_SLOTS, MANY_PROCESSES = 40, 4

#: Rounds of jobs for all slots, with ends spread out and again with ends that coincide.
LATE_ROUNDS = 3

#: The shortest and the longest of jobs whose ends are spread out, and the multiple of the clock at
#: which jobs end together, seconds.
SHORTEST_S, LONGEST_S = 0.25, 0.75
MEET_EVERY_S = 1.0

#: Pattern of the worker's log line about a failed acknowledgement.
_REFUSED = "(?i)couldn't ack"


@Promise(
    title="`--disable-prefetch`",
    question=f"`--disable-prefetch`, and {ROUNDS} jobs of {ROUND_S} s for each slot, sent at once.",
    expected="A job is fetched only when a slot is free, and no slot is idle while jobs wait.",
    lasts_s=15.0,
)
def disable_prefetch(testbed: Testbed) -> Finding:
    """Watch what a worker fetches while all its slots are busy."""
    with testbed.worker("--disable-prefetch") as worker:
        idle_fetched = 0

        def is_done() -> bool:
            nonlocal idle_fetched
            held, stamps = set(testbed.unacked()), testbed.stamps()
            if stamps.in_flight() == worker.slots:
                idle_fetched = max(idle_fetched, len(held - stamps.labels("started")))
            return stamps.have("finished", *jobs)

        began_at_s = time.monotonic()
        jobs = testbed.send_many("wait", labels="job", count=worker.slots * ROUNDS, seconds=ROUND_S)
        testbed.until_stalled(is_done, stall_s=STALL_S)
        took_s = time.monotonic() - began_at_s
        return judge_disable_prefetch(
            testbed.stamps(), slots=worker.slots, idle_fetched=idle_fetched, took_s=took_s
        )


def judge_disable_prefetch(
    stamps: Stamps, *, slots: int, idle_fetched: int, took_s: float
) -> Finding:
    """Judge by the total time, and by ``idle_fetched``.

    ``idle_fetched`` is the most jobs that were fetched and not started while every slot was busy.
    """
    count, ideal_s = slots * ROUNDS, ROUNDS * ROUND_S
    done, runs = len(stamps.labels("finished")), stamps.count("started").total()
    is_slow = took_s > ideal_s * SLOWER_RATIO
    return judge(
        (done < count, BREAKS, "Jobs were left waiting while slots were free."),
        (runs > count, BREAKS, "Jobs were run twice."),
        (is_slow, BREAKS, "Slots were idle while jobs waited in the queue."),
        (idle_fetched > 1, IGNORED, "It fetched jobs that it could not start."),
        works="It fetched a job only when a slot was free, and kept the slots busy.",
        evidence=(
            f"{done} of {count} jobs of {ROUND_S} s done by {slots} slot(s)",
            f"took {took_s:.1f} s; {ideal_s:.1f} s with the slots always busy",
            f"at most {idle_fetched} job(s) fetched and not started while every slot was busy",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LateJobs:
    """What happened to jobs with acks_late."""

    fates: JobFates
    #: Acknowledgements that failed, by the worker's log.
    refused: int

    def describe(self) -> str:
        """Return it as evidence."""
        return f"{self.fates.describe()}; {self.refused} acknowledgement(s) failed"

    def harm(self) -> str:
        """Return the harm done to jobs; empty if none. A job left in the queue is harm too."""
        left = len(self.fates.queued)
        return self.fates.harm() or (f"{left} job(s) left in the queue" if left else "")


@Promise(
    title="acks_late with all slots busy",
    question=(
        f"{MANY_SLOTS} slots ({MANY_PROCESSES} where each is a process), acks_late, Celery's own "
        f"broker options: {LATE_ROUNDS} rounds of jobs of {SHORTEST_S} to {LONGEST_S} s, whose "
        f"ends are spread out, then {LATE_ROUNDS} rounds that end together at full seconds."
    ),
    expected="Each job runs once, and nothing is left in unacked, whenever jobs end.",
    lasts_s=20.0,
)
def acks_late_full(testbed: Testbed) -> Finding:
    """Run jobs with acks_late whose ends are spread out, then jobs that end together."""
    wanted = MANY_PROCESSES if testbed.pool.name == "prefork" else MANY_SLOTS
    with testbed.worker(slots=wanted, settings={"task_acks_late": True}) as worker:
        slots, count = worker.slots, worker.slots * LATE_ROUNDS
        step_s = (LONGEST_S - SHORTEST_S) / slots
        jobs = [
            testbed.send("wait", label=f"spread-{n}", seconds=SHORTEST_S + n % slots * step_s)
            for n in range(count)
        ]
        spread = _late_jobs(testbed, worker, jobs=jobs, refused_before=0)
        jobs = testbed.send_many("meet", labels="aligned", count=count, every_s=MEET_EVERY_S)
        aligned = _late_jobs(testbed, worker, jobs=jobs, refused_before=spread.refused)
        log = worker.log_lines(_REFUSED, "Connection to broker lost", most=1)
        return judge_acks_late(spread=spread, aligned=aligned, slots=slots, log=log)


def _late_jobs(
    testbed: Testbed, worker: TestbedWorker, *, jobs: list[str], refused_before: int
) -> LateJobs:
    """Return the fates of these jobs when all have ended, or when there are no more stamps."""
    testbed.until_stalled(testbed.has("finished", *jobs), stall_s=STALL_S)
    testbed.until(testbed.is_acknowledged, within_s=4)
    refused = len(worker.log_lines(_REFUSED, most=len(testbed.sent)))
    return LateJobs(fates=testbed.fates(jobs), refused=refused - refused_before)


def judge_acks_late(
    *, spread: LateJobs, aligned: LateJobs, slots: int, log: tuple[str, ...]
) -> Finding:
    """Judge by the jobs that were done and are still not acknowledged."""
    apart, together = spread.harm(), aligned.harm()
    both = f"Where ends are spread out: {apart}. Where jobs end together: {together}."
    return judge(
        (bool(apart and together), BREAKS, both),
        (bool(together), BREAKS, f"Only where jobs end together: {together}."),
        (bool(apart), BREAKS, f"Only where ends are spread out: {apart}."),
        works="Each job was run and acknowledged.",
        evidence=(
            f"{slots} slot(s)",
            f"ends spread out: {spread.describe()}",
            f"ends at full seconds: {aligned.describe()}",
            *log,
        ),
    )
