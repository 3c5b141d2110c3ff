"""Folds lines into records, one for each execution attempt. Pure.

Folding uses *gathered* rows: the content of all lines of one nonce, before it is interpreted.
Gathering is associative: gathering parts of the lines and merging the results equals gathering all
lines at once. A run can therefore be folded part by part, in any order, and a line that was stored
twice counts once.

The outcome of an execution is that of the first rule that applies:

1. The *finished* line has a known state (`OUTCOME_OF_STATE`), which determines the outcome: the
   slot has ended the function, whatever its parent reported meanwhile (a time limit at the same
   instant, the `task_failure` of a Reject). Exception: a failure whose verdict is a time limit is
   ``timed-out``, since the soft time limit raises its exception in the function.
2. There is a verdict: its outcome, the strongest of several (`_STRENGTH`). A time limit or a lost
   worker therefore overrides a *finished* line without a state, which a timed-out slot writes.
3. It started, and the trial is over: ``lost-worker``. A killed worker writes no line, and neither
   does a killed child under ``reject_on_worker_lost``.
4. Otherwise null: it still runs, or it was received and never started, which is not an attempt.

One nonce may end more than once: prefork runs a message again, as the same execution, if a slot is
killed before its parent has read that it took the message. Then `finished_again_ns` is set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import polars as pl

from collector.schema import LINE_SCHEMA, RECORD_SCHEMA, conform
from poolbench.records import OUTCOME_OF_STATE, RECORD_COLUMNS, Moment, Outcome

#: Verdicts of one execution, from the weakest to the strongest. A cause is stronger than its
#: effect: a time limit kills the child, and its parent then reports a lost worker as well. A bare
#: failure is the weakest, since `task_failure` accompanies all the others.
_STRENGTH: tuple[Outcome, ...] = (
    Outcome.DONE,
    Outcome.FAILED,
    Outcome.RETRIED,
    Outcome.IGNORED,
    Outcome.REJECTED,
    Outcome.LOST_WORKER,
    Outcome.TIMED_OUT,
    Outcome.EXPIRED,
    Outcome.REVOKED,
)

#: One character for each outcome, in the order of strength, so that the maximum is the verdict.
_CODES: Mapping[str, str] = {outcome.value: str(rank) for rank, outcome in enumerate(_STRENGTH)}

#: Identity of a line's execution: in every line, except for parts that its writer lacks.
_IDENTITY = ("run", "trial", "seq", "contender", "kind", "task_id", "attempt", "part")

#: Content of the *received* line.
_RECEIPT = ("worker", "eta_ns")
_SENT = ("due_ns", "sent_ns")

#: Columns from the slot's lines only; in other lines they would describe the parent process.
_SLOT = ("host", "boot_id", "pid", "slot", "pool_seen", "sockets_patched", "gil_enabled")

#: Costs of an execution.
_COSTS = ("work_ns", "cpu_ns", "blocked_ns")

#: Content of the *finished* line; if a nonce has several, of the first one.
_END = (*_COSTS, "state", "end_error")

_MOMENT_WORDS = (Moment.RECEIVED.value, Moment.STARTED.value, Moment.FINISHED.value)
_MOMENTS = tuple(f"{word}_ns" for word in _MOMENT_WORDS)

#: Columns with repeated texts: as categories they need a quarter of the memory.
_REPEATED = ("run", "contender", "kind", "part", "worker", "host", "boot_id", "pool_seen", "state")

#: Sort key of records, which makes them independent of the order of their lines.
ORDER = ("trial", "seq", "attempt", "received_ns", "nonce")

#: Number of frames with complete rows of a live run at which they are concatenated.
_MAX_PIECES = 64

#: Number of rows that are converted into records at once when a run is closed.
_SLICE_ROWS = 200_000


def fold(lines: pl.DataFrame) -> pl.DataFrame:
    """Return the records (`RECORD_COLUMNS`) of a trial that is over, sorted by `ORDER`.

    ``lines`` may be in any order and repeated; each has a nonce, a moment and a time.
    """
    return fold_parts([lines])


def fold_parts(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the records of all parts as `fold` does, with one part in memory at a time."""
    folding = Folding()
    for lines in parts:
        folding.add(lines)
    return folding.close()


