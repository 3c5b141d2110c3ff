"""Follows a run's stream during trials, to find out which jobs have started and ended, and when."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import Any, cast

import polars as pl
import redis

from collector.fold import fold
from collector.job_trees import collect_published, root_executions, trees
from collector.schema import LINE_SCHEMA
from lab.instruments.open_jobs import OpenJobs
from lab.instruments.overlap import peak_in_flight
from poolbench.keys import LINES_FIELD, records_stream
from poolbench.records import FINAL_OUTCOMES, OUTCOME_OF_STATE, Moment, decode_line

#: Entries in one read; each has up to a few hundred lines.
READ_ENTRIES = 200

#: An entry as redis-py returns it: id and fields, as bytes.
Entry = tuple[bytes, dict[bytes, bytes]]


@dataclass(slots=True)
class TrialView:
    """What the stream contains about one trial so far."""

    #: Jobs that need no further attempt.
    ended: set[int] = field(default_factory=set)
    #: Start and end of each execution by nonce, Unix ns.
    started_ns: dict[str, int] = field(default_factory=dict)
    finished_ns: dict[str, int] = field(default_factory=dict)
    #: When the last line arrived, by the monotonic clock, seconds.
    last_line_at_s: float = field(default_factory=time.monotonic)
    #: All lines, if the trial is judged during the run; else None.
    lines: list[dict[str, Any]] | None = None
    #: The jobs of a user's app, which end with the last message that they publish; else None.
    open_jobs: OpenJobs | None = None

    def take(self, line: dict[str, Any]) -> None:
        """Count one line."""
        self.last_line_at_s = time.monotonic()
        if self.lines is not None:
            self.lines.append(line)
        if self.open_jobs is not None:
            self._follow(line, jobs=self.open_jobs)
            return
        match line["m"]:
            case Moment.STARTED:
                self.started_ns[line["nonce"]] = line["t_ns"]
            case Moment.FINISHED:
                self.finished_ns[line["nonce"]] = line["t_ns"]
                if OUTCOME_OF_STATE.get(line.get("state") or "") in FINAL_OUTCOMES:
                    self.ended.add(line["seq"])
            case Moment.VERDICT if line.get("outcome") in FINAL_OUTCOMES:
                self.ended.add(line["seq"])

    def _follow(self, line: dict[str, Any], *, jobs: OpenJobs) -> None:
        """Count one line of a user's app: a job may have published more since it seemed to end."""
        match line["m"]:
            case Moment.STARTED:
                self.started_ns[line["nonce"]] = line["t_ns"]
            case Moment.FINISHED:
                self.finished_ns[line["nonce"]] = line["t_ns"]
        (self.ended.add if jobs.take(line) else self.ended.discard)(line["seq"])

    def records(self) -> pl.DataFrame:
        """Return the records of the kept lines, as the run's folder will contain them.

        For a user's app, those of `collector.job_trees.root_executions`.
        """
        lines = pl.DataFrame(self.lines or [], schema=LINE_SCHEMA)
        if self.open_jobs is None:
            return fold(lines)
        records = fold(lines)
        jobs = trees(records, published=collect_published([lines]))
        return root_executions(records, jobs=jobs)

    @property
    def jobs_done(self) -> int:
        """Return how many executions have finished, or how many jobs of a user's app."""
        return len(self.finished_ns if self.open_jobs is None else self.ended)

    def peak_overlap(self) -> int:
        """Return the most executions in flight at one instant."""
        return peak_in_flight(self.started_ns.values(), self.finished_ns.values())


class StreamFollower:
    """Reads a run's stream from its beginning, without consuming it."""

    def __init__(self, client: redis.Redis, *, run: str, is_app: bool = False) -> None:
        """Set the run, and whether its jobs are those of a user's app."""
        self._client = client
        self._is_app = is_app
        self._stream = records_stream(run)
        self._last_id = b"0-0"
        self._views: dict[int, TrialView] = {}

    def view(self, trial: int) -> TrialView:
        """Return the view of a trial, made at the first call."""
        if trial not in self._views:
            self._views[trial] = TrialView(open_jobs=OpenJobs() if self._is_app else None)
        return self._views[trial]

    def forget(self, trial: int) -> TrialView:
        """Delete the view of a finished trial, and return it."""
        return self._views.pop(trial)

    def read(self, *, wait_s: float) -> None:
        """Read the entries, waiting up to ``wait_s`` for the first.

        Garbled lines are skipped: the collector keeps and counts them.
        """
        found = self._client.xread(
            {self._stream: self._last_id}, count=READ_ENTRIES, block=max(1, int(wait_s * 1_000))
        )
        for _, entries in cast("list[tuple[bytes, list[Entry]]]", found or []):
            for entry_id, fields in entries:
                self._last_id = entry_id
                for wire in fields.get(LINES_FIELD.encode(), b"").splitlines():
                    self._take(wire)

    def _take(self, wire: bytes) -> None:
        with contextlib.suppress(ValueError):
            line = decode_line(wire)
            view = self._views.get(line.get("trial", -1))
            if view is not None and line.get("seq") is not None:
                view.take(line)
