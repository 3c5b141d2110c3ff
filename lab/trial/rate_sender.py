"""Sends the jobs of a trial at a rate while the lab follows them."""

from __future__ import annotations

import contextlib
import time
from bisect import bisect_right
from types import TracebackType
from typing import Self

import redis

from collector.run_manifest import PlannedTrial
from lab.experiment.arrivals import Load
from lab.fixtures.sender import ANSWER_TIMEOUT_S
from lab.instruments.stream_follower import TrialView
from lab.trial.context import Bench
from poolbench.errors import StackError
from producer.template import Mix


class Sending:
    """Another process sends the jobs of a new trial while the body runs.

    When the body ends before all jobs are sent, the rest is not sent.
    """

    def __init__(self, bench: Bench, *, plan: PlannedTrial, load: Load, mix: Mix | None) -> None:
        if bench.sender is None:
            raise StackError("this run has no sender")
        self._bench, self._plan, self._load, self._mix = bench, plan, load, mix
        self._sender = bench.sender
        self._is_over = False
        self._is_stopped = False
        #: Due time of the first job and number of jobs; None and 0 while the process sends.
        self.start_ns: int | None = None
        self.sent = 0

    def __enter__(self) -> Self:
        self._bench.begin_trial(self._plan)
        view = self._bench.tail.view(self._plan.trial)
        # a step of a search is judged while the run goes on
        view.lines = None if self._plan.step is None else []
        self._sender.begin(
            self._plan, run=self._bench.run, offsets_s=self._load.offsets_s, mix=self._mix
        )
        self._began_at_s = time.monotonic()
        return self

    def look(self, view: TrialView) -> int | None:
        """Return how many jobs were sent; None while there are more to send.

        Stops a step of a search whose backlog has grown beyond recovery. While every due job has
        ended, silence does not count as a stall.

        Raises:
            StackError: if the sender lost the broker, or ended.
        """
        if not self._is_over:
            self._take(wait_s=0.0)
        elapsed_s = time.monotonic() - self._began_at_s
        due = bisect_right(self._load.offsets_s, elapsed_s)
        in_flight = (self.sent if self._is_over else due) - len(view.ended)
        if in_flight <= 0:
            view.last_line_at_s = time.monotonic()
        patience = self._load.patience_jobs
        if patience is not None and in_flight > patience and not self._is_over:
            self._stop()
        return self.sent if self._is_over else None

    def _take(self, *, wait_s: float) -> None:
        sent = self._sender.poll(wait_s=wait_s)
        if sent is not None:
            self._is_over = True
            self.start_ns = sent.first_due_ns
            self.sent = self._bench.count_sent(self._plan)

    def _stop(self) -> None:
        if not self._is_stopped:
            self._is_stopped = True
            self._sender.stop()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_over:
            return
        # the first error explains more than a sender that can't be stopped
        with (
            contextlib.suppress(StackError, redis.RedisError) if error else contextlib.nullcontext()
        ):
            self._end()

    def _end(self) -> None:
        """Stop the rest and count what was sent."""
        self._stop()
        self._take(wait_s=ANSWER_TIMEOUT_S)
        if not self._is_over:
            raise StackError(f"the sender did not stop within {ANSWER_TIMEOUT_S:.0f} s")
