"""Reads recordings of workers: the files of ``poolbench record``.

A file has one or more *sessions*, one for each start of its worker. Several files are several
workers. Nothing is interpreted here: jobs are folded as those of a run, and counted where they are
incomplete.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from collector.files import storage_errors
from collector.fold import Folding
from collector.parse import parse_pieces
from collector.schema import LINE_SCHEMA, RECORD_SCHEMA, conform, schema_of
from poolbench.errors import Fault, PoolbenchError, StorageError, UsageError
from poolbench.recording.lanes import read_steps
from poolbench.records import (
    FORMAT,
    RECORDED_COLUMNS,
    STATE_COLUMNS,
    Moment,
    decode_line,
    line_start,
)

#: Columns of a worker's heartbeats; levels of jobs are null on Celery versions that don't count.
HEARTBEAT_SCHEMA = pl.Schema(
    {
        # index in `Recording.sessions`
        "session": pl.Int64(),
        "t_ns": pl.Int64(),
        "slots": pl.Int64(),
        "prefetch_count": pl.Int64(),
        "reserved_jobs": pl.Int64(),
        "running_jobs": pl.Int64(),
        "countdown_jobs": pl.Int64(),
        # sum so far in the session: lines that the recorder could not take
        "missed_lines": pl.Int64(),
    }
)

#: Columns of the levels of a worker's process tree; CPU and throttling are sums so far in the
#: session.
LEVEL_SCHEMA = pl.Schema(
    {
        "session": pl.Int64(),
        "t_ns": pl.Int64(),
        "processes": pl.Int64(),
        "connections": pl.Int64(),
        "pss_bytes": pl.Int64(),
        "rss_bytes": pl.Int64(),
        "cpu_s": pl.Float64(),
        "throttled_s": pl.Float64(),
        "throttled_periods": pl.Int64(),
        "recorder_cpu_s": pl.Float64(),
        "sampler_cpu_s": pl.Float64(),
        # what the thread of all slots did since the line before, where they share one
        **schema_of(STATE_COLUMNS),
    }
)

_RECORDED_SCHEMA = schema_of(RECORDED_COLUMNS)

#: One row for each execution: a record with what only a recording knows, in which session.
JOB_SCHEMA = pl.Schema({"session": pl.Int64(), **RECORD_SCHEMA, **_RECORDED_SCHEMA})

#: Any line that becomes a row of a frame.
_ROW_SCHEMA = pl.Schema({**LINE_SCHEMA, **_RECORDED_SCHEMA, **HEARTBEAT_SCHEMA, **LEVEL_SCHEMA})

#: The moments of an execution that are folded into its record.
_FOLDED_MOMENTS = tuple(
    moment.value for moment in (Moment.RECEIVED, Moment.STARTED, Moment.FINISHED, Moment.VERDICT)
)

#: The moments that describe a session; they are few.
_SESSION_MOMENTS = (Moment.RECORDING, Moment.WORKER, Moment.TASK, Moment.ENDED)

#: The moments of lines with steps over time.
_STEP_MOMENTS = (Moment.LANE, Moment.TURNS)

#: How lines of these moments begin.
_SESSION_STARTS = tuple(line_start(moment).encode() for moment in _SESSION_MOMENTS)
_STEP_STARTS = tuple(line_start(moment).encode() for moment in _STEP_MOMENTS)

#: The moments whose lines are rows.
_ROW_MOMENTS = tuple(
    moment.value for moment in Moment if moment not in (*_SESSION_MOMENTS, *_STEP_MOMENTS)
)

#: Size of the pieces that a file is read in, bytes.
_BLOCK_BYTES = 4_000_000

#: What a person does about a file that isn't a recording.
_REMEDY = "Name a file written by poolbench record."


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedWorker:
    """A worker once it was ready, by its own description."""

    #: Celery's node name.
    name: str
    pool: str
    #: Slots at its start; 0 if unknown.
    slots: int
    queues: tuple[str, ...] = ()
    #: Options of its command line, by name.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Celery's settings that differ from its defaults; only numbers, booleans and known words.
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: What the worker made of both, by Celery's names of its attributes.
    effective: Mapping[str, Any] = field(default_factory=dict)
    #: Versions of gevent, greenlet and of drivers that don't yield; only those installed.
    packages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A worker's recording from its start to its end, or to the end of the file."""

    file: Path
    #: The first and the last moment that the file has of it, Unix ns.
    begin_ns: int
    end_ns: int
    #: Versions of the app's Python and Celery.
    python: str = ""
    celery: str = ""
    #: Cores that the worker could use at once; None if unknown.
    cores: float | None = None
    #: Samples of thread states a second; 0 without any.
    sample_hz: float = 0.0
    #: Why waits for the GIL can't be distinguished from those for other locks; empty if they can.
    gil_reason: str = ""
    #: Lines that were removed before the file's first one, because of its largest size.
    dropped_lines: int = 0
    #: Why it ended: ``worker``, ``time``, …; empty if the file doesn't have its end.
    end_reason: str = ""
    #: None if the worker wasn't ready before the end.
    worker: RecordedWorker | None = None
    #: The app's tasks with their own options, by task.
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    """What a thread did over time, or when the greenlet of one execution ran."""

    session: int
    #: Letter, begin and end (Unix ns) of each step (`poolbench.recording.lanes`).
    steps: tuple[tuple[str, int, int], ...]
    #: The thread; None for turns.
    pid: int | None = None
    thread_id: int | None = None
    #: The execution; empty for a thread.
    nonce: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCounts:
    """The numbers of lines, and of executions that are incomplete."""

    lines: int = 0
    #: Lines that can't be read, without a cut one.
    garbled: int = 0
    #: Files that end in the middle of a line.
    cut: int = 0
    #: Lines that were dropped because of the largest size of the file.
    dropped: int = 0
    #: Lines that the recorder could not take, so that they were never written.
    missed: int = 0
    #: Executions that started, and whose end the recording doesn't have.
    unfinished: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The recordings of one app: its sessions, workers, tasks and executions."""

    sessions: tuple[Session, ...]
    #: The executions (`JOB_SCHEMA`), in order of their first moment. Their outcome is null if they
    #: had none before the end: whether they still ran is unknown.
    jobs: pl.DataFrame
    #: `HEARTBEAT_SCHEMA` and `LEVEL_SCHEMA`, in the order of the files.
    heartbeats: pl.DataFrame
    levels: pl.DataFrame
    counts: LineCounts
    #: In the order of the files; none unless lanes were recorded.
    steps: tuple[StepLine, ...] = ()

    @property
    def workers(self) -> tuple[RecordedWorker, ...]:
        """Return each worker by its latest description, in the order of the sessions."""
        found = {one.worker.name: one.worker for one in self.sessions if one.worker}
        return tuple(found.values())

    @property
    def tasks(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the options of each registered task by its latest description."""
        return {name: task for one in self.sessions for name, task in one.tasks.items()}

    @property
    def duration_s(self) -> float:
        """Return the time from the first session's begin to the last one's end, seconds."""
        first = min(one.begin_ns for one in self.sessions)
        return (max(one.end_ns for one in self.sessions) - first) / 1e9


