"""Measures the workers over time: slots, prefetch count, connections, memory, CPU. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from collector.metrics import rank
from collector.recording import Recording, Session
from report.profile.model import STATES, BusyPoint, Level, PrefetchUse, SlotUse
from report.statistics.differences import slope

#: Number of stretches in the chart of busy slots.
_POINTS = 120

#: Share of the samples, the first ones, that a slope leaves out: a worker's memory grows with its
#: first jobs. The rest has to last this long, seconds: a minute doesn't predict an hour.
_WARM_UP = 1 / 3
_LEAST_S = 600

#: Celery's own prefetch multiplier.
_DEFAULT_MULTIPLIER = 4

_NS_PER_S = 1_000_000_000

Times = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


def spans(sessions: Sequence[Session]) -> list[tuple[int, int]]:
    """Return the times with at least one session, in order, Unix ns."""
    found: list[tuple[int, int]] = []
    for begin_ns, end_ns in sorted((one.begin_ns, one.end_ns) for one in sessions):
        if found and begin_ns <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end_ns))
        else:
            found.append((begin_ns, end_ns))
    return found


def slots_of(recording: Recording, *, session: int) -> tuple[int, bool]:
    """Return the slots of a session, 0 if unknown, and whether their number never changed."""
    beats = recording.heartbeats.filter(pl.col("session") == session)["slots"].drop_nulls()
    worker = recording.sessions[session].worker
    seen = {*beats.unique(), *([worker.slots] if worker and worker.slots else [])}
    return (int(max(seen)) if seen else 0), len(seen) == 1


def slot_use(recording: Recording) -> SlotUse:
    """Return how many slots were busy; executions without an end don't count."""
    ended = recording.jobs.drop_nulls(["started_ns", "finished_ns"])
    started, finished = (ended[name].to_numpy() for name in ("started_ns", "finished_ns"))
    busy_at, busy = _steps(started, finished, weights=np.ones(len(started)))
    slots = [slots_of(recording, session=at)[0] for at in range(len(recording.sessions))]
    begins = np.array([one.begin_ns for one in recording.sessions])
    ends = np.array([one.end_ns for one in recording.sessions])
    slots_at, available = _steps(begins, ends, weights=np.array(slots, dtype=float))
    # only while a worker was there
    edges = np.unique(np.concatenate([busy_at, slots_at]))
    lasting = np.diff(edges)
    is_up = _value(edges[:-1], at=slots_at, values=available) > 0
    level = _value(edges[:-1], at=busy_at, values=busy)
    up_ns = float(lasting[is_up].sum())
    if not up_ns:
        return SlotUse(available=0.0, mean=0.0, p95=0.0, most=float(busy.max(initial=0.0)))
    level, lasting = level[is_up], lasting[is_up]
    order = np.argsort(level, kind="stable")
    reached = np.cumsum(lasting[order]) / up_ns
    return SlotUse(
        available=float((np.array(slots) * (ends - begins)).sum() / up_ns),
        mean=float((level * lasting).sum() / up_ns),
        p95=float(level[order][min(int(np.searchsorted(reached, 0.95)), len(order) - 1)]),
        most=float(busy.max(initial=0.0)),
        points=_points(busy_at, busy=busy, slots_at=slots_at, slots=available),
    )


def prefetch_use(recording: Recording) -> tuple[PrefetchUse, ...]:
    """Return the prefetch count of each session whose heartbeats have it."""
    found = []
    for at, session in enumerate(recording.sessions):
        beats = recording.heartbeats.filter(pl.col("session") == at).sort("t_ns")
        counts = beats["prefetch_count"].drop_nulls()
        # each countdown that waits raises the count by one
        settled = beats.filter(pl.col("countdown_jobs").fill_null(0) == 0)["prefetch_count"]
        settled = settled.drop_nulls()
        if session.worker is None or settled.is_empty():
            continue
        slots, is_fixed = slots_of(recording, session=at)
        multiplier = _multiplier(session)
        found.append(
            PrefetchUse(
                worker=session.worker.name,
                start=counts[0],
                end=settled[-1],
                most=int(counts.to_numpy().max()),
                asked=slots * multiplier if multiplier is not None and is_fixed else None,
            )
        )
    return tuple(found)


