"""What a worker takes from the queue before it can run it, and when it says that it has run it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lab.conformance.account import Account
from lab.conformance.bed import Bed
from lab.conformance.outcome import Finding, breaks, ignored, works
from lab.conformance.row import Row
from lab.conformance.story import Story

#: Rounds of jobs that each slot gets, and how long one waits, seconds.
ROUNDS = 8
ROUND_S = 0.5

#: How much longer than with the slots always busy it may take on a busy machine.
SLOWER_RATIO = 1.4

#: How long no job may stamp anything until all of them count as standing still, seconds.
STANDSTILL_S = 10.0

#: Slots by which acknowledgements meet, where they cost little; and where each is a process.
MANY_SLOTS, MANY_PROCESSES = 40, 4

#: Rounds of jobs for all of them, and how long one waits, seconds.
LATE_ROUNDS = 3
LATE_JOB_S = 0.5


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


def _try_acks_late(bed: Bed) -> Finding:
    wanted = MANY_PROCESSES if bed.pool.name == "prefork" else MANY_SLOTS
    with bed.worker(slots=wanted, settings={"task_acks_late": True}) as worker:
        count = worker.slots * LATE_ROUNDS
        jobs = bed.send_many("wait", labels="job", count=count, seconds=LATE_JOB_S)
        bed.until_stalled(bed.has("finished", *jobs), stalled_s=STANDSTILL_S)
        bed.until(lambda: not bed.unacked(), within_s=4)
        refused = len(worker.log_lines("(?i)couldn't ack", most=count))
        return judge_acks_late(
            bed.account(),
            slots=worker.slots,
            refused=refused,
            log=(
                *worker.log_lines("(?i)couldn't ack", most=1),
                *worker.log_lines("Connection to broker lost", most=1),
            ),
        )


def judge_acks_late(account: Account, *, slots: int, refused: int, log: tuple[str, ...]) -> Finding:
    """Judge by the jobs that were done and are still held as not acknowledged."""
    evidence = (
        f"{slots} slot(s); {account.tell()}",
        f"{refused} acknowledgement(s) failed by the worker's log",
        *log,
    )
    harms = []
    if account.doubled:
        harms.append("finished jobs stay in unacked and will run again")
    if account.lost:
        harms.append("jobs are lost")
    if account.queued or account.unacked:
        harms.append("jobs are left standing")
    if harms:
        return breaks(f"{'; '.join(harms).capitalize()}.", *evidence)
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
        f"{MANY_SLOTS} slots ({MANY_PROCESSES} where each is a process) that finish together, "
        f"{LATE_ROUNDS} rounds of jobs with acks_late; the broker's options are Celery's own."
    ),
    expected="Each job runs once, and nothing is left in unacked.",
    attempt=_try_acks_late,
    lasts_s=15.0,
)
