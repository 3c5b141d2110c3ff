"""How a pool renews and resizes itself: by jobs done, by memory, by load."""

from __future__ import annotations

from lab.conformance.finding import Finding, breaks, ignored, works
from lab.conformance.promise import Row
from lab.conformance.stamps import Story
from lab.conformance.testbed import Bed
from lab.conformance.worker import BedWorker

#: Jobs after which a child is to be replaced, and jobs sent.
JOBS_PER_CHILD = 2
JOBS = 6

#: The limit of a child's memory, and what a job keeps of it.
MEMORY_LIMIT_KB = 150_000
HELD_MB = 150

#: Slots between which the pool may scale, and the seconds after which idle ones may go.
MOST_SLOTS, FEWEST_SLOTS = 4, 1
KEEPALIVE_S = 1

#: Jobs by which the pool is made to grow.
SCALE_JOBS = 8


def _try_max_tasks(bed: Bed) -> Finding:
    with bed.worker("--max-tasks-per-child", str(JOBS_PER_CHILD), slots=1) as worker:
        jobs = bed.send_many("wait", labels="job", count=JOBS, seconds=0.05)
        worker.until(bed.has("finished", *jobs), within_s=30)
        return judge_max_tasks(bed.story(), jobs=jobs)


def judge_max_tasks(story: Story, *, jobs: list[str]) -> Finding:
    """Judge by how many jobs each process ran."""
    runs = [one.pid for one in story.stamps if one.moment == "started"]
    most = max((runs.count(pid) for pid in runs), default=0)
    processes = len(set(runs))
    evidence = f"{len(runs)} runs of {len(jobs)} jobs in {processes} process(es), {most} at most"
    if not story.have("finished", labels=jobs):
        return breaks("Not every job was run.", evidence)
    if len(runs) > len(jobs):
        return breaks("Jobs were run twice.", evidence)
    if most <= JOBS_PER_CHILD:
        return works("Each process ran its two jobs and was replaced.", evidence)
    return ignored("One process ran all the jobs.", evidence)


def _try_max_memory(bed: Bed) -> Finding:
    with bed.worker("--max-memory-per-child", str(MEMORY_LIMIT_KB), slots=1) as worker:
        bed.send("hold", label="large", megabytes=HELD_MB)
        worker.until(bed.has("finished", "large"), within_s=15)
        took_after = bed.takes_jobs(worker)
        return judge_max_memory(
            bed.story(), takes_jobs=took_after, log=worker.log_lines("(?i)memory|exceed")
        )


def judge_max_memory(story: Story, *, takes_jobs: bool, log: tuple[str, ...]) -> Finding:
    """Judge by whether the next job ran in another process."""
    pids = {one.pid for one in story.stamps}
    evidence = (f"{len(pids)} process(es) ran the two jobs", *log)
    if not takes_jobs:
        return breaks("After it the worker takes no more jobs.", *evidence)
    if len(pids) > 1:
        return works("The process was replaced after the job that grew it.", *evidence)
    return ignored("The next job ran in the same, too large process.", *evidence)


def _try_autoscale(bed: Bed) -> Finding:
    scale = f"{MOST_SLOTS},{FEWEST_SLOTS}"
    environment = {"AUTOSCALE_KEEPALIVE": str(KEEPALIVE_S)}
    with bed.worker("--autoscale", scale, slots=1, environment=environment) as worker:
        jobs = bed.send_many("wait", labels="job", count=SCALE_JOBS, seconds=1.0)
        ran_all = worker.until(bed.has("finished", *jobs), within_s=25)
        grew = bed.story().peak_overlap() > FEWEST_SLOTS
        shrank = grew and worker.until(
            lambda: _slots(worker) == FEWEST_SLOTS,
            within_s=12,
        )
        log = (*worker.log_lines("Scaling up", most=1), *worker.log_lines("Scaling down", most=1))
        return judge_autoscale(bed.story(), ran_all=ran_all, shrank=shrank, log=log)


def judge_autoscale(story: Story, *, ran_all: bool, shrank: bool, log: tuple[str, ...]) -> Finding:
    """Judge by the jobs under way at once, and by the slots that `inspect stats` tells later."""
    peak = story.peak_overlap()
    evidence = (f"{peak} jobs under way at once, at the most", *log)
    if not ran_all:
        return breaks("Not every job was run.", *evidence)
    if peak <= FEWEST_SLOTS:
        return ignored("It stayed at its one slot.", *evidence)
    if not shrank:
        return breaks("It grew and didn't shrink again when idle.", *evidence)
    return works("It grew under load and shrank again when idle.", *evidence)


def _slots(worker: BedWorker) -> int | None:
    stats = worker.inspect("stats") or {}
    current: int | None = stats.get("autoscaler", {}).get("current")
    return current


MAX_TASKS = Row(
    name="max-tasks-per-child",
    title="max tasks per child",
    question=f"`--max-tasks-per-child {JOBS_PER_CHILD} -c 1`, and {JOBS} jobs.",
    expected=f"No process runs more than {JOBS_PER_CHILD} jobs; each job runs once.",
    attempt=_try_max_tasks,
)
MAX_MEMORY = Row(
    name="max-memory-per-child",
    title="max memory per child",
    question=(
        f"`--max-memory-per-child {MEMORY_LIMIT_KB} -c 1` (KiB), a job that keeps {HELD_MB} MiB, "
        "then one more job."
    ),
    expected="The job that grew the process finishes; the next one runs in a new process.",
    attempt=_try_max_memory,
)
AUTOSCALE = Row(
    name="autoscale",
    title="autoscale",
    question=(
        f"`--autoscale {MOST_SLOTS},{FEWEST_SLOTS}` with AUTOSCALE_KEEPALIVE={KEEPALIVE_S}, "
        f"{SCALE_JOBS} jobs of 1 s, then none."
    ),
    expected=f"Up to {MOST_SLOTS} jobs at once under load; {FEWEST_SLOTS} slot again when idle.",
    attempt=_try_autoscale,
)
