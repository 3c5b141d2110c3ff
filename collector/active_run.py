"""One run that the service collects: its lines, its records so far, its published summary."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import redis

from collector.fold import Folding
from collector.ingest import Ingest
from collector.manifest import manifest_of
from collector.metrics import FIGURE_COLUMNS
from collector.run_hash import RunHash, read_run_hash
from collector.summary import (
    Interval,
    Measured,
    Summary,
    describe,
    judge_state,
    measure,
    whole_interval,
)
from poolbench.errors import StorageError
from poolbench.keys import summary_key
from poolbench.machine import boot_id
from poolbench.presence import find_workers

#: Expiry of a published summary, seconds; a run's folder is kept.
SUMMARY_EXPIRES_S = 86_400

#: Interval at which an unchanged summary is published again, seconds: its expiry then starts when
#: the run is over.
REPUBLISH_S = 60.0

#: Interval between two updates of a run, seconds.
UPDATE_EVERY_S = 0.5

#: Largest share of time for updating a run: a million records take a second, and the collector
#: shares the cores with the measured workers.
UPDATE_SHARE = 0.1

#: Interval between two reads of a run's workers, seconds.
PRESENCE_EVERY_S = 5.0


class ActiveRun:
    """A run in progress, or recently over; has the run's lock until `close`.

    Args:
        client: a client of the broker that decodes its answers.
        run: the run's id.
        folder: the run's folder.
        stall_s: time without a line after which a run with missing jobs is stalled, in addition to
            the duration of its jobs.
        clock: monotonic, seconds.

    Raises:
        StackError: if another process collects this run.
        StorageError: if its folder can't be written, or is of another format version.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        run: str,
        folder: Path,
        stall_s: float,
        clock: Callable[[], float],
    ) -> None:
        self.run = run
        #: The summary that was published last; None before that.
        self.summary: Summary | None = None
        self._client = client
        self._stall_s = stall_s
        self._clock = clock
        self._ingest = Ingest(client, run=run, folder=folder, on_stored=self._on_stored)
        self._folding: Folding | None = None
        self._sent: Mapping[int, int] | None = None
        self._slots: dict[str, int] = {}
        self._has_events = False
        self._measured: tuple[Measured, ...] = ()
        self._fault = ""
        # whether anything has changed since the summary was computed, written and published
        self._is_stale = True
        self._saved: Summary | None = None
        self._published = ""
        self._line_at_s = self._moved_at_s = clock()
        self._update_at_s = self._presence_at_s = self._published_at_s = float("-inf")
        self._ingest.__enter__()

    @property
    def is_over(self) -> bool:
        """Return whether the published summary expects no more lines."""
        return self.summary is not None and self.summary.state.is_over

    @property
    def quiet_s(self) -> float:
        """Return the time since the last line arrived or the last job was sent, seconds."""
        return self._clock() - max(self._line_at_s, self._moved_at_s)

    def close(self) -> None:
        """Release the lock; the published summary is kept."""
        self._ingest.__exit__(None, None, None)
        self._folding = None

    def collect(self) -> bool:
        """Store lines from the stream, at most one part; return whether there were any.

        Raises:
            StorageError: if they can't be written; they are still in the stream.
        """
        try:
            has_entries = self._ingest.step() > 0
        except StorageError as error:
            self._fault = str(error)
            raise
        self._fault = ""
        if has_entries:
            self._line_at_s = self._clock()
        return has_entries

    def update(self, intervals: dict[str, Interval]) -> None:
        """Publish the summary, if it is due; write the run's folder when the run is over.

        Args:
            intervals: when the jobs of each run of the stack were in the system; the interval of
                this run is updated.

        Raises:
            StackError: if the run's hash is absent or garbled.
            StorageError: if the folder can't be written; the summary is published nevertheless.
        """
        start_s = self._clock()
        if start_s < self._update_at_s:
            return
        try:
            run = read_run_hash(self._client, self.run)
            if run.sent != self._sent:
                self._sent, self._moved_at_s = run.sent, self._clock()
                self._is_stale = True
            self._measure(run)
            self._conclude(run, intervals)
        finally:
            cost_s = self._clock() - start_s
            self._update_at_s = start_s + max(UPDATE_EVERY_S, cost_s / UPDATE_SHARE)

    def _measure(self, run: RunHash) -> None:
        """Update the figures if there are new lines or jobs."""
        now_s = self._clock()
        if now_s >= self._presence_at_s and not self.is_over:
            contenders = {plan.contender for plan in run.plans}
            groups = {name: find_workers(self._client, name) for name in contenders}
            # scanning the keys of a broker with many results may take long
            self._presence_at_s = now_s + max(PRESENCE_EVERY_S, 20 * (self._clock() - now_s))
            slots = {name: group.slots for name, group in groups.items()}
            self._is_stale |= slots != self._slots
            self._slots = slots
            self._has_events |= any(group.has_events for group in groups.values())
        if not self._is_stale:
            return
        self._measured = measure(
            self._records().records(columns=FIGURE_COLUMNS),
            run=run,
            # without it the producer is assumed to run on the collector's machine
            sender_boot_id=run.boot_id or boot_id(),
            slots=self._slots,
        )
        self._is_stale = False

    def _conclude(self, run: RunHash, intervals: dict[str, Interval]) -> None:
        mine = whole_interval(self._measured)
        overlapped_by = []
        if mine:
            others = [one for one in intervals.items() if one[0] != self.run]
            overlapped_by = sorted(name for name, other in others if mine.meets(other))
            intervals[self.run] = mine
        summary = Summary(
            run=run,
            trials=self._measured,
            state=judge_state(
                run,
                trials=self._measured,
                quiet_s=self._clock() - self._line_at_s,
                # gaps between arrivals and long jobs don't count as a stall
                stall_s=self._stall_s + run.longest_silence_s,
            ),
            has_events=self._has_events,
            overlapped_by=tuple(overlapped_by),
            lines=self._ingest.stored_lines + self._ingest.rejected_lines,
            rejected_lines=self._ingest.rejected_lines,
        )
        try:
            # the state "closed" is published last, when the folder is written
            if summary.state.is_over:
                self._save(summary)
        except StorageError as error:
            self._publish(describe(summary, fault=str(error)))
            raise
        self._publish(describe(summary, fault=self._fault))
        self.summary = summary

    def _save(self, summary: Summary) -> None:
        """Write the run's folder, unless it already contains this summary."""
        folder, saved = self._ingest.folder, self._saved
        if saved is None or (saved.state, saved.lines) != (summary.state, summary.lines):
            records = self._records().close()
            # free the memory; for a late line or a second attempt, the folder is read again
            self._folding = None
            folder.write_jobs(records)
            if summary.rejected_lines:
                folder.write_rejects()
        if saved != summary:
            folder.write_manifest(manifest_of(summary))
            self._saved = summary

    def _publish(self, content: Mapping[str, Any]) -> None:
        text = json.dumps(content, allow_nan=False)
        now_s = self._clock()
        if text != self._published or now_s - self._published_at_s >= REPUBLISH_S:
            self._client.set(summary_key(self.run), text, ex=SUMMARY_EXPIRES_S)
            self._published, self._published_at_s = text, now_s

    def _records(self) -> Folding:
        """Return the records so far, from the folder if they aren't in memory."""
        if self._folding is None:
            self._folding = Folding()
            for lines in self._ingest.folder.iter_lines():
                self._folding.add(lines)
        return self._folding

    def _on_stored(self, lines: pl.DataFrame) -> None:
        self._is_stale = True
        if self._folding is not None:
            self._folding.add(lines)
