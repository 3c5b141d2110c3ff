"""When jobs run: rate limits, times to come, and the parts of a chord before its sum."""

from __future__ import annotations

import time

from lab.conformance.bed import Bed
from lab.conformance.outcome import Finding, breaks, ignored, works
from lab.conformance.row import Row
from lab.conformance.story import Story

#: The rate limit, jobs a second, and the jobs sent at once.
RATE_PER_S = 2
RATED = 5

#: Half of what all starts take that keep the limit: a busy machine may delay the first of them.
RATED_SPAN_S = (RATED - 1) / RATE_PER_S / 2

#: How far ahead a job is sent, and how late it may be on a busy machine, seconds.
AHEAD_S = 2.0
LATE_S = 3.0

#: Parts of the chord.
PARTS = 4


def _try_rate_limit(bed: Bed) -> Finding:
    settings = {"task_annotations": {"wait": {"rate_limit": f"{RATE_PER_S}/s"}}}
    with bed.worker(settings=settings) as worker:
        jobs = bed.send_many("wait", labels="job", count=RATED, seconds=0.01)
        worker.until(bed.has("finished", *jobs), within_s=15)
        bed.pause(0.5)
        return judge_rate_limit(bed.story(), jobs=jobs)


def judge_rate_limit(story: Story, *, jobs: list[str]) -> Finding:
    """Judge by the time between the first start and the last."""
    starts = [one.t_ns for one in story.stamps if one.moment == "started"]
    span_s = (max(starts) - min(starts)) / 1e9 if starts else 0.0
    evidence = f"{len(starts)} starts of {len(jobs)} jobs within {span_s:.1f} s"
    if len(starts) > len(jobs):
        return breaks("Jobs were run twice.", evidence)
    if not story.have("finished", labels=jobs):
        return breaks("Not every job was run.", evidence)
    if span_s < RATED_SPAN_S:
        return ignored("The jobs ran without a limit.", evidence)
    return works("The jobs kept to the limit.", evidence)


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
    question=f"A job limited to {RATE_PER_S}/s, sent {RATED} times at once.",
    expected=f"At least {1 / RATE_PER_S:g} s lie between two starts; each job runs once.",
    attempt=_try_rate_limit,
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
