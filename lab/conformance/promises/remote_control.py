"""Remote control: jobs called off, and questions asked, while the worker is busy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.conformance.finding import Finding, breaks, ignored, works
from lab.conformance.promise import Row
from lab.conformance.stamps import Story
from lab.conformance.testbed import Bed

#: How long the jobs of a busy worker wait, seconds.
BUSY_S = 4.0

#: How long they wait while questions are asked, seconds: longer than all of these may take.
ASKED_S = 9.0

#: How long a job that is to be terminated would take, seconds.
RUNNING_S = 6.0

#: How long a question may stay unanswered, seconds; `celery inspect` waits 1 s unless told.
ANSWER_WITHIN_S = 3.0

#: Jobs by which counts are compared.
COUNTED = 20


def _try_revoke(bed: Bed) -> Finding:
    with bed.worker() as worker:
        worker.until(worker.hears, within_s=15)
        busy = bed.send_many("wait", labels="busy", count=worker.slots, seconds=BUSY_S)
        worker.until(bed.has("started", *busy), within_s=15)
        revoked = bed.send_many("wait", labels="revoked", count=3, seconds=0.1)
        kept = bed.send_many("wait", labels="kept", count=3, seconds=0.1)
        answer = worker.command("revoke", task_id=revoked)
        worker.until(bed.has("finished", *busy, *kept), within_s=BUSY_S + 15)
        bed.pause(0.5)
        return judge_revoke(
            bed.story(),
            revoked=revoked,
            kept=[*busy, *kept],
            states=[bed.state(label) for label in revoked],
            answer=answer,
            log=worker.log_lines("Discarding revoked", most=1),
        )


def judge_revoke(
    story: Story,
    *,
    revoked: list[str],
    kept: list[str],
    states: list[str],
    answer: object,
    log: tuple[str, ...],
) -> Finding:
    """Judge by which of the revoked jobs ran nevertheless, and whether the others did."""
    ran = [label for label in revoked if story.of(label, moment="started")]
    evidence = (
        f"{len(ran)} of {len(revoked)} revoked jobs ran; states stored: {', '.join(states)}",
        f"answer to the command while busy: {answer or 'none'}",
        *log,
    )
    if not story.have("finished", labels=kept):
        return breaks("Jobs that nobody revoked were not run.", *evidence)
    if answer is None:
        what = f"{len(ran)} of {len(revoked)} revoked jobs ran"
        return ignored(f"It was not heard until a slot was free, and {what}.", *evidence)
    if not ran:
        return works("None of the revoked jobs ran.", *evidence)
    return ignored(f"{len(ran)} of {len(revoked)} revoked jobs ran nevertheless.", *evidence)


def _try_terminate(bed: Bed) -> Finding:
    with bed.worker() as worker:
        worker.until(worker.hears, within_s=15)
        bed.send("wait", label="target", seconds=RUNNING_S)
        worker.until(bed.has("started", "target"), within_s=15)
        beside = [f"beside-{number}" for number in range(1, worker.slots)]
        for label in beside:
            bed.send("wait", label=label, seconds=2.0)
        worker.until(bed.has("started", *beside), within_s=15)
        answer = worker.command("revoke", task_id="target", terminate=True)
        # past the target's own end, so that one that went on has stamped it
        worker.until(bed.has("finished", "target"), within_s=RUNNING_S + 1)
        return judge_terminate(
            bed.story(),
            beside=beside,
            state=bed.state("target"),
            answer=answer,
            takes_jobs=bed.takes_jobs(worker),
            log=worker.log_lines("NotImplementedError|Terminating target|not implement"),
        )


def judge_terminate(
    story: Story,
    *,
    beside: list[str],
    state: str,
    answer: object,
    takes_jobs: bool,
    log: tuple[str, ...],
) -> Finding:
    """Judge by whether the running job went on to its own end."""
    evidence = (
        story.tell("target", *beside),
        f"state stored: {state or 'none'}",
        f"answer to the command: {answer or 'none'}",
        *log,
    )
    if not story.have("finished", labels=beside):
        return breaks("A job in another slot was ended too.", *evidence)
    if not takes_jobs:
        return breaks("After it the worker takes no more jobs.", *evidence)
    if story.of("target", moment="finished"):
        return ignored("The job ran to its end.", *evidence)
    if state != "REVOKED":
        return breaks("The job was ended, and is not stored as revoked.", *evidence)
    return works("The job was ended and stored as revoked; the others went on.", *evidence)


def _try_ping(bed: Bed) -> Finding:
    with bed.worker() as worker:
        worker.until(worker.hears, within_s=15)
        # two more rounds than slots, so that jobs wait inside the worker and in the queue too
        busy = bed.send_many("wait", labels="busy", count=worker.slots * 8, seconds=ASKED_S)
        first = busy[: worker.slots]
        worker.until(bed.has("started", *first), within_s=15)
        answers = [worker.inspect("ping", within_s=ANSWER_WITHIN_S)]
        active = worker.inspect("active", within_s=ANSWER_WITHIN_S)
        answers.append(active)
        was_busy = not bed.story().labels("finished").intersection(first)
        answers_later = any(answers) or worker.until(
            lambda: bool(worker.inspect("ping")), within_s=ASKED_S * 4
        )
        return judge_ping(
            answers, was_busy=was_busy, answers_later=answers_later, slots=worker.slots
        )


def judge_ping(answers: list[Any], *, was_busy: bool, answers_later: bool, slots: int) -> Finding:
    """Judge by whether ``ping`` and ``active`` were answered while every slot was taken."""
    given = sum(answer is not None for answer in answers)
    when = "before" if was_busy else "after"
    evidence = (
        f"{given} of {len(answers)} questions answered within {ANSWER_WITHIN_S} s each",
        f"that was {when} the first of {slots} busy slot(s) was free",
    )
    if given == len(answers) and was_busy:
        return works("It answered while every slot was taken.", *evidence)
    if answers_later:
        return ignored("It answered only when a slot was free.", *evidence)
    return breaks("It did not answer, not even later.", *evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What `inspect` says, beside what the jobs stamped."""

    #: Said and stamped: jobs under way while every slot was taken.
    active: int
    under_way: int
    #: Said and stamped: jobs run since the start.
    total: int
    ran: int
    #: Said and given on the command line.
    concurrency: int | None
    slots: int

    def tell(self) -> tuple[str, ...]:
        """Return the counts as evidence."""
        return (
            f"inspect active: {self.active}; stamped: {self.under_way} under way",
            f"inspect stats total: {self.total}; stamped: {self.ran} run",
            f"inspect stats max-concurrency: {self.concurrency}; started with -c {self.slots}",
        )


