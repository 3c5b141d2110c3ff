"""Sends a trial's jobs when they are due, in batches, and keeps the run's account in Redis.

Open loop: due times are drawn beforehand and never wait for workers, so a late job is recorded
as late; none is skipped.
"""

from __future__ import annotations

import json
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import redis

from poolbench.errors import Fault, UsageError
from poolbench.evidence import boot_id
from poolbench.keys import RUNS, check_name, queue_name, run_key
from poolbench.records import TrialPlan
from producer.queue_writer import QueueWriter
from producer.template import Mix, capture

#: Most jobs of one LPUSH: larger ones send no faster and block the broker for longer.
BATCH = 500

#: Jobs due within this span of the last batch go together, seconds. A job waits at most so long,
#: and p99 of the lag is to stay below a millisecond. It bounds the producer to two thousand batches
#: a second, so that it leaves the cores to the workers it measures.
GATHER_S = 0.0005

#: If the next job is due later than this, seconds, the sender reads the broker's answers first.
SPARE_S = 0.005

#: Longest sleep before asking whether to stop, seconds.
_NAP_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent of a trial."""

    #: Jobs in the queue.
    count: int
    #: When the first was due, Unix nanoseconds.
    first_due_ns: int
    #: The most that a job was sent after it was due, seconds.
    lag_max_s: float
    #: From the start until the broker had the last batch, seconds.
    span_s: float
    #: False if it was stopped before all were sent.
    is_complete: bool


def open_run(
    client: redis.Redis,
    *,
    run: str,
    source: Literal["producer", "lab"],
    plans: Sequence[TrialPlan],
    calibration: Mapping[str, float] | None = None,
) -> None:
    """Write a run's hash; the stack's collector serves it if ``source`` is ``producer``.

    ``calibration`` holds the CPU-seconds of a unit of work by kind, where it mattered.

    Raises:
        UsageError: if the name is impossible or taken.
    """
    key, now_ns = run_key(check_name(run, what="run")), time.time_ns()
    if not client.hsetnx(key, "created_ns", now_ns):
        raise UsageError(
            Fault(problem="a run of this name exists", seen=run, remedy="take another")
        )
    with client.pipeline(transaction=True) as transaction:
        trials = json.dumps([asdict(plan) for plan in plans])
        # due times are stamped by this machine's clock, which another's may not be compared with
        transaction.hset(key, mapping={"source": source, "trials": trials, "boot_id": boot_id()})
        transaction.hset(key, "calibration", json.dumps(dict(calibration or {})))
        if source == "producer":
            transaction.zadd(RUNS, {run: now_ns / 1e9})
        transaction.execute()


def close_run(client: redis.Redis, *, run: str) -> None:
    """Mark the run as sent, once: only then can its ledger close."""
    client.hsetnx(run_key(run), "sent_all_ns", time.time_ns())


def publish(
    client: redis.Redis,
    *,
    run: str,
    plan: TrialPlan,
    offsets_s: Sequence[float],
    scope: str = "",
    mix: Mix | None = None,
    on_sent: Callable[[int], None] = lambda _count: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Sent:
    """Send one job for each offset, seconds from now, to the contender's queue.

    Jobs that are due go at most `BATCH` at once. While none is, it reads the broker's answers, or
    sleeps. With a ``mix`` each job is of its part; else all are of the plan's kind.
    ``on_sent`` is called after each batch with the number of jobs sent so far; ``should_stop`` is
    called before each batch, and ten times a second while none is due.

    Raises:
        UsageError: if jobs of this trial were sent before.
        StackError: if the broker is lost, with the count of jobs that went in.
    """
    queue = queue_name(plan.contender, scope=scope)
    template = capture(plan, run=run, queue=queue, mix=mix)
    with QueueWriter(client, run=run, trial=plan.trial, queue=queue) as writer:
        # moments are stamped by one clock and waited for by the other, which is never set back
        start_ns, start_s = time.time_ns(), time.monotonic()
        count = lag_max_ns = 0
        gathered_at_s = 0.0
        while count < len(offsets_s) and not should_stop():
            elapsed_s = time.monotonic() - start_s
            due = bisect_right(offsets_s, elapsed_s, count, min(count + BATCH, len(offsets_s)))
            next_s = max(offsets_s[count], gathered_at_s)
            if due == count + BATCH or next_s <= elapsed_s:
                gathered_at_s = elapsed_s + GATHER_S
                offsets = offsets_s[count:due]
                due_ns = array("q", (start_ns + round(offset_s * 1e9) for offset_s in offsets))
                sent_ns = time.time_ns()
                writer.put(template.render(due_ns, first_seq=count, sent_ns=sent_ns))
                count, lag_max_ns = due, max(lag_max_ns, sent_ns - due_ns[0])
                on_sent(count)
            elif next_s - elapsed_s > SPARE_S and not writer.is_settled:
                writer.settle()
            else:
                time.sleep(min(next_s - elapsed_s, _NAP_S))
        writer.settle()
        return Sent(
            count=count,
            first_due_ns=start_ns,
            lag_max_s=lag_max_ns / 1e9,
            span_s=time.monotonic() - start_s,
            is_complete=count == len(offsets_s),
        )
