"""Time limits: a job that takes too long is told, and then ended."""

from __future__ import annotations

from lab.conformance.finding import Finding, breaks, ignored, works
from lab.conformance.promise import Row
from lab.conformance.stamps import Story
from lab.conformance.testbed import Bed

#: The limit, and how long the job would take without one, seconds.
LIMIT_S = 1
JOB_S = 4.0


def _try_soft_limit(bed: Bed) -> Finding:
    with bed.worker("--soft-time-limit", str(LIMIT_S)) as worker:
        bed.send("wait", label="long", seconds=JOB_S)
        worker.until(lambda: bool(_ended(bed.story(), "long")), within_s=JOB_S + 10)
        bed.until(lambda: bed.state("long") != "", within_s=2)
        return judge_soft_limit(
            bed.story(),
            state=bed.state("long"),
            takes_jobs=bed.takes_jobs(worker),
            log=worker.log_lines("(?i)soft.*(limit|timeout)"),
        )


def judge_soft_limit(
    story: Story, *, state: str, takes_jobs: bool, log: tuple[str, ...]
) -> Finding:
    """Judge by what the job itself met while it waited."""
    evidence = (story.tell("long"), f"state stored: {state or 'none'}", *log)
    errors = story.errors("long")
    if not takes_jobs:
        return breaks("After it the worker takes no more jobs.", *evidence)
    if "SoftTimeLimitExceeded" in errors:
        return works("The exception was raised in the job where it waited.", *evidence)
    if story.of("long", moment="finished"):
        return ignored("The job ran to its end, untold.", *evidence)
    met = errors[0] if errors else "nothing"
    return breaks(f"The job ended early and met {met} instead of the exception.", *evidence)


def _try_hard_limit(bed: Bed) -> Finding:
    with bed.worker("--time-limit", str(LIMIT_S)) as worker:
        bed.send("wait", label="long", seconds=JOB_S)
        worker.until(bed.has("started", "long"), within_s=15)
        # past the job's own end, so that one that went on has stamped it
        worker.until(bed.has("finished", "long"), within_s=JOB_S + 1)
        return judge_hard_limit(
            bed.story(),
            state=bed.state("long"),
            takes_jobs=bed.takes_jobs(worker),
            log=worker.log_lines("(?i)hard.*(limit|timeout)"),
        )


def judge_hard_limit(
    story: Story, *, state: str, takes_jobs: bool, log: tuple[str, ...]
) -> Finding:
    """Judge by whether the job went on to its own end, and whether its failure was stored."""
    evidence = (story.tell("long"), f"state stored: {state or 'none'}", *log)
    if not takes_jobs:
        return breaks("After it the worker takes no more jobs.", *evidence)
    if story.of("long", moment="finished"):
        return ignored("The job ran to its end.", *evidence)
    if state != "FAILURE":
        return breaks("The job was ended, and its failure is not stored.", *evidence)
    return works("The job was ended, its failure stored, and the worker went on.", *evidence)


def _ended(story: Story, label: str) -> bool:
    return label in story.labels("finished") | story.labels("interrupted")


SOFT_LIMIT = Row(
    name="soft-limit",
    title="soft time limit",
    question=f"`--soft-time-limit {LIMIT_S}`, and a job that waits {JOB_S:.0f} s.",
    expected=f"After {LIMIT_S} s SoftTimeLimitExceeded is raised inside the job.",
    attempt=_try_soft_limit,
)
HARD_LIMIT = Row(
    name="hard-limit",
    title="hard time limit",
    question=f"`--time-limit {LIMIT_S}`, and a job that waits {JOB_S:.0f} s; then one more job.",
    expected=f"After {LIMIT_S} s the job is ended and marked failed; the worker goes on.",
    attempt=_try_hard_limit,
)
