"""Divides each recorded execution into what a stand-in repeats. Pure.

An execution computes, waits, and waits for its turn: for a core, for the GIL, or for the loop that
it shares. The last is the recorded machine's contention, which the measured pool makes anew, so it
is left out: the segments of an execution add up to its duration without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

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

#: The Celery code around a job that the recording has in its duration, and that a stand-in has
#: anew, ns of CPU time: from the first line of the execution to the job's function, and from its
#: end to the last line.
CELERY_NS = 60_000


def with_segments(jobs: pl.DataFrame, *, sample_hz: Sequence[float]) -> pl.DataFrame:
    """Return the executions that have a duration, with `SEGMENT_COLUMNS` and ``contention_ns``.

    CPU time and time on a loop are exact; what the thread did besides comes from samples: of the
    execution, or of all executions of its task if it has too few. Without any samples, all the
    rest is a wait.

    Args:
        jobs: as `collector.recording.Recording.jobs`.
        sample_hz: samples a second, by session.
    """
    finished = jobs.filter(pl.col("started_ns").is_not_null(), pl.col("finished_ns").is_not_null())
    # the clocks of two lines of one execution are the same, but may be set back between them
    wall_ns = (pl.col("finished_ns") - pl.col("started_ns")).clip(lower_bound=0)
    hz = pl.Series("hz", [max(one, 1e-9) for one in sample_hz], dtype=pl.Float64)
    own_ns = pl.sum_horizontal(*_CORE, *_CONTENTION, *_WAITS)
    found = finished.with_columns(
        wall_ns=wall_ns,
        # a greenlet or coroutine on its loop computes, or blocks it
        busy_ns=pl.coalesce("cpu_ns", "running_ns", pl.lit(0)),
        enough_ns=pl.col("session").replace_strict(
            list(range(len(hz))), (_SAMPLES * 1e9 / hz).to_list(), return_dtype=pl.Float64
        ),
        sampled_ns=own_ns,
    ).with_columns(pl.min_horizontal("busy_ns", "wall_ns").alias("busy_ns"))
    found = found.with_columns(
        _share(_CONTENTION, of=(*_CONTENTION, *_WAITS)).alias("contention_share"),
        _share(("core_held_ns",), of=_CORE).alias("held_share"),
        _share(("core_released_ns",), of=_CORE).alias("released_share"),
    )
    rest_ns = pl.col("wall_ns") - pl.col("busy_ns")
    is_loop = pl.col("running_ns").is_not_null()
    found = found.with_columns(
        contention_ns=pl.when(is_loop)
        .then(pl.min_horizontal(pl.col("runnable_ns").fill_null(0), rest_ns))
        .otherwise((rest_ns * pl.col("contention_share")).round())
        .cast(pl.Int64),
        held_ns=(pl.col("busy_ns") * pl.col("held_share")).floor().cast(pl.Int64),
        released_ns=(pl.col("busy_ns") * pl.col("released_share")).floor().cast(pl.Int64),
    )
    found = found.with_columns(
        unknown_ns=pl.col("busy_ns") - pl.col("held_ns") - pl.col("released_ns"),
        wait_ns=pl.col("wall_ns") - pl.col("busy_ns") - pl.col("contention_ns"),
    )
    # a child process computes while its job waits for it, on a core and without the job's GIL
    child_ns = pl.min_horizontal(pl.col("child_cpu_ns").fill_null(0), "wait_ns")
    return found.with_columns(
        released_ns=pl.col("released_ns") + child_ns,
        wait_ns=pl.col("wait_ns") - child_ns,
        blocking_ns=pl.lit(0, pl.Int64),
        memory_bytes=(pl.col("rss_after_bytes") - pl.col("rss_before_bytes"))
        .clip(lower_bound=0)
        .fill_null(0),
    )


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
