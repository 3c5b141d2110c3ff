"""Follows jobs that leave no records: by the length of their queue, and by Celery's own count.

A queue that is empty does not mean that all jobs are done: a worker holds some that no queue
shows. So the queue gives a throughput and no account, and when all have ended is asked of Celery.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from lab.trial.context import Bench, TrialFacts
from lab.trial.workers import LabWorker
from poolbench.keys import queue_name
from report.trials.queue_throughput import MIN_JOBS

#: Pause between two looks at a queue's length, seconds. Throughput comes from exact lengths at
#: known moments, so looking more often would disturb and not sharpen it.
LOOK_EVERY_S = 0.05

#: Pause between two questions to a worker, seconds.
ASK_EVERY_S = 0.1


def reserved_jobs(*, slots: int, multiplier: int) -> int:
    """Return how many jobs leave the queue before a worker's slots are busy, at the most."""
    return slots * (1 + multiplier)


def middle_size(*, slots: int, multiplier: int) -> int:
    """Return how many jobs a backlog takes at the least, to have a middle worth measuring.

    A whole number of jobs a slot.
    """
    waves = -(-4 * MIN_JOBS // slots) + 1 + multiplier
    return slots * waves


def watch_queue(
    bench: Bench,
    *,
    worker: LabWorker,
    facts: TrialFacts,
    stall_s: float,
    on_look: Callable[[], None],
) -> None:
    """Note the queue's length until it is empty; end as well if the worker dies or nothing moves.

    ``on_look`` is called after each look.
    """
    queue = queue_name(worker.contender.name, scope=bench.run)
    facts.queue_lengths = []
    moved_at_s, last = time.monotonic(), facts.sent
    while last and worker.is_alive and time.monotonic() - moved_at_s <= stall_s:
        before_ns = time.time_ns()
        length = int(bench.client.llen(queue))
        # the server looked somewhere between the two moments
        facts.queue_lengths.append(((before_ns + time.time_ns()) // 2, length))
        if length != last:
            moved_at_s, last = time.monotonic(), length
        on_look()
        time.sleep(LOOK_EVERY_S)


def follow_count(bench: Bench, *, worker: LabWorker, facts: TrialFacts, stall_s: float) -> None:
    """Ask the worker until all jobs sent to it have ended; say in the facts why, if they don't."""
    before = worker.sent - facts.sent
    moved_at_s, last = time.monotonic(), -1
    while True:
        found = bench.control.count(worker.contender.name)
        ended = last if found is None else min(found.ended - before, facts.sent)
        if ended > last:
            moved_at_s, last = time.monotonic(), ended
        facts.ended_by_celery = max(last, 0)
        missing = facts.sent - facts.ended_by_celery
        if not missing:
            return
        if not worker.is_alive:
            facts.reasons.append(
                f"the worker ended with exit code {worker.child.exit_code} in the trial, "
                f"{missing} of {facts.sent} jobs not ended by Celery's count "
                f"(log kept: {worker.child.log.name})"
            )
            return
        if time.monotonic() - moved_at_s > stall_s:
            facts.reasons.append(
                f"Celery's count stood still for {stall_s:g} s, "
                f"{missing} of {facts.sent} jobs not ended"
            )
            return
        time.sleep(ASK_EVERY_S)