def gather(lines: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each nonce with the content of its lines, in no order."""
    # a *published* line is about another message, which has lines of its own once it is received
    of_executions = lines.lazy().filter(pl.col("m") != Moment.PUBLISHED.value)
    return _join(of_executions.select(_spread())).collect()


def merge(gathered: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the gathered rows of all lines together."""
    rows = pl.concat(gathered, rechunk=False)
    is_shared = rows["nonce"].is_duplicated()
    if not is_shared.any():
        return rows
    joined = _join(rows.lazy().filter(is_shared)).collect()
    return pl.concat([rows.filter(~is_shared), joined.select(rows.columns)], rechunk=False)


def settle(
    gathered: pl.DataFrame, *, is_over: bool, columns: Collection[str] = tuple(RECORD_COLUMNS)
) -> pl.DataFrame:
    """Return the record of each gathered row.

    Args:
        gathered: rows of `gather` or `merge`.
        is_over: whether no more lines will arrive. Then an execution that started and did not end
            is ``lost-worker``; while the trial runs, its outcome is null.
        columns: those of `RECORD_COLUMNS` to return; fewer need less memory.
    """
    went_wrong = pl.col("outcome").ne_missing(Outcome.DONE.value)
    error = pl.coalesce("end_error", pl.col("verdict").str.slice(1).replace("", None))
    last_ns = pl.col("last_finished_ns")
    again_ns = pl.when(last_ns > pl.col("finished_ns")).then(last_ns)
    rows = gathered.with_columns(_outcome(is_over=is_over), finished_again_ns=again_ns)
    schema = pl.Schema({name: RECORD_SCHEMA[name] for name in columns})
    return conform(rows.with_columns(error=pl.when(went_wrong).then(error)), schema=schema)


class Folding:
    """Folds a run while its lines arrive; keeps rows in memory, and not the lines."""

    def __init__(self) -> None:
        # rows that are probably complete, and rows that wait for more lines
        self._whole: list[pl.DataFrame] = []
        self._open = gather(LINE_SCHEMA.to_frame())

    def add(self, lines: pl.DataFrame) -> None:
        """Add lines."""
        rows = merge([self._open, gather(lines)])
        is_whole = pl.all_horizontal(pl.col(*_MOMENTS).is_not_null())
        self._whole.append(rows.filter(is_whole))
        self._open = rows.filter(~is_whole)
        if len(self._whole) > _MAX_PIECES:
            self._whole = [pl.concat(self._whole)]

    def records(self, *, columns: Collection[str]) -> pl.DataFrame:
        """Return some columns of the records so far, in no order."""
        return settle(merge([*self._whole, self._open]), is_over=False, columns=columns)

    def close(self) -> pl.DataFrame:
        """Return the records of all lines as `fold` does, and free the memory of the lines."""
        rows = merge([*self._whole, self._open])
        self._whole, self._open = [], self._open.clear()
        order = rows.select(pl.arg_sort_by(ORDER)).to_series()
        # slice by slice, so that sorted rows and records are never all in memory at once
        slices = order.to_frame("at").iter_slices(_SLICE_ROWS)
        pieces = (settle(rows[piece["at"]], is_over=True) for piece in slices)
        return pl.concat([RECORD_SCHEMA.to_frame(), *pieces], rechunk=False)


def _spread() -> list[pl.Expr]:
    """Return the expressions that make a gathered row from one line."""
    moment, at_ns = pl.col("m"), pl.col("t_ns")
    from_slot = moment.is_in([Moment.STARTED.value, Moment.FINISHED.value])
    is_end = moment == Moment.FINISHED.value
    code = pl.col("outcome").replace_strict(_CODES, default=None, return_dtype=pl.String)
    verdict = code + pl.col("error").fill_null("")
    columns = {
        "nonce": pl.col("nonce"),
        **{name: pl.col(name) for name in (*_IDENTITY, *_RECEIPT, *_SENT)},
        **{name: pl.when(from_slot).then(pl.col(name)) for name in _SLOT},
        **{name: pl.when(is_end).then(pl.col(name)) for name in (*_COSTS, "state")},
        "end_error": pl.when(is_end).then(pl.col("error")),
        "verdict": pl.when(moment == Moment.VERDICT.value).then(verdict),
        **{f"{word}_ns": pl.when(moment == word).then(at_ns) for word in _MOMENT_WORDS},
        "last_finished_ns": pl.when(is_end).then(at_ns),
    }
    return [
        (column.cast(pl.Categorical) if name in _REPEATED else column).alias(name)
        for name, column in columns.items()
    ]


def _join(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return one row for each nonce; no aggregate depends on order, repetition or grouping."""
    return rows.group_by("nonce").agg(
        pl.col(*_IDENTITY, *_RECEIPT, *_SLOT, "verdict", "last_finished_ns").max(),
        pl.col(*_END).min_by("finished_ns"),
        pl.col(*_SENT, *_MOMENTS).min(),
    )


def _outcome(*, is_over: bool) -> pl.Expr:
    """Return the outcome of an execution, by the rules in this module's docstring."""
    state = pl.col("state").cast(pl.String)
    by_state = state.replace_strict(OUTCOME_OF_STATE, default=None, return_dtype=pl.String)
    outcomes = {code: outcome for outcome, code in _CODES.items()}
    word = pl.col("verdict").str.head(1)
    by_verdict = word.replace_strict(outcomes, default=None, return_dtype=pl.String)
    ran = pl.any_horizontal(pl.col("started_ns", "finished_ns").is_not_null())
    lost = pl.when(ran & pl.lit(is_over)).then(pl.lit(Outcome.LOST_WORKER.value))
    failed, limit = pl.lit(Outcome.FAILED.value), pl.lit(Outcome.TIMED_OUT.value)
    soft = pl.when((by_state == failed) & (by_verdict == limit)).then(limit)
    return pl.coalesce(soft, by_state, by_verdict, lost).alias("outcome")