def read_recording(*paths: Path) -> Recording:
    """Return what the files contain; each may have several sessions.

    Raises:
        UsageError: if a file doesn't exist, or is named twice.
        StorageError: if one can't be read, is empty, no recording or of another format version.
        PoolbenchError: if there is no execution in any of them.
    """
    doubled = [path for path, count in Counter(map(Path.resolve, paths)).items() if count > 1]
    faults = [Fault(field="FILE", seen=str(one), problem="given more than once") for one in doubled]
    faults += [
        Fault(where=str(path), problem="no such file", remedy="name a recording")
        for path in paths
        if not path.exists()
    ]
    if faults:
        raise UsageError(*faults)
    reading = _Reading()
    for path in paths:
        with storage_errors(path):
            reading.add(path)
    recording = reading.close()
    if recording.jobs.is_empty():
        raise PoolbenchError(
            f"{', '.join(map(str, paths))}: no execution in {recording.duration_s:.0f} s. "
            "Record the worker while it runs jobs."
        )
    return recording


class _Reading:
    """What the files read so far contain."""

    def __init__(self) -> None:
        self._sessions: list[Session] = []
        self._folding = Folding()
        self._recorded = [_by_nonce(_ROW_SCHEMA.to_frame())]
        self._heartbeats = [HEARTBEAT_SCHEMA.to_frame()]
        self._levels = [LEVEL_SCHEMA.to_frame()]
        self._steps: list[StepLine] = []
        self._lines = self._garbled = self._cut = 0

    def add(self, path: Path) -> None:
        """Read a file."""
        known = len(self._sessions)
        rest = b""
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                whole, newline, rest = (rest + block).rpartition(b"\n")
                if newline:
                    self._add_lines(
                        whole.split(b"\n"), path=path, is_begun=len(self._sessions) > known
                    )
        if not rest and len(self._sessions) == known:
            raise StorageError(f"{path}: the file is empty. {_REMEDY}")
        if rest:
            self._add_end(rest, path=path, is_begun=len(self._sessions) > known)

    def close(self) -> Recording:
        """Return the recording, and free the memory of the lines."""
        records = self._folding.records(columns=tuple(RECORD_SCHEMA))
        recorded = _by_nonce(pl.concat(self._recorded))
        self._folding, self._recorded = Folding(), []
        joined = records.join(recorded, on="nonce", how="left")
        first_ns = pl.min_horizontal("received_ns", "started_ns", "finished_ns")
        jobs = conform(joined.sort(first_ns, "nonce"), schema=JOB_SCHEMA)
        kinds = {one: _printable(one) for one in jobs["kind"].drop_nulls().unique()}
        jobs = jobs.with_columns(pl.col("kind").replace(kinds))
        heartbeats = pl.concat(self._heartbeats)
        by_session = heartbeats.group_by("session").agg(pl.col("missed_lines").max())
        return Recording(
            sessions=tuple(self._sessions),
            jobs=jobs,
            heartbeats=heartbeats,
            levels=pl.concat(self._levels),
            steps=tuple(self._steps),
            counts=LineCounts(
                lines=self._lines,
                garbled=self._garbled,
                cut=self._cut,
                dropped=sum(one.dropped_lines for one in self._sessions),
                missed=int(by_session["missed_lines"].sum()),
                unfinished=int(
                    (jobs["started_ns"].is_not_null() & jobs["outcome"].is_null()).sum()
                ),
            ),
        )

    def _add_end(self, rest: bytes, *, path: Path, is_begun: bool) -> None:
        """Add the end of a file that doesn't end with a newline; a cut line is counted."""
        try:
            json.loads(rest)
        except ValueError:
            if not is_begun:
                raise _no_recording(path) from None
            self._cut += 1
        else:
            self._add_lines([rest], path=path, is_begun=is_begun)

    def _add_lines(self, lines: Sequence[bytes], *, path: Path, is_begun: bool) -> None:
        """Add lines of a file; sessions may begin and end between them."""
        if not is_begun:
            self._sessions.append(_begin(_header(lines[0], path=path), path=path))
            self._lines += 1
            lines = lines[1:]
        rows: list[bytes] = []
        for line in lines:
            if line.startswith(_STEP_STARTS):
                self._add_steps(line)
                continue
            if not line.startswith(_SESSION_STARTS):
                rows.append(line)
                continue
            self._add_rows(rows)
            rows = []
            try:
                content = decode_line(line)
                if content["m"] == Moment.RECORDING:
                    self._sessions.append(_begin(content, path=path))
                else:
                    self._sessions[-1] = _described(self._sessions[-1], content=content)
            except (ValueError, KeyError, TypeError):
                self._garbled += 1
            else:
                self._lines += 1
        self._add_rows(rows)

    def _add_steps(self, line: bytes) -> None:
        """Add a line of steps to the current session."""
        try:
            content = decode_line(line)
            found = StepLine(
                session=len(self._sessions) - 1,
                steps=tuple(read_steps(content)),
                pid=content.get("pid"),
                thread_id=content.get("thread_id"),
                nonce=content.get("nonce") or "",
            )
        except (ValueError, KeyError, TypeError):
            self._garbled += 1
        else:
            self._steps.append(found)
            self._lines += 1

    def _add_rows(self, lines: list[bytes]) -> None:
        """Add lines of the current session that become rows."""
        texts = [line for line in lines if line.strip()]
        if not texts:
            return
        parsed = (frame for _, frame in parse_pieces(texts, schema=_ROW_SCHEMA))
        frame = pl.concat([_ROW_SCHEMA.to_frame(), *(one for one in parsed if one is not None)])
        moment, number = pl.col("m"), len(self._sessions) - 1
        rows = frame.filter(
            pl.col("v") == FORMAT, moment.is_in(_ROW_MOMENTS), pl.col("t_ns").is_not_null()
        ).with_columns(session=pl.lit(number, pl.Int64))
        self._lines += rows.height
        self._garbled += len(texts) - rows.height
        if rows.is_empty():
            return
        of_jobs = rows.filter(pl.col("nonce").is_not_null())
        self._folding.add(of_jobs.filter(moment.is_in(_FOLDED_MOMENTS)).select(LINE_SCHEMA.names()))
        self._recorded.append(_by_nonce(of_jobs))
        for frames, kind in ((self._heartbeats, Moment.ALIVE), (self._levels, Moment.LEVELS)):
            frames.append(rows.filter(moment == kind.value).select(frames[0].columns))
        self._sessions[-1] = _extended(self._sessions[-1], times_ns=rows["t_ns"].to_numpy())


