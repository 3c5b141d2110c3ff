"""Remote control: jobs revoked, and questions answered, while the worker is busy."""

from __future__ import annotations

from typing import Any

from lab.conformance.finding import BREAKS, IGNORED, Finding, judge
from lab.conformance.observation import Observation
from lab.conformance.promise import Promise
from lab.conformance.testbed import Testbed

#: How long the jobs of a busy worker wait, seconds.
BUSY_S = 4.0

#: Duration of the jobs during all requests, seconds: longer than the timeouts of all requests.
ASKED_S = 9.0

#: How long a job that is to be terminated would take, seconds.
RUNNING_S = 6.0

#: How long an answer may take, seconds; `celery inspect` waits 1 s by default.
ANSWER_WITHIN_S = 3.0

#: Jobs by which counts are compared.
COUNTED = 20

#: Name of a number in `inspect`, its value there, the source of the true number, and that number.
Count = tuple[str, int | None, str, int]


@Promise(
    title="revoke of a waiting job",
    question=(
        "While every slot is busy, six jobs are sent and three of them revoked "
        "before any could start."
    ),
    expected="The worker confirms; the revoked jobs never run, the other three do.",
)
def revoke_waiting(testbed: Testbed) -> Finding:
    """Revoke some of the jobs that wait in a busy worker."""
    with testbed.worker() as worker:
        worker.until(worker.is_listening)
        busy = testbed.fill_slots(worker, seconds=BUSY_S)
        revoked = testbed.send_many("wait", labels="revoked", count=3, seconds=0.1)
        kept = testbed.send_many("wait", labels="kept", count=3, seconds=0.1)
        answer = worker.revoke(revoked)
        worker.until(testbed.has("finished", *busy, *kept), within_s=BUSY_S + 15)
        testbed.pause(0.5)
        seen = testbed.observe(worker, "Discarding revoked")
        return judge_revoke(seen, revoked=revoked, kept=[*busy, *kept], answer=answer)


def judge_revoke(
    seen: Observation, *, revoked: list[str], kept: list[str], answer: object
) -> Finding:
    """Judge by which of the revoked jobs ran nevertheless, and whether the others did."""
    started = seen.stamps.labels("started").intersection(revoked)
    ran = f"{len(started)} of {len(revoked)} revoked jobs ran"
    are_kept = seen.stamps.have("finished", *kept)
    return judge(
        (not are_kept, BREAKS, "Jobs that were not revoked did not run."),
        (answer is None, IGNORED, f"No answer came until a slot was free, and {ran}."),
        (bool(started), IGNORED, f"{ran} nevertheless."),
        works="None of the revoked jobs ran.",
        evidence=(
            f"{ran}; states stored: {', '.join(seen.state(label) for label in revoked)}",
            f"answer to the command while busy: {answer or 'none'}",
            *seen.log,
        ),
    )


@Promise(
    title="terminate of a running job",
    question=(
        f"`revoke(terminate=True)` on a job that waits {RUNNING_S:.0f} s, next to another "
        "where the pool has a second slot; then one more job."
    ),
    expected="The job is ended and stored as revoked; the other jobs run.",
)
def terminate_running(testbed: Testbed) -> Finding:
    """Terminate one of the running jobs."""
    with testbed.worker() as worker:
        worker.until(worker.is_listening)
        testbed.send("wait", label="target", seconds=RUNNING_S)
        worker.until(testbed.has("started", "target"))
        beside = testbed.send_many("wait", labels="beside", count=worker.slots - 1, seconds=2.0)
        worker.until(testbed.has("started", *beside))
        answer = worker.revoke("target", terminate=True)
        # past the target's own end, by which a job that was not terminated has stamped it
        worker.until(testbed.has("finished", "target"), within_s=RUNNING_S + 1)
        trace = "NotImplementedError|Terminating target|not implement"
        seen = testbed.observe(worker, trace, sends_one_more=True)
        return judge_terminate(seen, beside=beside, answer=answer)


