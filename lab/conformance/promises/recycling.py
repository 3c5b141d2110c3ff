"""How a pool replaces its processes and changes its size: by jobs done, by memory, by load."""

from __future__ import annotations

from lab.conformance.finding import BREAKS, IGNORED, Finding, judge
from lab.conformance.observation import Observation
from lab.conformance.promise import Promise
from lab.conformance.testbed import KEEPALIVE_S, Testbed
from lab.conformance.worker import TestbedWorker

#: Jobs after which a child is to be replaced, and jobs sent.
JOBS_PER_CHILD = 2
JOBS = 6

#: Memory limit of a child, KiB, and the memory that a job keeps, MiB.
MEMORY_LIMIT_KB = 150_000
HELD_MB = 150

#: Bounds of the slots when the pool scales.
MOST_SLOTS, FEWEST_SLOTS = 4, 1

#: Jobs that make the pool grow.
SCALE_JOBS = 8


@Promise(
    title="max tasks per child",
    question=f"`--max-tasks-per-child {JOBS_PER_CHILD} -c 1`, and {JOBS} jobs.",
    expected=f"No process runs more than {JOBS_PER_CHILD} jobs; each job runs once.",
)
def max_tasks_per_child(testbed: Testbed) -> Finding:
    """Run more jobs than one process may run."""
    with testbed.worker("--max-tasks-per-child", str(JOBS_PER_CHILD), slots=1) as worker:
        jobs = testbed.send_many("wait", labels="job", count=JOBS, seconds=0.05)
        worker.until(testbed.has("finished", *jobs), within_s=30)
        return judge_max_tasks(testbed.observe(worker), jobs=jobs)


def judge_max_tasks(seen: Observation, *, jobs: list[str]) -> Finding:
    """Judge by the number of jobs that each process ran."""
    pids = [one.pid for one in seen.stamps.all if one.moment == "started"]
    processes, most = len(set(pids)), max((pids.count(pid) for pid in pids), default=0)
    return judge(
        (not seen.stamps.have("finished", *jobs), BREAKS, "Not every job was run."),
        (len(pids) > len(jobs), BREAKS, "Jobs were run twice."),
        (most > JOBS_PER_CHILD, IGNORED, "One process ran all the jobs."),
        works="Each process ran its two jobs and was replaced.",
        evidence=(
            f"{len(pids)} runs of {len(jobs)} jobs in {processes} process(es), at most {most} each",
        ),
    )


@Promise(
    title="max memory per child",
    question=(
        f"`--max-memory-per-child {MEMORY_LIMIT_KB} -c 1` (KiB), a job that keeps {HELD_MB} MiB, "
        "then one more job."
    ),
    expected="The job that grew the process finishes; the next one runs in a new process.",
)
def max_memory_per_child(testbed: Testbed) -> Finding:
    """Run a job that exceeds the memory limit of a process."""
    with testbed.worker("--max-memory-per-child", str(MEMORY_LIMIT_KB), slots=1) as worker:
        testbed.send("hold", label="large", megabytes=HELD_MB)
        worker.until(testbed.has("finished", "large"))
        return judge_max_memory(testbed.observe(worker, "(?i)memory|exceed", sends_one_more=True))


def judge_max_memory(seen: Observation) -> Finding:
    """Judge by whether the next job ran in another process."""
    processes = len({one.pid for one in seen.stamps.all})
    return judge(
        (not seen.takes_jobs, BREAKS, "After it the worker takes no more jobs."),
        (processes == 1, IGNORED, "The next job ran in the same, too large process."),
        works="The process was replaced after the job that made it grow.",
        evidence=(f"{processes} process(es) ran the two jobs", *seen.log),
    )


@Promise(
    title="autoscale",
    question=(
        f"`--autoscale {MOST_SLOTS},{FEWEST_SLOTS}` with AUTOSCALE_KEEPALIVE={KEEPALIVE_S}, "
        f"{SCALE_JOBS} jobs of 1 s, then none."
    ),
    expected=f"Up to {MOST_SLOTS} jobs at once under load; {FEWEST_SLOTS} slot again when idle.",
)
def autoscale(testbed: Testbed) -> Finding:
    """Load a pool that may grow, then leave it idle."""
    scale = f"{MOST_SLOTS},{FEWEST_SLOTS}"
    with testbed.worker("--autoscale", scale, slots=1) as worker:
        jobs = testbed.send_many("wait", labels="job", count=SCALE_JOBS, seconds=1.0)
        worker.until(testbed.has("finished", *jobs), within_s=25)
        has_grown = testbed.stamps().peak_in_flight() > FEWEST_SLOTS
        has_shrunk = has_grown and worker.until(lambda: _is_small(worker), within_s=12)
        seen = testbed.observe(worker, "Scaling up", "Scaling down")
        return judge_autoscale(seen, jobs=jobs, has_shrunk=has_shrunk)


def judge_autoscale(seen: Observation, *, jobs: list[str], has_shrunk: bool) -> Finding:
    """Judge by the jobs in flight at once, and by the slots that `inspect stats` reports later."""
    peak = seen.stamps.peak_in_flight()
    return judge(
        (not seen.stamps.have("finished", *jobs), BREAKS, "Not every job was run."),
        (peak <= FEWEST_SLOTS, IGNORED, "It kept its one slot."),
        (not has_shrunk, BREAKS, "It grew and did not shrink again when idle."),
        works="It grew under load and shrank again when idle.",
        evidence=(f"at most {peak} jobs in flight at once", *seen.log),
    )


def _is_small(worker: TestbedWorker) -> bool:
    stats = worker.inspect("stats") or {}
    return bool(stats.get("autoscaler", {}).get("current") == FEWEST_SLOTS)
