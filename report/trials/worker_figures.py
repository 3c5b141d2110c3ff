"""Figures of workers themselves: of a trial that pings them, and over several trials. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, TypeVar

from collector.metrics import rank
from collector.worker_figures import IdleFigures, PingAnswers, StartFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class PingFigures:
    """How busy workers answered pings. A ping without an answer in time counts as `timeout_s`."""

    timeout_s: float
    #: Pings, and those of them without an answer in time.
    pings: int
    missed: int
    #: Percentiles and the largest of the times to the answer, seconds.
    p50_s: float
    p95_s: float
    max_s: float

    @property
    def missed_share(self) -> float:
        """The share of the pings without an answer in time."""
        return self.missed / self.pings


class WorkerTrial(Protocol):
    """A trial, as far as it is about workers themselves."""

    @property
    def start(self) -> StartFigures | None:
        """How its workers started."""

    @property
    def idle(self) -> IdleFigures | None:
        """What its workers cost without jobs."""

    @property
    def ping(self) -> PingFigures | None:
        """How its workers answered pings."""


_Figures = TypeVar("_Figures", StartFigures, IdleFigures, PingFigures)


def measure_pings(found: PingAnswers | None) -> PingFigures | None:
    """Return the figures of a trial's pings; None if there was none."""
    if found is None or not found.answers_s:
        return None
    ordered_s = sorted(found.timeout_s if one is None else one for one in found.answers_s)
    p50_s, p95_s = (ordered_s[rank(one, count=len(ordered_s)) - 1] for one in (500, 950))
    return PingFigures(
        timeout_s=found.timeout_s,
        pings=len(ordered_s),
        missed=found.answers_s.count(None),
        p50_s=p50_s,
        p95_s=p95_s,
        max_s=ordered_s[-1],
    )


def lead_figure(trial: WorkerTrial) -> float | None:
    """Return the figure of a trial that verdicts compare, of which less is better; None without.

    It is the time until all slots are busy, seconds; Redis commands a second; or the p95 of the
    answer to a ping, seconds.
    """
    if trial.start:
        return trial.start.all_slots_s
    if trial.idle:
        return trial.idle.commands_per_s
    return trial.ping.p95_s if trial.ping else None


def medians(found: Sequence[_Figures]) -> _Figures | None:
    """Return the median of each field over several trials; None without a trial.

    A count that lies between two counts is rounded down to a measured one.
    """
    if not found:
        return None
    known = {
        one.name: [value for each in found if (value := getattr(each, one.name)) is not None]
        for one in fields(found[0])
    }
    return replace(found[0], **{name: _median(values) for name, values in known.items()})


def sum_pings(found: Sequence[PingFigures]) -> PingFigures | None:
    """Return the medians of several trials' times, with the numbers of all their pings."""
    middle = medians(found)
    if middle is None:
        return None
    pings, missed = sum(one.pings for one in found), sum(one.missed for one in found)
    return replace(middle, pings=pings, missed=missed)


def _median(values: Sequence[Any]) -> Any:
    if not values:
        return None
    is_count = all(isinstance(value, int) for value in values)
    return statistics.median_low(values) if is_count else statistics.median(values)
