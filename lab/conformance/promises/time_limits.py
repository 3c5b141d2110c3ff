"""Time limits: a job that takes too long gets an exception, or is ended."""

from __future__ import annotations

from lab.conformance.finding import BREAKS, IGNORED, Finding, judge
from lab.conformance.observation import Observation
from lab.conformance.promise import Promise
from lab.conformance.testbed import Testbed

#: The limit, and how long the job would take without one, seconds.
LIMIT_S = 1
JOB_S = 4.0


@Promise(
    title="soft time limit",
    question=f"`--soft-time-limit {LIMIT_S}`, and a job that waits {JOB_S:.0f} s.",
    expected=f"After {LIMIT_S} s SoftTimeLimitExceeded is raised inside the job.",
)
def soft_limit(testbed: Testbed) -> Finding:
    """Let a job exceed its soft time limit."""
    seen = _exceed(testbed, "--soft-time-limit", log="(?i)soft.*(limit|timeout)")
    return judge_soft_limit(seen)


def judge_soft_limit(seen: Observation) -> Finding:
    """Judge by the exception that the job itself got while it waited."""
    stamps = seen.stamps
    errors = [one.error for one in stamps.of("long", moment="interrupted")]
    is_raised, met = "SoftTimeLimitExceeded" in errors, errors[0] if errors else "nothing"
    ran_on = not is_raised and stamps.have("finished", "long")
    early = f"The job ended early and got {met} instead of the exception."
    return judge(
        (not seen.takes_jobs, BREAKS, "After it the worker takes no more jobs."),
        (ran_on, IGNORED, "The job ran to its end without an exception."),
        (not is_raised, BREAKS, early),
        works="The exception was raised in the job where it waited.",
        evidence=(stamps.describe("long"), f"state stored: {seen.state('long')}", *seen.log),
    )


@Promise(
    title="hard time limit",
    question=f"`--time-limit {LIMIT_S}`, and a job that waits {JOB_S:.0f} s; then one more job.",
    expected=f"After {LIMIT_S} s the job is ended and marked failed; the worker continues.",
)
def hard_limit(testbed: Testbed) -> Finding:
    """Let a job exceed its hard time limit."""
    return judge_hard_limit(_exceed(testbed, "--time-limit", log="(?i)hard.*(limit|timeout)"))


def judge_hard_limit(seen: Observation) -> Finding:
    """Judge by whether the job ran to its own end, and whether its failure was stored."""
    state = seen.state("long")
    return judge(
        (not seen.takes_jobs, BREAKS, "After it the worker takes no more jobs."),
        (seen.stamps.have("finished", "long"), IGNORED, "The job ran to its end."),
        (state != "FAILURE", BREAKS, "The job was ended, and its failure was not stored."),
        works="The job was ended, its failure was stored, and the worker continued.",
        evidence=(seen.stamps.describe("long"), f"state stored: {state}", *seen.log),
    )


def _exceed(testbed: Testbed, option: str, *, log: str) -> Observation:
    """Run a job that exceeds the limit of this option; observe it past the job's own end."""
    with testbed.worker(option, str(LIMIT_S)) as worker:
        testbed.send("wait", label="long", seconds=JOB_S)
        worker.until(testbed.has("started", "long"))
        # a job that was not ended has stamped its own end by then
        worker.until(testbed.has("finished", "long"), within_s=JOB_S + 1)
        testbed.until(lambda: testbed.state("long") is not None, within_s=2)
        return testbed.observe(worker, log, sends_one_more=True)
