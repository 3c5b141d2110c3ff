"""When jobs run: rate limits, times to come, and the parts of a chord before its sum."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any

from lab.conformance.finding import Finding, breaks, ignored, works
from lab.conformance.promise import Row
from lab.conformance.stamps import Story
from lab.conformance.testbed import Bed
from lab.conformance.worker import BedWorker

#: The rate limit, jobs a second; the limited jobs, more than a worker with one slot prefetches by
#: Celery's own settings; and those of another kind, sent after them.
RATE_PER_S = 2
LIMITED = 12
BESIDE = 3

#: Half of what all starts take that keep the limit: a busy machine may delay the first of them.
LIMITED_SPAN_S = (LIMITED - 1) / RATE_PER_S / 2

#: How late a job may begin that has a free slot, on a busy machine, seconds.
STANDING_S = 2.0

#: How far ahead a job is sent, and how late it may be on a busy machine, seconds.
AHEAD_S = 2.0
LATE_S = 3.0

#: Parts of the chord.
PARTS = 4


def _try_rate_limit(bed: Bed) -> Finding:
    with _limiting_worker(bed) as worker:
        limited, beside, sent_ns = _send_beside(bed, labels="first")
        worker.until(bed.has("finished", *limited, *beside), within_s=LIMITED / RATE_PER_S + 10)
        bed.pause(0.5)
        story = bed.story()
        waited_s = longest_wait_s(story, jobs=beside, since_ns=sent_ns)
    with _limiting_worker(bed, worker_prefetch_multiplier=0) as worker:
        _, beside, sent_ns = _send_beside(bed, labels="second")
        worker.until(bed.has("finished", *beside), within_s=STANDING_S * 2)
        without_s = longest_wait_s(bed.story(), jobs=beside, since_ns=sent_ns)
    return judge_rate_limit(
        story, limited=limited, waited_s=waited_s, without_prefetching_s=without_s
    )


def _limiting_worker(bed: Bed, **settings: Any) -> AbstractContextManager[BedWorker]:
    """Return a worker of one slot that limits jobs of one kind."""
    limit = {"task_annotations": {"wait": {"rate_limit": f"{RATE_PER_S}/s"}}}
    return bed.worker(slots=1, settings={**limit, **settings})


def _send_beside(bed: Bed, *, labels: str) -> tuple[list[str], list[str], int]:
    """Send limited jobs and others after them; return both, and when the others were sent."""
    limited = bed.send_many("wait", labels=f"{labels}-limited", count=LIMITED, seconds=0.01)
    sent_ns = time.time_ns()
    beside = bed.send_many("add_one", labels=f"{labels}-beside", count=BESIDE, number=1)
    return limited, beside, sent_ns


def longest_wait_s(story: Story, *, jobs: list[str], since_ns: int) -> float | None:
    """Return how long after a moment the last of these jobs began; None if one did not."""
    starts = [story.of(label, moment="started") for label in jobs]
    return max((one[0].t_ns - since_ns) / 1e9 for one in starts) if all(starts) else None


def judge_rate_limit(
    story: Story,
    *,
    limited: list[str],
    waited_s: float | None,
    without_prefetching_s: float | None,
) -> Finding:
    """Judge by the starts of the limited jobs, and by how long others waited beside them."""
    starts = [one.t_ns for label in limited for one in story.of(label, moment="started")]
    span_s = (max(starts) - min(starts)) / 1e9 if starts else 0.0
    evidence = (
        f"{len(starts)} starts of {len(limited)} limited jobs within {span_s:.1f} s",
        f"jobs of another kind by Celery's own settings: {_tell_wait(waited_s)}",
        f"with worker_prefetch_multiplier = 0: {_tell_wait(without_prefetching_s)}",
    )
    if len(starts) > len(limited):
        return breaks("Jobs were run twice.", *evidence)
    if not story.have("finished", labels=limited):
        return breaks("Not every job was run.", *evidence)
    if span_s < LIMITED_SPAN_S:
        return ignored("The jobs ran without a limit.", *evidence)
    if standing := _tell_standing(waited_s, without_prefetching_s):
        return breaks(f"The jobs kept to the limit. {standing}", *evidence)
    return works("The jobs kept to the limit, and others began beside them.", *evidence)


def _tell_wait(waited_s: float | None) -> str:
    return "not all began" if waited_s is None else f"began within {waited_s:.1f} s"


def _tell_standing(waited_s: float | None, without_prefetching_s: float | None) -> str:
    """Return in which setting other jobs were left standing; empty if in none."""
    stood = waited_s is None or waited_s > STANDING_S
    stood_without = without_prefetching_s is None or without_prefetching_s > STANDING_S
    what = "jobs of another kind were left standing beside a free slot"
    if stood and stood_without:
        return f"{what.capitalize()}; with worker_prefetch_multiplier = 0 too."
    if stood:
        why = "since the limited ones held every prefetched place"
        then = "with worker_prefetch_multiplier = 0 they began at once"
        return f"{what.capitalize()}, {why}; {then}."
    return f"Only with worker_prefetch_multiplier = 0: {what}." if stood_without else ""


def _try_eta(bed: Bed) -> Finding:
    with bed.worker() as worker:
        due_ns = time.time_ns() + int(AHEAD_S * 1e9)
        bed.send("wait", label="later", countdown=AHEAD_S, seconds=0.0)
        bed.send("wait", label="now", seconds=0.0)
        worker.until(bed.has("finished", "later", "now"), within_s=AHEAD_S + 15)
        bed.pause(0.5)
        return judge_eta(bed.story(), due_ns=due_ns)


def judge_eta(story: Story, *, due_ns: int) -> Finding:
    """Judge by the moment of the start beside the moment that was asked for."""
    starts = story.of("later", moment="started")
    if not starts:
        return breaks("The job never ran.", story.tell())
    late_s = (starts[0].t_ns - due_ns) / 1e9
    evidence = f"started {abs(late_s):.2f} s {'after' if late_s >= 0 else 'before'} its time"
    if len(starts) > 1:
        return breaks("The job was run twice.", evidence, story.tell("later"))
    if late_s < -0.05:
        return ignored("The job ran before its time.", evidence)
    if late_s > LATE_S:
        return breaks("The job was left standing beyond its time.", evidence)
    return works("The job started when its time had come.", evidence)


def _try_chord(bed: Bed) -> Finding:
    with bed.worker() as worker:
        bed.send("open_chord", label="opener", parts=PARTS)
        worker.until(bed.has("finished", "sum"), within_s=20)
        bed.pause(0.5)
        return judge_chord(bed.story(), log=worker.log_lines(r"^(ERROR|CRITICAL)"))


def judge_chord(story: Story, *, log: tuple[str, ...]) -> Finding:
    """Judge by the parts that ran, and by the sum that the callback stamped."""
    parts = [label for label in story.labels("finished") if label.startswith("part-")]
    totals = [one.facts["total"] for one in story.of("sum", moment="finished")]
    evidence = (f"{len(parts)} of {PARTS} parts ran; sums stamped: {totals or 'none'}", *log)
    if not totals:
        return breaks("The callback never ran.", *evidence)
    if totals != [PARTS * (PARTS + 1) // 2]:
        return breaks("The callback ran twice or with other numbers.", *evidence)
    return works("The callback ran once, with every part's result.", *evidence)


RATE_LIMIT = Row(
    name="rate-limit",
    title="rate limit",
    question=(
        f"One slot, {LIMITED} jobs limited to {RATE_PER_S}/s and {BESIDE} of another kind after "
        "them, all at once; by Celery's own settings, and with worker_prefetch_multiplier = 0."
    ),
    expected=(
        f"At least {1 / RATE_PER_S:g} s lie between two starts of limited jobs; each runs once; "
        "the others don't wait for them."
    ),
    attempt=_try_rate_limit,
    lasts_s=15.0,
)
ETA = Row(
    name="eta",
    title="eta",
    question=f"A job with countdown={AHEAD_S:.0f}, sent to an idle worker.",
    expected="It starts once, not before its time and soon after.",
    attempt=_try_eta,
)
CHORD = Row(
    name="chord",
    title="chord",
    question=f"A job sends a chord of {PARTS} parts and a callback that adds up their results.",
    expected="Each part runs, then the callback once, with all the results.",
    attempt=_try_chord,
)
