"""Divides each recorded execution into what a stand-in repeats. Pure.

An execution computes, waits, and waits for its turn: for a core, for the GIL, or for the loop that
it shares. The last is the recorded machine's contention, which the measured pool makes anew, so it
is left out: the segments of an execution add up to its duration without it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from collector.recording import Recording
from poolbench.stand_in import FIRST_SHARE

#: The segments of an execution, ns; the memory in bytes.
SEGMENT_COLUMNS = (
    "held_ns",
    "released_ns",
    "unknown_ns",
    "wait_ns",
    "blocking_ns",
    "memory_bytes",
)

#: Samples of an execution from which its own shares are taken; with fewer, those of its task.
_SAMPLES = 10

#: The columns of `poolbench.records.STATE_COLUMNS` by what they are for a stand-in.
_CORE = ("core_held_ns", "core_released_ns", "core_ns")
_CONTENTION = ("runnable_ns", "gil_wait_ns")
_WAITS = ("lock_wait_ns", "any_lock_ns", "io_wait_ns")

#: Rounds in which the waits of jobs that share a loop are found; the last ones change little.
_ROUNDS = 30

_Times = npt.NDArray[np.float64]


def with_segments(recording: Recording) -> pl.DataFrame:
    """Return the executions that have a duration, with `SEGMENT_COLUMNS` and ``contention_ns``.

    CPU time and time on a loop are exact; what the thread did besides comes from samples: of the
    execution, or of all executions of its task if it has too few. Without any samples, all the
    rest is a wait. For jobs that share a loop, the contention is what they waited for each other
    (`_loop_waits`).
    """
    ended = recording.jobs.filter(
        pl.col("started_ns").is_not_null(), pl.col("finished_ns").is_not_null()
    )
    enough_ns = [_SAMPLES * 1e9 / max(one.sample_hz, 1e-9) for one in recording.sessions]
    found = ended.with_columns(
        # the clock may be set back between two lines
        wall_ns=(pl.col("finished_ns") - pl.col("started_ns")).clip(lower_bound=0),
        enough_ns=pl.col("session").replace_strict(
            list(range(len(enough_ns))), enough_ns, return_dtype=pl.Float64
        ),
        sampled_ns=pl.sum_horizontal(*_CORE, *_CONTENTION, *_WAITS),
    ).with_columns(
        busy_ns=pl.min_horizontal(pl.coalesce("cpu_ns", "running_ns", pl.lit(0)), "wall_ns"),
        contention_share=_share(_CONTENTION, of=(*_CONTENTION, *_WAITS)),
        held_share=_share(("core_held_ns",), of=_CORE),
        released_share=_share(("core_released_ns",), of=_CORE),
    )
    rest_ns = pl.col("wall_ns") - pl.col("busy_ns")
    found = found.with_columns(
        contention_ns=(rest_ns * pl.col("contention_share")).round().cast(pl.Int64),
        blocking_ns=_blocking_ns(recording),
    )
    found = _without_loop_contention(found).with_columns(
        computed_ns=pl.col("busy_ns") - pl.col("blocking_ns"),
        wait_ns=rest_ns - pl.col("contention_ns"),
    )
    # a child process computes while its job waits for it, on a core and without the job's GIL
    child_ns = pl.min_horizontal(pl.col("child_cpu_ns").fill_null(0), "wait_ns")
    held_ns, released_ns = (
        (pl.col("computed_ns") * pl.col(share)).floor().cast(pl.Int64)
        for share in ("held_share", "released_share")
    )
    return found.with_columns(
        held_ns=held_ns,
        released_ns=released_ns + child_ns,
        unknown_ns=pl.col("computed_ns") - held_ns - released_ns,
        wait_ns=pl.col("wait_ns") - child_ns,
        memory_bytes=(pl.col("rss_after_bytes") - pl.col("rss_before_bytes"))
        .clip(lower_bound=0)
        .fill_null(0),
    )


def _blocking_ns(recording: Recording) -> pl.Expr:
    """Return how long each job stopped its loop without computing, ns; 0 without a loop.

    Only the worker's CPU time as a whole is known: what its jobs ran longer than that is divided
    among the stretches in which one of them ran for long.
    """
    shares = []
    for number in range(len(recording.sessions)):
        jobs = recording.jobs.filter(pl.col("session") == number)
        cpu_s = (
            recording.levels.filter(pl.col("session") == number)["cpu_s"].drop_nulls().to_numpy()
        )
        used_ns = float(np.ptp(cpu_s)) * 1e9 if len(cpu_s) else math.inf
        idle_ns = max(0.0, int(jobs["running_ns"].sum()) - used_ns)
        long_ns = int(jobs["blocked_ns"].sum())
        shares.append(min(1.0, idle_ns / long_ns) if long_ns else 0.0)
    share = pl.col("session").replace_strict(
        list(range(len(shares))), shares, return_dtype=pl.Float64
    )
    is_loop = pl.col("running_ns").is_not_null()
    blocked_ns = pl.min_horizontal(pl.col("blocked_ns").fill_null(0), "busy_ns")
    return pl.when(is_loop).then((blocked_ns * share).floor()).otherwise(0).cast(pl.Int64)


def _without_loop_contention(found: pl.DataFrame) -> pl.DataFrame:
    """Set the contention of jobs that shared a thread's loop, one process after another."""
    parts = []
    for part in found.partition_by("session", "pid", maintain_order=True):
        if part["running_ns"].null_count() == part.height:
            parts.append(part)
            continue
        times = [part[name].to_numpy().astype(np.float64) for name in ("wall_ns", "busy_ns")]
        first_ns = pl.col("started_ns").min()
        starts = (
            part.select((pl.col("started_ns") - first_ns).cast(pl.Float64)).to_series().to_numpy()
        )
        waits = _loop_waits(starts, walls=times[0], turns=times[1])
        contention = (times[0] - times[1] - waits).round().clip(min=0).astype(np.int64)
        parts.append(part.with_columns(contention_ns=pl.Series(contention)))
    return pl.concat(parts) if parts else found


