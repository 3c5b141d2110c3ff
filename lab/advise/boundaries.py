"""Finds what would change the advice: the nearest value of each input that leads to another kind.

A *kind* is a pool with one worker, or with several. Pure. The rules and the estimate are evaluated
again and again with one input changed. The estimate is corrected by what was measured, so that with
nothing changed it ranks the pools as measured.
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
from lab.advise.model import MATTERS_SHARE, Demand, Limits, Setting, TaskDemand
from report import format as fmt

#: Largest change of an input that is looked for, as a factor, and the factor of each step.
MOST_CHANGE, STEP = 16.0, 1.1

#: Precision of a boundary: two digits.
PRECISION = 1.01


#: A pool, and whether it has several workers.
_Kind = tuple[str, bool]

#: Returns the setting that leads in a case: with a demand and limits.
_Leader = Callable[[tuple[Demand, Limits]], Setting]


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """A change of one input after which a setting of another kind leads."""

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
        advised: the setting that leads now.
        corrections: pool → measured ÷ estimated throughput.
        most: number of boundaries.
    """
    leads = _leader(demand, limits=limits, advised=advised, corrections=corrections)
    found = [
        one
        for given in _inputs(demand, limits=limits)
        if (one := _nearest(given, leads=leads, kind=_kind(advised)))
    ]
    for feature in (one for one in demand.features if one.is_used):
        changed = leads((without(demand, feature=feature.name), limits))
        if _kind(changed) != _kind(advised):
            change = f"no job relied on {feature.name}"
            found.append(Boundary(change=change, setting=changed, factor=1.0))
    return sorted(found, key=lambda one: one.factor)[:most]


def _leader(
    demand: Demand, *, limits: Limits, advised: Setting, corrections: Mapping[str, float]
) -> _Leader:
    """Return a function of a case that returns the setting that leads in it.

    The kind of ``advised`` leads as long as it can run, unless another does more by `LITTLE_MORE`
    or one of fewer processes does about as much. What holds by the estimate with nothing changed
    was measured otherwise, or with too little difference, and counts from there.
    """
    known = [*corrections.values()]
    usual = statistics.geometric_mean(known) if known else 1.0

    def by_kind(case: tuple[Demand, Limits]) -> dict[_Kind, tuple[float, Setting]]:
        """Return the best setting of each kind, with its throughput."""
        demand, limits = case
        settings = rank(demand, limits=limits)
        if is_allowed(advised, demand, limits=limits):
            settings.append(advised)
        found: dict[_Kind, tuple[float, Setting]] = {}
        for one in settings:
            per_s = capacity_per_s(one, demand) * corrections.get(one.pool, usual)
            if _kind(one) not in found or per_s > found[_kind(one)][0]:
                found[_kind(one)] = (per_s, one)
        return found

    def cheaper(kinds: Mapping[_Kind, tuple[float, Setting]]) -> dict[_Kind, Setting]:
        """Return the settings of fewer processes that do about as much as the advised kind."""
        per_s, kept = kinds[own]
        return {
            kind: one
            for kind, (value, one) in kinds.items()
            if one.processes < kept.processes and value * (1 + LITTLE_MORE) >= per_s
        }

    own, now = _kind(advised), by_kind((demand, limits))
    lead, few = 1.0, {}
    if own in now:
        lead = max(1.0, max(value for value, _ in now.values()) / now[own][0])
        few = cheaper(now)

    def leads(case: tuple[Demand, Limits]) -> Setting:
        kinds = by_kind(case)
        if not kinds:
            return advised
        best_per_s, best = max(kinds.values(), key=itemgetter(0))
        if own not in kinds or best_per_s > kinds[own][0] * lead * (1 + LITTLE_MORE):
            return best
        others = [one for kind, one in cheaper(kinds).items() if kind not in few]
        return min(others, key=lambda one: one.processes, default=kinds[own][1])

    return leads


def _kind(setting: Setting) -> _Kind:
    return setting.pool, setting.workers > 1


def _nearest(given: _Input, *, leads: _Leader, kind: _Kind) -> Boundary | None:
    """Return the nearest boundary of one input, in either direction."""
    found = []
    for step in (1 / STEP, STEP):
        factor = 1.0
        while 1 / MOST_CHANGE < factor * step < MOST_CHANGE and given.now * factor < given.most:
            before, factor = factor, factor * step
            if _kind(leads(given.at(_capped(given, factor)))) != kind:
                factor = _bisect(given, kept=before, changed=factor, leads=leads, kind=kind)
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
    kind: _Kind,
) -> float:
    while max(kept / changed, changed / kept) > PRECISION:
        middle = math.sqrt(kept * changed)
        if _kind(leads(given.at(_capped(given, middle)))) == kind:
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
