"""Finds what would change the advice: the nearest value of each input at which another pool leads.

Pure. The rules and the estimate are evaluated again and again with one input changed. The estimate
is corrected by what was measured, so that with nothing changed it ranks the pools as measured.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from lab.advise.candidates import is_allowed, rank, without
from lab.advise.capacity import capacity_per_s
from lab.advise.decision import LITTLE_MORE
from lab.advise.model import Demand, Limits, Setting, TaskDemand
from report import format as fmt

#: Largest change of an input that is looked for, as a factor, and the factor of each step.
MOST_CHANGE, STEP = 16.0, 1.1

#: Precision of a boundary: two digits.
PRECISION = 1.01

#: Only tasks with this share of busy time are varied.
MATTERS_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """A change of one input after which another pool leads."""

    #: The change, as a clause after "if": ``shop.fetch waited under 3 ms (now 48 ms)``.
    change: str
    #: The setting that leads then.
    setting: Setting
    #: The change as a factor, at least 1; 1 if it isn't a number.
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Input:
    """A number that may be changed."""

    #: The clause for a lower and for a higher value than now.
    phrase: Callable[[float, bool], str]
    #: Its value now.
    now: float
    #: The case at another value.
    at: Callable[[float], tuple[Demand, Limits]]
    most: float = math.inf


def find_boundaries(
    demand: Demand,
    *,
    limits: Limits,
    advised: Setting,
    corrections: Mapping[str, float],
    most: int = 3,
) -> list[Boundary]:
    """Return what would change the advice, the smallest change first.

    Args:
        demand: without computing of unknown kind, if that matters.
        limits: the owner's.
        advised: the setting whose pool should lead.
        corrections: pool → measured ÷ estimated throughput.
        most: number of boundaries.
    """
    leads = _leader(demand, limits=limits, advised=advised, corrections=corrections)
    found = [
        one
        for given in _inputs(demand, limits=limits)
        if (one := _nearest(given, leads=leads, pool=advised.pool))
    ]
    for feature in (one for one in demand.features if one.is_used):
        changed = leads((without(demand, feature=feature.name), limits))
        if changed.pool != advised.pool:
            change = f"no job relied on {feature.name}"
            found.append(Boundary(change=change, setting=changed, factor=1.0))
    return sorted(found, key=lambda one: one.factor)[:most]


#: What leads in a case: its demand and its limits.
_Leader = Callable[[tuple[Demand, Limits]], Setting]


def _leader(
    demand: Demand, *, limits: Limits, advised: Setting, corrections: Mapping[str, float]
) -> _Leader:
    """Return a function of a case that returns the setting that leads in it.

    The pool of ``advised`` leads as long as it can run and no other does more by `LITTLE_MORE`, or
    by that much more than another may do now, where the measurement has not proved a difference.
    """
    known = [*corrections.values()]
    usual = statistics.geometric_mean(known) if known else 1.0

    def per_s(setting: Setting, demand: Demand) -> float:
        return capacity_per_s(setting, demand) * corrections.get(setting.pool, usual)

    def best(case: tuple[Demand, Limits]) -> tuple[Setting | None, Setting | None]:
        """Return the best setting of the advised pool, and the best of the others."""
        demand, limits = case
        settings = rank(demand, limits=limits)
        if is_allowed(advised, demand, limits=limits):
            settings.append(advised)
        ranked = [(one, per_s(one, demand)) for one in settings]
        sides: tuple[list[tuple[float, Setting]], list[tuple[float, Setting]]] = ([], [])
        for setting, value in ranked:
            sides[setting.pool != advised.pool].append((value, setting))
        kept, others = (max(side, key=itemgetter(0), default=None) for side in sides)
        return kept and kept[1], others and others[1]

    def ratio(kept: Setting, other: Setting, demand: Demand) -> float:
        return per_s(other, demand) / per_s(kept, demand)

    kept, other = best((demand, limits))
    now = max(1.0, ratio(kept, other, demand)) if kept and other else 1.0

    def leads(case: tuple[Demand, Limits]) -> Setting:
        kept, other = best(case)
        if kept is None or other is None:
            return kept or other or advised
        is_more = ratio(kept, other, case[0]) > now * (1 + LITTLE_MORE)
        return other if is_more else kept

    return leads


def _nearest(given: _Input, *, leads: _Leader, pool: str) -> Boundary | None:
    """Return the nearest boundary of one input, in either direction."""
    found = []
    for step in (1 / STEP, STEP):
        factor = 1.0
        while 1 / MOST_CHANGE < factor * step < MOST_CHANGE and given.now * factor < given.most:
            before, factor = factor, factor * step
            if leads(given.at(_capped(given, factor))).pool != pool:
                factor = _bisect(given, kept=before, changed=factor, leads=leads, pool=pool)
                value = _capped(given, factor)
                change = given.phrase(value, step > 1)
                setting = leads(given.at(value))
                size = max(value / given.now, given.now / value)
                found.append(Boundary(change=change, setting=setting, factor=size))
                break
    return min(found, key=lambda one: one.factor, default=None)


def _bisect(
    given: _Input,
    *,
    kept: float,
    changed: float,
    leads: _Leader,
    pool: str,
) -> float:
    while max(kept / changed, changed / kept) > PRECISION:
        middle = math.sqrt(kept * changed)
        if leads(given.at(_capped(given, middle))).pool == pool:
            kept = middle
        else:
            changed = middle
    return changed


def _capped(given: _Input, factor: float) -> float:
    return min(given.most, given.now * factor)


def _inputs(demand: Demand, *, limits: Limits) -> Iterator[_Input]:
    for task in (one for one in demand.tasks if demand.share_of(one) >= MATTERS_SHARE):
        yield from _of_task(task, demand=demand, limits=limits)
    held, cpu = (getattr(demand.mean, name) for name in ("held_s", "cpu_s"))
    if 0 < held < cpu:
        yield _Input(
            phrase=lambda share, is_more: (
                f"{'over' if is_more else 'under'} {fmt.percent(share)} of the computing held the "
                f"GIL (now {fmt.percent(held / cpu)})"
            ),
            now=held / cpu,
            at=lambda share: (_with_held_share(demand, share=share), limits),
            most=1.0,
        )
    given = limits.memory_bytes
    if given is not None:
        yield _Input(
            phrase=lambda value, is_more: (
                f"the memory limit were {'over' if is_more else 'under'} {fmt.size(value)}"
            ),
            now=given,
            at=lambda value: (demand, replace(limits, memory_bytes=round(value))),
        )
    many = limits.connections
    if many is not None:
        yield _Input(
            phrase=lambda value, is_more: (
                f"{'over' if is_more else 'under'} {value:.0f} connections were allowed"
            ),
            now=many,
            at=lambda value: (demand, replace(limits, connections=max(1, round(value)))),
        )


def _of_task(task: TaskDemand, *, demand: Demand, limits: Limits) -> Iterator[_Input]:
    """Yield the waits and the computing of a task, as far as it has any."""
    for verb, names in (
        ("waited", ("wait_s",)),
        ("computed", ("held_s", "released_s", "unknown_s")),
        ("waited without yielding", ("blocking_s",)),
    ):
        now = sum(getattr(task, name) for name in names)
        if now <= 0:
            continue

        def phrase(value: float, is_more: bool, verb: str = verb, now: float = now) -> str:  # noqa: FBT001 -- a callback
            sign = "over" if is_more else "under"
            return f"{task.name} {verb} {sign} {fmt.duration(value)} (now {fmt.duration(now)})"

        def at(
            value: float, names: Sequence[str] = names, now: float = now
        ) -> tuple[Demand, Limits]:
            scaled = {name: getattr(task, name) * value / now for name in names}
            changed = replace(task, **scaled)
            tasks = tuple(changed if one is task else one for one in demand.tasks)
            return replace(demand, tasks=tasks), limits

        yield _Input(phrase=phrase, now=now, at=at)


def _with_held_share(demand: Demand, *, share: float) -> Demand:
    """Return the demand with another share of the known computing that holds the GIL."""
    mean = demand.mean
    held_s, released_s = mean.held_s, mean.released_s
    wanted_s = share * mean.cpu_s
    tasks = []
    for task in demand.tasks:
        if wanted_s <= held_s:
            moved_s = task.held_s * (1 - wanted_s / held_s)
        else:
            moved_s = -task.released_s * min(1.0, (wanted_s - held_s) / released_s)
        tasks.append(
            replace(task, held_s=task.held_s - moved_s, released_s=task.released_s + moved_s)
        )
    return replace(demand, tasks=tuple(tasks))
