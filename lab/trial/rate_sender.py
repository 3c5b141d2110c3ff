"""The sending of a trial whose jobs come at a rate, as the lab sees it while it follows them."""

from __future__ import annotations

import contextlib
import time
from bisect import bisect_right
from types import TracebackType
from typing import Self

import redis

from lab.experiment.arrivals import Load
from lab.fixtures.sender import ANSWER_TIMEOUT_S
from lab.instruments.stream_follower import TrialView
from lab.trial.context import Bench, TrialFacts
from poolbench.errors import StackError
from producer.template import Mix


class Sending:
    """A trial's jobs on their way, sent by another process.

    Left before all is sent, it stops the rest: what was sent is counted in any case.
    """

    def __init__(self, bench: Bench, *, facts: TrialFacts, load: Load, mix: Mix | None) -> None:
        self._bench, self._facts, self._load, self._mix = bench, facts, load, mix
        self._is_over = False
        self._is_stopped = False

    def __enter__(self) -> Self:
        self._sender = self._bench.begin_sending(
            self._facts, offsets_s=self._load.offsets_s, mix=self._mix
        )
        self._began_at_s = time.monotonic()
        return self

    def look(self, view: TrialView) -> bool:
        """Return whether all is sent; gives a step up whose backlog leaves no hope.

        While no job is due that has not ended, silence means nothing: it doesn't count as a stall.

        Raises:
            StackError: if the sender lost the broker, or ended.
        """
        if not self._is_over:
            self._take(wait_s=0.0)
        elapsed_s = time.monotonic() - self._began_at_s
        due = bisect_right(self._load.offsets_s, elapsed_s)
        under_way = (self._facts.sent if self._is_over else due) - len(view.ended)
        if under_way <= 0:
            view.last_line_at_s = time.monotonic()
        patience = self._load.patience_jobs
        if patience is not None and under_way > patience and not self._is_over:
            self._stop()
        return self._is_over

    def _take(self, *, wait_s: float) -> None:
        sent = self._sender.poll(wait_s=wait_s)
        if sent is not None:
            self._is_over = True
            self._facts.start_ns = sent.first_due_ns
            self._bench.count_sent(self._facts)

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
        # where something led here, that is the better word
        with (
            contextlib.suppress(StackError, redis.RedisError) if error else contextlib.nullcontext()
        ):
            self._end()

    def _end(self) -> None:
        """Stop the rest and count what was sent."""
        try:
            self._stop()
            self._take(wait_s=ANSWER_TIMEOUT_S)
        finally:
            self._bench.count_sent(self._facts)
        if not self._is_over:
            raise StackError(f"the sender did not stop within {ANSWER_TIMEOUT_S:.0f} s")
