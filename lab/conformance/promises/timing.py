"""When jobs run: rate limits, an ETA, and the parts of a chord before its callback."""

from __future__ import annotations

import time

from lab.conformance.finding import BREAKS, IGNORED, Finding, judge
from lab.conformance.observation import Observation
from lab.conformance.promise import Promise
from lab.conformance.stamps import longest_wait_s
from lab.conformance.testbed import Testbed

#: The rate limit, jobs a second; the limited jobs, more than a worker with one slot prefetches by
#: Celery's own settings; and jobs of another kind, sent after them.
RATE_PER_S = 2
LIMITED = 12
BESIDE = 3

#: Shortest span of all starts that counts as limited, seconds: half of the exact span, since a busy
#: machine may delay the first start.
LIMITED_SPAN_S = (LIMITED - 1) / RATE_PER_S / 2

#: How late a job with a free slot may start on a busy machine, seconds.
LEFT_WAITING_S = 2.0

#: Countdown of the job, and how late it may start on a busy machine, seconds.
AHEAD_S = 2.0
LATE_S = 3.0

#: Parts of the chord.
PARTS = 4


@Promise(
    title="rate limit",
    question=(
        f"One slot, {LIMITED} jobs limited to {RATE_PER_S}/s and {BESIDE} of another kind after "
        "them, all at once; by Celery's own settings, and with worker_prefetch_multiplier = 0."
    ),
    expected=(
        f"At least {1 / RATE_PER_S:g} s lie between two starts of limited jobs; each runs once; "
        "the others don't wait for them."
    ),
    lasts_s=15.0,
)
def rate_limit(testbed: Testbed) -> Finding:
    """Send limited jobs and others, with prefetching and without."""
    limit = {"task_annotations": {"wait": {"rate_limit": f"{RATE_PER_S}/s"}}}
    with testbed.worker(slots=1, settings=limit) as worker:
        limited, beside, sent_ns = _send_beside(testbed, labels="first")
        worker.until(testbed.has("finished", *limited, *beside), within_s=LIMITED / RATE_PER_S + 10)
        testbed.pause(0.5)
        seen = testbed.observe(worker)
        waited_s = longest_wait_s(seen.stamps, jobs=beside, since_ns=sent_ns)
    with testbed.worker(slots=1, settings={**limit, "worker_prefetch_multiplier": 0}) as worker:
        _, beside, sent_ns = _send_beside(testbed, labels="second")
        worker.until(testbed.has("finished", *beside), within_s=LEFT_WAITING_S * 2)
        without_s = longest_wait_s(testbed.stamps(), jobs=beside, since_ns=sent_ns)
    return judge_rate_limit(seen, limited=limited, waits_s=(waited_s, without_s))


def _send_beside(testbed: Testbed, *, labels: str) -> tuple[list[str], list[str], int]:
    """Send limited jobs, then others; return both, and when the others were sent, Unix ns."""
    limited = testbed.send_many("wait", labels=f"{labels}-limited", count=LIMITED, seconds=0.01)
    sent_ns = time.time_ns()
    beside = testbed.send_many("add_one", labels=f"{labels}-beside", count=BESIDE, number=1)
    return limited, beside, sent_ns


def judge_rate_limit(
    seen: Observation, *, limited: list[str], waits_s: tuple[float | None, float | None]
) -> Finding:
    """Judge by the starts of the limited jobs, and by how long the others waited.

    ``waits_s`` has the longest wait with Celery's own settings, and without prefetching; None if
    one of the others never started.
    """
    starts = [one.t_ns for label in limited for one in seen.stamps.of(label, moment="started")]
    span_s = (max(starts) - min(starts)) / 1e9 if starts else 0.0
    by_default, without = (one is None or one > LEFT_WAITING_S for one in waits_s)
    waits = ["not all started" if one is None else f"started within {one:.1f} s" for one in waits_s]
    left = "The jobs kept the limit. Jobs of another kind were left waiting beside a free slot"
    setting = "worker_prefetch_multiplier = 0"
    taken = f"since the limited ones took every prefetched place; with {setting} they started"
    are_done = seen.stamps.have("finished", *limited)
    return judge(
        (len(starts) > len(limited), BREAKS, "Jobs were run twice."),
        (not are_done, BREAKS, "Not every job was run."),
        (span_s < LIMITED_SPAN_S, IGNORED, "The jobs ran without a limit."),
        (by_default and without, BREAKS, f"{left}, with {setting} too."),
        (by_default, BREAKS, f"{left}, {taken} at once."),
        (without, BREAKS, f"{left}, only with {setting}."),
        works="The jobs kept the limit, and others started next to them.",
        evidence=(
            f"{len(starts)} starts of {len(limited)} limited jobs within {span_s:.1f} s",
            f"jobs of another kind by Celery's own settings: {waits[0]}",
            f"with {setting}: {waits[1]}",
        ),
    )


@Promise(
    title="eta",
    question=f"A job with countdown={AHEAD_S:.0f}, sent to an idle worker.",
    expected="It starts once, not before its time and soon after.",
)
def eta(testbed: Testbed) -> Finding:
    """Send a job that is due later."""
    with testbed.worker() as worker:
        due_ns = time.time_ns() + int(AHEAD_S * 1e9)
        testbed.send("wait", label="later", countdown=AHEAD_S, seconds=0.0)
        testbed.send("wait", label="now", seconds=0.0)
        worker.until(testbed.has("finished", "later", "now"), within_s=AHEAD_S + 15)
        testbed.pause(0.5)
        return judge_eta(testbed.observe(worker), due_ns=due_ns)


def judge_eta(seen: Observation, *, due_ns: int) -> Finding:
    """Judge by the difference between the start and the time requested."""
    starts = seen.stamps.of("later", moment="started")
    late_s = (starts[0].t_ns - due_ns) / 1e9 if starts else 0.0
    when = f"started {abs(late_s):.2f} s {'after' if late_s >= 0 else 'before'} its time"
    return judge(
        (not starts, BREAKS, "The job never ran."),
        (len(starts) > 1, BREAKS, "The job was run twice."),
        (late_s < -0.05, IGNORED, "The job ran before its time."),
        (late_s > LATE_S, BREAKS, "The job was left waiting beyond its time."),
        works="The job started when its time had come.",
        evidence=(when,) if len(starts) == 1 else (seen.stamps.describe("later"),),
    )


@Promise(
    title="chord",
    question=f"A job sends a chord of {PARTS} parts and a callback that adds up their results.",
    expected="Each part runs, then the callback once, with all the results.",
)
def chord(testbed: Testbed) -> Finding:
    """Run a chord that a job sends."""
    with testbed.worker() as worker:
        testbed.send("open_chord", label="opener", parts=PARTS)
        worker.until(testbed.has("finished", "sum"), within_s=20)
        testbed.pause(0.5)
        return judge_chord(testbed.observe(worker, "^(ERROR|CRITICAL)"))


def judge_chord(seen: Observation) -> Finding:
    """Judge by the parts that ran, and by the sum that the callback stamped."""
    parts = [label for label in seen.stamps.labels("finished") if label.startswith("part-")]
    totals = [one.total for one in seen.stamps.of("sum", moment="finished")]
    is_right = totals == [PARTS * (PARTS + 1) // 2]
    return judge(
        (not totals, BREAKS, "The callback never ran."),
        (not is_right, BREAKS, "The callback ran twice, or with a wrong sum."),
        works="The callback ran once, with every part's result.",
        evidence=(
            f"{len(parts)} of {PARTS} parts ran; sums stamped: {totals or 'none'}",
            *seen.log,
        ),
    )
