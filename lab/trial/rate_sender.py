"""Sends the jobs of a trial at a rate while the lab follows them."""

from __future__ import annotations

import contextlib
import time
from bisect import bisect_right
from typing import Self

import redis

from collector.run_manifest import PlannedTrial
from lab.experiment.arrivals import Load
from lab.fixtures.sender import ANSWER_TIMEOUT_S
from lab.instruments.stream_follower import TrialView
from lab.trial.context import Bench
from poolbench.errors import StackError
from producer.mixes import Mix


class Sending:
    """Sends the jobs of a new trial, in another process, while the context is open.

    Jobs that are not sent when the context closes are never sent.
    """

    def __init__(self, bench: Bench, *, plan: PlannedTrial, load: Load, mix: Mix | None) -> None:
        assert bench.sender is not None, "a workload with a rate has a sender"
        self._bench, self._plan, self._load, self._mix = bench, plan, load, mix
        self._sender = bench.sender
        #: Executions due by the number of jobs due.
        self._executions = mix.first_seqs if mix else range(len(load.offsets_s) + 1)
        #: How many jobs were sent; None while there are more to send.
        self._sent: int | None = None

    def __enter__(self) -> Self:
        self._bench.begin_trial(self._plan)
        view = self._bench.follower.view(self._plan.trial)
        # a step of a search is judged during the run
        view.lines = None if self._plan.step is None else []
        self._sender.begin(
            self._plan,
            run=self._bench.name,
            scope=self._bench.scope(self._plan.block),
            offsets_s=self._load.offsets_s,
            mix=self._mix,
            database=self._bench.database(self._plan),
        )
        self._began_at_s = time.monotonic()
        return self

    def sent_in_all(self, view: TrialView) -> int | None:
        """Return how many jobs were sent; None while there are more to send.

        Stops a step of a search whose backlog exceeds `Load.max_in_flight_jobs`. While every due
        job has ended, the time without a line does not count as a stall.

        Raises:
            StackError: if the sender lost the broker, or ended.
        """
        if self._sent is None:
            self._take(wait_s=0.0)
        due = bisect_right(self._load.offsets_s, time.monotonic() - self._began_at_s)
        due_or_sent = self._executions[due] if self._sent is None else self._sent
        in_flight = due_or_sent - len(view.ended)
        if in_flight <= 0:
            view.last_line_at_s = time.monotonic()
        limit = self._load.max_in_flight_jobs
        if limit is not None and in_flight > limit and self._sent is None:
            self._sender.stop()
        return self._sent

    def _take(self, *, wait_s: float) -> None:
        """Record what was sent, if the sender reports it by then."""
        sent = self._sender.poll(wait_s=wait_s)
        if sent is not None:
            self._sent = self._bench.count_sent(self._plan.trial)
            self._bench.record(self._plan.trial, start_ns=sent.first_due_ns, sent=self._sent)

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if self._sent is not None:
            return
        # the first error explains more than a sender that can't be stopped
        with contextlib.suppress(*((StackError, redis.RedisError) if error else ())):
            self._sender.stop()
            self._take(wait_s=ANSWER_TIMEOUT_S)
            if self._sent is None:
                raise StackError(f"the sender did not stop within {ANSWER_TIMEOUT_S:.0f} s")