def _multiplier(session: Session) -> int | None:
    """Return the prefetch multiplier that was asked for; None if unknown."""
    worker = session.worker
    if worker is None:
        return None
    given = worker.options.get("prefetch_multiplier")
    if given is None:
        given = worker.settings.get("worker_prefetch_multiplier", _DEFAULT_MULTIPLIER)
    return given if isinstance(given, int) else None


def level(recording: Recording, *, name: str) -> Level | None:
    """Return a level of all workers together; None if it was never sampled."""
    known = recording.levels.drop_nulls(name)
    if known.is_empty():
        return None
    second = pl.col("t_ns") // _NS_PER_S
    each = known.group_by("session", second=second).agg(pl.col(name).mean())
    total = each.group_by("second").agg(pl.col(name).sum()).sort("second")
    values = total[name].to_numpy()
    settled = total.slice(round(total.height * _WARM_UP))
    seconds = settled["second"].to_list()
    is_long = bool(seconds) and seconds[-1] - seconds[0] >= _LEAST_S
    per_s = slope(seconds, y=settled[name].to_list()) if is_long else None
    return Level(
        mean=float(values.mean()),
        p95=float(np.sort(values)[rank(950, count=len(values)) - 1]),
        most=float(values.max()),
        per_hour=None if per_s is None else per_s * 3_600,
    )


def used(recording: Recording, *, name: str) -> float | None:
    """Return how much of a sum so far was added in all sessions, per second of their time.

    None if it was sampled less than twice.
    """
    known = recording.levels.drop_nulls(name).sort("t_ns")
    each = known.group_by("session").agg(
        added=pl.col(name).last() - pl.col(name).first(),
        lasting_ns=pl.col("t_ns").last() - pl.col("t_ns").first(),
    )
    lasting_s = float(each["lasting_ns"].sum()) / _NS_PER_S
    return float(each["added"].sum()) / lasting_s if lasting_s else None


def loop_states(recording: Recording) -> dict[str, float]:
    """Return the shares of the sampled time by state of the thread that all slots share."""
    sums = {state: int(recording.levels[f"{state}_ns"].sum()) for state in STATES}
    whole_ns = sum(sums.values())
    return {state: spent_ns / whole_ns for state, spent_ns in sums.items() if spent_ns}


def _steps(begins: Times, ends: Times, *, weights: Numbers) -> tuple[Times, Numbers]:
    """Return the moments at which the sum of weights changes, and the sum from each of them."""
    moments = np.concatenate([begins, ends])
    changes = np.concatenate([weights, -weights])
    order = np.argsort(moments, kind="stable")
    at, first = np.unique(moments[order], return_index=True)
    added = np.add.reduceat(changes[order], first) if len(first) else changes
    return at, np.cumsum(added)


def _value(moments: Times, *, at: Times, values: Numbers) -> Numbers:
    """Return the value of steps at some moments; 0 before the first."""
    # with the value before the first
    known = np.concatenate([[0.0], values])
    found: Numbers = known[np.searchsorted(at, moments, side="right")]
    return found


def _points(
    busy_at: Times,
    *,
    busy: Numbers,
    slots_at: Times,
    slots: Numbers,
) -> tuple[BusyPoint, ...]:
    """Return the means of busy and available slots in equal stretches."""
    # from the begin, since floats have not enough digits for Unix ns
    origin_ns = slots_at[0]
    edges = np.linspace(0, slots_at[-1] - origin_ns, _POINTS + 1)
    width_ns = (edges[1] - edges[0]) or 1.0
    busy_means, slot_means = (
        np.diff(_integral(edges, at=at - origin_ns, values=values)) / width_ns
        for at, values in ((busy_at, busy), (slots_at, slots))
    )
    return tuple(
        BusyPoint(
            at_s=float(edge / _NS_PER_S),
            width_s=float(width_ns / _NS_PER_S),
            busy=float(mean),
            slots=float(available),
        )
        for edge, mean, available in zip(edges[:-1], busy_means, slot_means, strict=True)
    )


def _integral(moments: Numbers, *, at: Times, values: Numbers) -> Numbers:
    """Return the integral of steps up to some moments."""
    if not len(at):
        return np.zeros(len(moments))
    sums = np.concatenate([[0.0], np.cumsum(values[:-1] * np.diff(at))])
    found: Numbers = np.interp(moments, at, sums)
    return found
