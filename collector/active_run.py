"""One run that the service collects: its lines, its records so far, its published summary."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import redis

from collector.fold import Folding
from collector.ingest import Ingest
from collector.manifest import machine, manifest_of
from collector.metrics import FIGURE_COLUMNS
from collector.run_hash import RunHash, read_run_hash
from collector.run_manifest import Manifest
from collector.summary import (
    Interval,
    Measured,
    describe,
    judge_state,
    measure,
    whole_interval,
)
from poolbench.errors import StackError, StorageError
from poolbench.evidence import boot_id
from poolbench.keys import run_key, summary_key
from poolbench.presence import find_workers
from poolbench.summaries import Ledger, RunState

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
    """A run in progress, or just over; it has the run's lock from `open` to `close`.

    Args:
        client: a client of the broker that decodes its answers.
        run: the run's id.
        folder: the run's folder.
        stall_s: how long no line may come while jobs are missing, beyond the jobs' own length.
        clock: monotonic, seconds.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        run: str,
        folder: Path,
        stall_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run = run
        self.state: RunState | None = None
        self.interval: Interval | None = None
        self.ledgers: tuple[Ledger, ...] = ()
        self._client = client
        self._stall_s = stall_s
        self._clock = clock
        self._ingest = Ingest(client, run=run, folder=folder, on_stored=self._on_stored)
        self._folding: Folding | None = None
        self._hash: RunHash | None = None
        self._slots: dict[str, int] = {}
        self._has_events = False
        self._measured: tuple[Measured, ...] = ()
        self._fault = ""
        # what has changed since it was last worked out, written and published
        self._is_stale = True
        self._saved: tuple[tuple[RunState, int], Manifest] | None = None
        self._published = ""
        self._line_at_s = self._moved_at_s = clock()
        self._update_at_s = self._presence_at_s = self._published_at_s = float("-inf")

    @property
    def quiet_s(self) -> float:
        """How long neither a line came nor a job was sent, seconds."""
        return self._clock() - max(self._line_at_s, self._moved_at_s)

    def open(self) -> None:
        """Take the run's lock.

        Raises:
            StackError: if another process collects this run.
            StorageError: if its folder can't be written, or is of another format version.
        """
        self._ingest.__enter__()

    def close(self) -> None:
        """Release the lock; the published summary stays."""
        self._ingest.__exit__(None, None, None)
        self._folding = None

    def collect(self) -> bool:
        """Store the lines in the stream, one part at most; return whether there were any.

        Raises:
            StorageError: if it can't be written: it is in the stream still.
        """
        before = self._count()
        try:
            self._ingest.step()
        except StorageError as error:
            self._fault = str(error)
            raise
        self._fault = ""
        if self._count() == before:
            return False
        self._line_at_s = self._clock()
        return True

    def update(self, others: Mapping[str, Interval]) -> None:
        """Publish the summary, if it is due; write the run's folder when the run is over.

        Args:
            others: when the jobs of the stack's other runs were in the system.

        Raises:
            StackError: if the run's hash is absent or garbled.
            StorageError: if the folder can't be written; what is known is published nevertheless.
        """
        start_s = self._clock()
        if start_s < self._update_at_s:
            return
        try:
            run = self._read_hash()
            self._work_out(run)
            self._conclude(run, others)
        finally:
            cost_s = self._clock() - start_s
            self._update_at_s = start_s + max(UPDATE_EVERY_S, cost_s / UPDATE_SHARE)

    def _read_hash(self) -> RunHash:
        found = read_run_hash(self._client, self.run)
        if found is None:
            raise StackError(
                f"{run_key(self.run)} is not in Redis: the number of jobs sent is unknown; "
                "its lines are kept, and nothing is published"
            )
        if self._hash is None or found.sent != self._hash.sent:
            self._moved_at_s = self._clock()
            self._is_stale = True
        self._hash = found
        return found

    def _work_out(self, run: RunHash) -> None:
        """Bring the figures up to date, if anything is new."""
        now_s = self._clock()
        if now_s >= self._presence_at_s and not (self.state and self.state.is_over):
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
            self._records().records(is_over=False, columns=FIGURE_COLUMNS),
            run=run,
            # without it the producer is taken to run on the collector's machine
            sender_boot_id=run.boot_id or boot_id(),
            slots=self._slots,
        )
        self.ledgers = tuple(trial.ledger for trial in self._measured)
        self.interval = whole_interval(self._measured)
        self._is_stale = False

    def _conclude(self, run: RunHash, others: Mapping[str, Interval]) -> None:
        state = judge_state(
            run,
            accounts=self.ledgers,
            quiet_s=self._clock() - self._line_at_s,
            stall_s=self._patience_s(run),
        )
        mine = self.interval
        overlapped_by = sorted(name for name, other in others.items() if mine and mine.meets(other))
        summary = self._describe(run, state=state, overlapped_by=overlapped_by, fault=self._fault)
        try:
            # closed is published last: who waits for it finds the folder written
            if state.is_over:
                self._save(run, state=state, summary=summary)
        except StorageError as error:
            self._publish(
                self._describe(run, state=state, overlapped_by=overlapped_by, fault=str(error))
            )
            raise
        self._publish(summary)
        self.state = state

    def _describe(
        self, run: RunHash, *, state: RunState, overlapped_by: list[str], fault: str
    ) -> dict[str, Any]:
        return describe(
            run,
            measured=self._measured,
            state=state,
            has_events=self._has_events,
            overlapped_by=overlapped_by,
            rejected_lines=self._ingest.rejected_lines,
            faults=[fault] if fault else [],
        )

    def _patience_s(self, run: RunHash) -> float:
        """Return how long no line may come: gaps between arrivals and long jobs are no stall."""
        return self._stall_s + 2 * run.slowest_job_s + run.longest_gap_s

    def _save(self, run: RunHash, *, state: RunState, summary: Mapping[str, Any]) -> None:
        """Write the run's folder, if it doesn't hold this already."""
        folder = self._ingest.folder
        version = (state, self._count())
        manifest = manifest_of(
            run,
            measured=self._measured,
            summary=summary,
            machine=machine(),
            lines=self._count(),
        )
        if self._saved == (version, manifest):
            return
        if self._saved is None or self._saved[0] != version:
            records = self._records().close()
            # its memory is given back; for a late line, or a second attempt, the folder is read
            self._folding = None
            folder.write_jobs(records)
            if self._ingest.rejected_lines:
                folder.write_rejects()
        folder.write_manifest(manifest)
        self._saved = (version, manifest)

    def _publish(self, summary: Mapping[str, Any]) -> None:
        text = json.dumps(summary, allow_nan=False)
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

    def _count(self) -> int:
        return self._ingest.stored_lines + self._ingest.rejected_lines
