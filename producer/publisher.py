"""Sends a trial's jobs when they are due, in batches, and counts them in Redis.

Open loop: due times are drawn in advance and don't depend on the workers. A late job is recorded as
late; none is skipped.
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
from poolbench.keys import RUNS, check_name, run_key
from poolbench.machine import boot_id
from poolbench.records import TrialPlan
from producer.mixes import Mix
from producer.queue_writer import QueueWriter
from producer.template import capture

#: Most jobs of one LPUSH: larger ones are no faster and block the broker for longer.
BATCH = 500

#: Jobs due within this time after the last batch are sent together, seconds. It is the longest
#: delay of a job, so that the p99 of the lag stays below a millisecond. It limits the producer to
#: 2,000 batches a second, which leaves the cores to the measured workers.
GATHER_S = 0.0005

#: If the next job is due later than this, seconds, the sender reads the broker's answers first.
SPARE_S = 0.005

#: Longest sleep between two calls of ``should_stop``, seconds.
_NAP_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent of a trial."""

    #: Jobs in the queue.
    count: int
    #: Due time of the first job, Unix nanoseconds.
    first_due_ns: int
    #: Longest time from a job's due time until it was sent, seconds.
    lag_max_s: float
    #: From the start until the broker acknowledged the last batch, seconds.
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

    ``calibration`` has the CPU-seconds of a unit of work by kind, for kinds that need it.

    Raises:
        UsageError: if the name is invalid or taken.
    """
    key, now_ns = run_key(check_name(run, what="run")), time.time_ns()
    if not client.hsetnx(key, "created_ns", now_ns):
        problem, remedy = "there is a run of this name", "use another name"
        raise UsageError(Fault(field="run", seen=run, problem=problem, remedy=remedy))
    with client.pipeline(transaction=True) as transaction:
        trials = json.dumps([asdict(plan) for plan in plans])
        # due times are stamped by this machine's clock, which can't be compared with another's
        transaction.hset(key, mapping={"source": source, "trials": trials, "boot_id": boot_id()})
        transaction.hset(key, "calibration", json.dumps(dict(calibration or {})))
        if source == "producer":
            transaction.zadd(RUNS, {run: now_ns / 1e9})
        transaction.execute()


def close_run(client: redis.Redis, *, run: str) -> None:
    """Mark the run as sent, so that its ledger can close; repeated calls do nothing."""
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
    """Send one job for each offset, seconds from now, to the contender's queues.

    Jobs that are due are sent in batches of at most `BATCH`. While no job is due, it reads the
    broker's answers, or sleeps. With a ``mix``, each job is of its part's kind; else of the plan's.
    ``on_sent`` is called after each batch with the number of jobs sent so far; ``should_stop`` is
    called before each batch, and ten times a second while none is due.

    Raises:
        UsageError: if jobs of this trial were sent before.
        StackError: if the broker is lost, with the number of jobs in the queue.
    """
    template = capture(plan, run=run, scope=scope, mix=mix)
    with QueueWriter(client, run=run, trial=plan.trial) as writer:
        # the wall clock stamps times; the monotonic clock, which is never set back, is waited for
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
                writer.put(template.render(due_ns, first_job=count, sent_ns=sent_ns))
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
