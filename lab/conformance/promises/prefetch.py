"""What a worker takes from the queue before it can run it, and when it says that it has run it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lab.conformance.finding import Finding, breaks, ignored, works
from lab.conformance.job_fates import Account
from lab.conformance.promise import Row
from lab.conformance.stamps import Story
from lab.conformance.testbed import Bed
from lab.conformance.worker import BedWorker

#: Rounds of jobs that each slot gets, and how long one waits, seconds.
ROUNDS = 8
ROUND_S = 0.5

#: How much longer than with the slots always busy it may take on a busy machine.
SLOWER_RATIO = 1.4

#: How long no job may stamp anything until all of them count as standing still, seconds.
STANDSTILL_S = 10.0

#: Slots by which acknowledgements meet, where they cost little; and where each is a process.
MANY_SLOTS, MANY_PROCESSES = 40, 4

#: Rounds of jobs for all of them, with ends spread out and again with ends that meet.
LATE_ROUNDS = 3

#: The shortest and the longest of jobs whose ends are spread out, and between which moments of the
#: clock jobs wait whose ends meet, seconds.
SHORTEST_S, LONGEST_S = 0.25, 0.75
MEET_EVERY_S = 1.0

#: What the worker logs of an acknowledgement that failed.
_REFUSED = "(?i)couldn't ack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """How a worker without prefetching went through its jobs."""

    story: Story
    jobs: tuple[str, ...]
    slots: int
    #: The most jobs seen fetched and not begun while every slot was busy.
    idle_fetched: int
    took_s: float

    @property
    def ideal_s(self) -> float:
        """Return how long the jobs take with every slot always busy."""
        return len(self.jobs) / self.slots * ROUND_S


def _try_disable_prefetch(bed: Bed) -> Finding:
    with bed.worker("--disable-prefetch") as worker:
        most_idle = 0

        def is_done() -> bool:
            nonlocal most_idle
            held, story = set(bed.unacked()), bed.story()
            if story.under_way() == worker.slots:
                most_idle = max(most_idle, len(held - story.labels("started")))
            return story.have("finished", labels=jobs)

        began_at_s = time.monotonic()
        jobs = bed.send_many("wait", labels="job", count=worker.slots * ROUNDS, seconds=ROUND_S)
        bed.until_stalled(is_done, stalled_s=STANDSTILL_S)
        return judge_disable_prefetch(
            Fetching(
                story=bed.story(),
                jobs=tuple(jobs),
                slots=worker.slots,
                idle_fetched=most_idle,
                took_s=time.monotonic() - began_at_s,
            )
        )


def judge_disable_prefetch(fetching: Fetching) -> Finding:
    """Judge by what was fetched without being begun, and by the time that it took."""
    done = len(fetching.story.labels("finished"))
    runs = sum(fetching.story.count("started").values())
    evidence = (
        f"{done} of {len(fetching.jobs)} jobs of {ROUND_S} s done by {fetching.slots} slot(s)",
        f"took {fetching.took_s:.1f} s; {fetching.ideal_s:.1f} s with the slots always busy",
        f"at most {fetching.idle_fetched} job(s) fetched and not begun while every slot was busy",
    )
    if done < len(fetching.jobs):
        return breaks("Jobs were left standing while slots were free.", *evidence)
    if runs > len(fetching.jobs):
        return breaks("Jobs were run twice.", *evidence)
    if fetching.took_s > fetching.ideal_s * SLOWER_RATIO:
        return breaks("Slots stood idle while jobs waited in the queue.", *evidence)
    if fetching.idle_fetched > 1:
        return ignored("It fetched jobs that it could not begin.", *evidence)
    return works("It fetched a job only when a slot was free, and kept them busy.", *evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """What became of jobs with acks_late."""

    account: Account
    #: Acknowledgements that failed, by the worker's log.
    refused: int

    def tell(self) -> str:
        """Return it as evidence."""
        return f"{self.account.tell()}; {self.refused} acknowledgement(s) failed"

    def harm(self) -> str:
        """Return what harm was done, without a full stop; empty if none."""
        account = self.account
        harms = []
        if account.doubled:
            harms.append("finished jobs stay in unacked and will run again")
        if account.lost:
            harms.append("jobs are lost")
        if account.queued or account.unacked:
            harms.append("jobs are left standing")
        return ", ".join(harms)


def _try_acks_late(bed: Bed) -> Finding:
    wanted = MANY_PROCESSES if bed.pool.name == "prefork" else MANY_SLOTS
    with bed.worker(slots=wanted, settings={"task_acks_late": True}) as worker:
        count = worker.slots * LATE_ROUNDS
        step_s = (LONGEST_S - SHORTEST_S) / worker.slots
        spread_jobs = [
            bed.send("wait", label=f"spread-{n}", seconds=SHORTEST_S + n % worker.slots * step_s)
            for n in range(count)
        ]
        spread = _late(bed, worker, jobs=spread_jobs, refused_before=0)
        aligned_jobs = bed.send_many("meet", labels="aligned", count=count, every_s=MEET_EVERY_S)
        aligned = _late(bed, worker, jobs=aligned_jobs, refused_before=spread.refused)
        return judge_acks_late(
            spread=spread,
            aligned=aligned,
            slots=worker.slots,
            log=(
                *worker.log_lines(_REFUSED, most=1),
                *worker.log_lines("Connection to broker lost", most=1),
            ),
        )


def _late(bed: Bed, worker: BedWorker, *, jobs: list[str], refused_before: int) -> Late:
    """Wait for the end of these jobs, or until nothing happens any more, and count."""
    bed.until_stalled(bed.has("finished", *jobs), stalled_s=STANDSTILL_S)
    bed.until(lambda: not bed.unacked(), within_s=4)
    refused = len(worker.log_lines(_REFUSED, most=len(bed.sent)))
    return Late(account=bed.account(jobs), refused=refused - refused_before)


def judge_acks_late(*, spread: Late, aligned: Late, slots: int, log: tuple[str, ...]) -> Finding:
    """Judge by the jobs that were done and are still held as not acknowledged."""
    evidence = (
        f"{slots} slot(s)",
        f"ends spread out: {spread.tell()}",
        f"ends at full seconds: {aligned.tell()}",
        *log,
    )
    spread_harm, aligned_harm = spread.harm(), aligned.harm()
    if spread_harm and aligned_harm:
        seen = f"Where ends are spread out: {spread_harm}. At the same moment: {aligned_harm}."
        return breaks(seen, *evidence)
    if aligned_harm:
        return breaks(f"Only where jobs end at the same moment: {aligned_harm}.", *evidence)
    if spread_harm:
        return breaks(f"Only where ends are spread out: {spread_harm}.", *evidence)
    return works("Each job was run and acknowledged.", *evidence)


DISABLE_PREFETCH = Row(
    name="disable-prefetch",
    title="`--disable-prefetch`",
    question=f"`--disable-prefetch`, and {ROUNDS} jobs of {ROUND_S} s for each slot, sent at once.",
    expected="A job is fetched only when a slot is free, and no slot waits while jobs do.",
    attempt=_try_disable_prefetch,
    lasts_s=15.0,
)
ACKS_LATE = Row(
    name="acks-late-full",
    title="acks_late with all slots busy",
    question=(
        f"{MANY_SLOTS} slots ({MANY_PROCESSES} where each is a process), acks_late, the broker's "
        f"options Celery's own: {LATE_ROUNDS} rounds of jobs of {SHORTEST_S} to {LONGEST_S} s, "
        f"whose ends are spread out, then {LATE_ROUNDS} rounds that end together at full seconds."
    ),
    expected="Each job runs once, and nothing is left in unacked, however jobs end.",
    attempt=_try_acks_late,
    lasts_s=20.0,
)