def _header(line: bytes, *, path: Path) -> Mapping[str, Any]:
    """Return the content of a file's first line.

    Raises:
        StorageError: if no recording begins with it.
    """
    try:
        content = json.loads(line)
        is_header = content["m"] == Moment.RECORDING and isinstance(content["t_ns"], int)
        version = content["v"]
    except (ValueError, KeyError, TypeError):
        raise _no_recording(path) from None
    if not is_header:
        raise _no_recording(path)
    if version != FORMAT:
        raise StorageError(
            f"{path}: format version {version}, and this Poolbench reads {FORMAT}. "
            "Use the Poolbench that wrote it."
        )
    return content  # type: ignore[no-any-return]  # it has members


def _printable(name: str) -> str:
    """Return a name without line breaks and terminal codes, which a task's name may have."""
    escaped = (one if one.isprintable() else ascii(one)[1:-1] for one in name)
    return "".join(escaped)


def _no_recording(path: Path) -> StorageError:
    return StorageError(f"{path}: not a recording. {_REMEDY}")


def _begin(content: Mapping[str, Any], *, path: Path) -> Session:
    """Return the session that a header begins."""
    return Session(
        file=path,
        begin_ns=content["t_ns"],
        end_ns=content["t_ns"],
        python=content.get("python") or "",
        celery=content.get("celery") or "",
        cores=content.get("cores"),
        sample_hz=content.get("sample_hz") or 0.0,
        gil_reason=content.get("gil_reason") or "",
        dropped_lines=content.get("dropped_lines") or 0,
    )