def _try_counts(bed: Bed) -> Finding:
    with bed.worker() as worker:
        worker.until(worker.hears, within_s=15)
        quick = bed.send_many("wait", labels="quick", count=COUNTED, seconds=0.02)
        worker.until(bed.has("finished", *quick), within_s=30)
        stats = worker.inspect("stats") or {}
        total = _total(stats)
        ran = len(bed.story().labels("started"))
        busy = bed.send_many("wait", labels="busy", count=worker.slots, seconds=BUSY_S)
        worker.until(lambda: bed.story().under_way() == worker.slots, within_s=15)
        active = worker.inspect("active", within_s=BUSY_S * len(busy)) or []
        counts = Counts(
            active=len(active),
            under_way=bed.story().under_way(),
            total=total,
            ran=ran,
            concurrency=stats.get("pool", {}).get("max-concurrency"),
            slots=worker.slots,
        )
        return judge_counts(counts)


def judge_counts(counts: Counts) -> Finding:
    """Judge by whether each count is the one that the jobs stamped."""
    pairs = (
        (counts.active, counts.under_way, "active"),
        (counts.total, counts.ran, "total"),
        (counts.concurrency, counts.slots, "max-concurrency"),
    )
    wrong = [name for said, stamped, name in pairs if said != stamped]
    if wrong:
        return breaks(f"It says what isn't so: {', '.join(wrong)}.", *counts.tell())
    return works("Each count is what the jobs stamped.", *counts.tell())


def _total(stats: Mapping[str, Any]) -> int:
    return int(sum(stats.get("total", {}).values()))


REVOKE = Row(
    name="revoke-waiting",
    title="revoke of a waiting job",
    question=(
        "While every slot is taken, six jobs are sent and three of them revoked "
        "before any could start."
    ),
    expected="The worker confirms; the revoked jobs never run, the other three do.",
    attempt=_try_revoke,
)
TERMINATE = Row(
    name="terminate-running",
    title="terminate of a running job",
    question=(
        f"`revoke(terminate=True)` on a job that waits {RUNNING_S:.0f} s, beside another "
        "where the pool has a second slot; then one more job."
    ),
    expected="The job is ended and stored as revoked; the other jobs run.",
    attempt=_try_terminate,
)
PING = Row(
    name="remote-control-busy",
    title="remote control while busy",
    question=(
        "Every slot is taken, jobs wait in the worker and in the queue; "
        "`inspect ping` and `inspect active`."
    ),
    expected=f"Each is answered within {ANSWER_WITHIN_S} s while the jobs run.",
    attempt=_try_ping,
)
COUNTS = Row(
    name="inspect-counts",
    title="inspect's counts",
    question=(
        f"After {COUNTED} jobs, and again while every slot is taken: `inspect stats` and "
        "`inspect active` beside what the jobs stamped."
    ),
    expected="Each count is the number that was run, that is running, that was asked for.",
    attempt=_try_counts,
)
