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
from poolbench.evidence import boot_id
from poolbench.keys import summary_key
from poolbench.presence import find_workers

#: A published summary is forgotten after this, seconds; a run's folder stays.
SUMMARY_EXPIRES_S = 86_400

#: An unchanged summary is published again after this, so that its expiry counts from its end.
REPUBLISH_S = 60.0

#: Between two updates of a run, seconds.
UPDATE_EVERY_S = 0.5

#: Share of time that updating a run may take at most: a million records take a second, and the
#: collector runs on the cores that it measures.
UPDATE_SHARE = 0.1

#: Between two reads of a run's workers, seconds.
PRESENCE_EVERY_S = 5.0


class ActiveRun:
    """A run in progress, or just over; it has the run's lock until `close`.

    Args:
        client: a client of the broker that decodes its answers.
        run: the run's id.
        folder: the run's folder.
        stall_s: how long no line may come while jobs are missing, beyond the jobs' own length.
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
        #: What was published last; None before that.
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
        # what has changed since it was last worked out, written and published
        self._is_stale = True
        self._saved: Summary | None = None
        self._published = ""
        self._line_at_s = self._moved_at_s = clock()
        self._update_at_s = self._presence_at_s = self._published_at_s = float("-inf")
        self._ingest.__enter__()

    @property
    def is_over(self) -> bool:
        """Whether no more lines are expected, as was published."""
        return self.summary is not None and self.summary.state.is_over

    @property
    def quiet_s(self) -> float:
        """How long neither a line came nor a job was sent, seconds."""
        return self._clock() - max(self._line_at_s, self._moved_at_s)

    def close(self) -> None:
        """Release the lock; the published summary stays."""
        self._ingest.__exit__(None, None, None)
        self._folding = None

    def collect(self) -> bool:
        """Store the lines in the stream, one part at most; return whether there were any.

        Raises:
            StorageError: if it can't be written: it is in the stream still.
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
            intervals: when the jobs of each run of the stack were in the system; this run's own is
                brought up to date.

        Raises:
            StackError: if the run's hash is absent or garbled.
            StorageError: if the folder can't be written; what is known is published nevertheless.
        """
        start_s = self._clock()
        if start_s < self._update_at_s:
            return
        try:
            run = read_run_hash(self._client, self.run)
            if run.sent != self._sent:
                self._sent, self._moved_at_s = run.sent, self._clock()
                self._is_stale = True
            self._work_out(run)
            self._conclude(run, intervals)
        finally:
            cost_s = self._clock() - start_s
            self._update_at_s = start_s + max(UPDATE_EVERY_S, cost_s / UPDATE_SHARE)

    def _work_out(self, run: RunHash) -> None:
        """Bring the figures up to date, if anything is new."""
        now_s = self._clock()
        if now_s >= self._presence_at_s and not self.is_over:
            contenders = {plan.contender for plan in run.plans}
            groups = {name: find_workers(self._client, name) for name in contenders}
            # to scan the keys of a broker full of results may take long
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
            # without it the producer is taken to run on the collector's machine
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
                # gaps between arrivals and long jobs are no stall
                stall_s=self._stall_s + run.longest_silence_s,
            ),
            has_events=self._has_events,
            overlapped_by=tuple(overlapped_by),
            lines=self._ingest.stored_lines + self._ingest.rejected_lines,
            rejected_lines=self._ingest.rejected_lines,
        )
        try:
            # closed is published last: who waits for it finds the folder written
            if summary.state.is_over:
                self._save(summary)
        except StorageError as error:
            self._publish(describe(summary, fault=str(error)))
            raise
        self._publish(describe(summary, fault=self._fault))
        self.summary = summary

    def _save(self, summary: Summary) -> None:
        """Write the run's folder, if it doesn't hold this already."""
        folder, saved = self._ingest.folder, self._saved
        if saved is None or (saved.state, saved.lines) != (summary.state, summary.lines):
            records = self._records().close()
            # its memory is given back; for a late line, or a second attempt, the folder is read
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
        """Return the records so far; from the folder, if they aren't in memory."""
        if self._folding is None:
            self._folding = Folding()
            for lines in self._ingest.folder.iter_lines():
                self._folding.add(lines)
        return self._folding

    def _on_stored(self, lines: pl.DataFrame) -> None:
        self._is_stale = True
        if self._folding is not None:
            self._folding.add(lines)