def _described(session: Session, *, content: Mapping[str, Any]) -> Session:
    """Return the session with what a line describes: the worker, a task, or the end."""
    if content["m"] == Moment.TASK:
        task = {_printable(content["task"]): content.get("options") or {}}
        return replace(session, tasks={**session.tasks, **task})
    if content["m"] == Moment.ENDED:
        end_ns = max(session.end_ns, content["t_ns"])
        return replace(session, end_ns=end_ns, end_reason=str(content["reason"]))
    worker = RecordedWorker(
        name=content["worker"],
        pool=content["pool"],
        slots=content.get("slots") or 0,
        queues=tuple(content.get("queues") or ()),
        options=content.get("options") or {},
        settings=content.get("settings") or {},
        effective=content.get("effective") or {},
        packages=content.get("packages") or {},
    )
    return replace(session, worker=worker)


def _extended(session: Session, *, times_ns: npt.NDArray[np.int64]) -> Session:
    """Return the session with the times of its next rows."""
    begin_ns = session.begin_ns
    if session.dropped_lines and session.end_ns == begin_ns:
        # its header is older than the first line that was kept
        begin_ns = int(times_ns.min())
    return replace(session, begin_ns=begin_ns, end_ns=max(session.end_ns, int(times_ns.max())))


def _by_nonce(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each nonce, with what only a recording knows of its execution."""
    return rows.group_by("nonce").agg(pl.col("session", *_RECORDED_SCHEMA).max())