def _loop_waits(starts: _Times, *, walls: _Times, turns: _Times) -> _Times:
    """Return the waits with which jobs on one loop would take as long as they took.

    Of a recorded job it is known how long it ran, and not how long it was ready while others ran.
    As in a replay, each job runs for most of that from its start on, waits, and runs for the rest
    after those that were ready before. The waits are corrected until the durations
    are the recorded ones.
    """
    rest = np.maximum(walls - turns, 0.0)
    waits = rest.copy()
    for _ in range(_ROUNDS):
        too_long = loop_durations(starts, turns=turns, waits=waits) - walls
        waits = np.clip(waits - too_long / 2, 0.0, rest)
    return waits


def loop_durations(starts: _Times, *, turns: _Times, waits: _Times) -> _Times:
    """Return how long stand-ins on one loop take: each waits between two parts of its turn."""
    first = turns * FIRST_SHARE
    ran = np.concatenate([first, turns - first])
    ready = np.concatenate([starts, starts + first + waits])
    order = np.argsort(ready, kind="stable")
    done = np.cumsum(ran[order])
    # each part begins when the job is ready and the part before it has ended
    ends = np.empty_like(ready)
    ends[order] = done + np.maximum.accumulate(ready[order] - (done - ran[order]))
    return np.asarray(ends[len(starts) :] - starts)


def unknown_share(segments: pl.DataFrame) -> float:
    """Return which part of all slots' time is computing with or without the GIL, unknown which."""
    wall_ns = int(segments["wall_ns"].sum())
    return int(segments["unknown_ns"].sum()) / wall_ns if wall_ns else 0.0


def _share(part: Sequence[str], *, of: Sequence[str]) -> pl.Expr:
    """Return a share of some states in others: the execution's own, or else its task's."""
    part_ns, whole_ns = (
        pl.sum_horizontal(pl.col(one).fill_null(0) for one in of_) for of_ in (part, of)
    )
    task_part, task_whole = part_ns.sum().over("kind"), whole_ns.sum().over("kind")
    own = pl.when((pl.col("sampled_ns") >= pl.col("enough_ns")) & (whole_ns > 0)).then(
        part_ns / whole_ns
    )
    of_task = pl.when(task_whole > 0).then(task_part / task_whole)
    return pl.coalesce(own, of_task, pl.lit(0.0)).clip(0.0, 1.0)