def judge_terminate(seen: Observation, *, beside: list[str], answer: object) -> Finding:
    """Judge by whether the running job ran to its own end."""
    stamps, state = seen.stamps, seen.state("target")
    are_spared = stamps.have("finished", *beside)
    return judge(
        (not are_spared, BREAKS, "A job in another slot was ended too."),
        (not seen.takes_jobs, BREAKS, "After it the worker takes no more jobs."),
        (stamps.have("finished", "target"), IGNORED, "The job ran to its end."),
        (state != "REVOKED", BREAKS, "The job was ended, and not stored as revoked."),
        works="The job was ended and stored as revoked; the others went on.",
        evidence=(
            stamps.describe("target", *beside),
            f"state stored: {state}",
            f"answer to the command: {answer or 'none'}",
            *seen.log,
        ),
    )


@Promise(
    title="remote control while busy",
    question=(
        "Every slot is busy, jobs wait in the worker and in the queue; "
        "`inspect ping` and `inspect active`."
    ),
    expected=f"Each is answered within {ANSWER_WITHIN_S} s while the jobs run.",
)
def remote_control_busy(testbed: Testbed) -> Finding:
    """Send requests to a worker whose slots are all busy."""
    with testbed.worker() as worker:
        worker.until(worker.is_listening)
        # more jobs than the worker can fetch, so that jobs wait in it and in the queue
        busy = testbed.send_many("wait", labels="busy", count=worker.slots * 8, seconds=ASKED_S)
        first = busy[: worker.slots]
        worker.until(testbed.has("started", *first))
        answers = [worker.inspect(what, within_s=ANSWER_WITHIN_S) for what in ("ping", "active")]
        was_busy = not testbed.stamps().labels("finished").intersection(first)
        answers_later = any(answers) or worker.until(
            lambda: bool(worker.inspect("ping")), within_s=ASKED_S * 4
        )
        return judge_ping(
            answers, was_busy=was_busy, answers_later=answers_later, slots=worker.slots
        )


def judge_ping(answers: list[Any], *, was_busy: bool, answers_later: bool, slots: int) -> Finding:
    """Judge by whether ``ping`` and ``active`` were answered while every slot was busy."""
    given = sum(answer is not None for answer in answers)
    is_answered = given == len(answers) and was_busy
    when = "before" if was_busy else "after"
    return judge(
        (not is_answered and answers_later, IGNORED, "It answered only when a slot was free."),
        (not is_answered, BREAKS, "It did not answer, not even later."),
        works="It answered while every slot was busy.",
        evidence=(
            f"{given} of {len(answers)} questions answered within {ANSWER_WITHIN_S} s each",
            f"that was {when} the first of {slots} busy slot(s) was free",
        ),
    )


@Promise(
    title="inspect's counts",
    question=(
        f"After {COUNTED} jobs, and again while every slot is busy: `inspect stats` and "
        "`inspect active`, compared with what the jobs stamped."
    ),
    expected="Each count is the number of jobs run, of jobs in flight, of slots requested.",
)
def inspect_counts(testbed: Testbed) -> Finding:
    """Compare the numbers that `inspect` reports with the true ones."""
    with testbed.worker() as worker:
        worker.until(worker.is_listening)
        quick = testbed.send_many("wait", labels="quick", count=COUNTED, seconds=0.02)
        worker.until(testbed.has("finished", *quick), within_s=30)
        stats = worker.inspect("stats") or {}
        ran = len(testbed.stamps().labels("started"))
        busy = testbed.fill_slots(worker, seconds=BUSY_S)
        active = worker.inspect("active", within_s=BUSY_S * len(busy)) or []
        in_flight = testbed.stamps().in_flight()
        slots = stats.get("pool", {}).get("max-concurrency")
        total = sum(stats.get("total", {}).values())
        return judge_counts(
            ("active", len(active), "in flight", in_flight),
            ("stats total", total, "stamped as run", ran),
            ("stats max-concurrency", slots, "given -c", worker.slots),
        )


def judge_counts(*counts: Count) -> Finding:
    """Judge by whether `inspect` reports each true number."""
    wrong = [name for name, reported, _, actual in counts if reported != actual]
    return judge(
        (bool(wrong), BREAKS, f"It reports a wrong number: {', '.join(wrong)}."),
        works="It reports each number as it is.",
        evidence=tuple(
            f"inspect {name}: {reported}; {source}: {actual}"
            for name, reported, source, actual in counts
        ),
    )
