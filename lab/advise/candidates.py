"""Chooses the settings to measure: the three best by the rules' bounds and the estimate. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from lab.advise.capacity import capacity_per_s, filling_slots
from lab.advise.model import Demand, Limits, Setting
from lab.advise.rules import Rule, apply_rules
from poolbench.pools import POOLS

#: Settings that are measured beside today's.
CANDIDATES = 3

#: Slots above what fills the pool's ceiling for a mean job.
SPARE = 1.3

#: Most slots of a candidate, unless the load needs more.
MOST_SLOTS = 100

#: Estimates within this share of each other are equal; fewer processes go first, and then the
#: order of `POOLS`.
EQUAL_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The settings to measure, and how they were found."""

    rules: tuple[Rule, ...]
    #: The best first, without today's setting.
    settings: tuple[Setting, ...]
    #: Pool → why no setting of it is a candidate.
    excluded: Mapping[str, str]


def find_candidates(demand: Demand, *, limits: Limits) -> Candidates:
    """Return the candidates for a demand, with the rules that led to them.

    Where it is unknown whether computing holds the GIL, the best under either assumption are
    candidates by turns.
    """
    rules = apply_rules(demand, limits=limits)
    excluded = _excluded(rules)
    ranked = [
        rank(case, limits=limits)
        for case in (demand.with_gil(is_held=True), demand.with_gil(is_held=False))
    ]
    turns = [one for several in zip_longest(*map(_by_pool, ranked)) for one in several if one]
    found = dict.fromkeys(one for one in turns if one != demand.today)
    return Candidates(rules=rules, settings=tuple(found)[:CANDIDATES], excluded=excluded)


def _by_pool(ranked: Sequence[Setting]) -> list[Setting]:
    """Return the best setting of each pool, then the others: pools differ more than estimated."""
    best = {one.pool: one for one in reversed(ranked)}
    return sorted(ranked, key=lambda one: best[one.pool] is not one)


def rank(demand: Demand, *, limits: Limits) -> list[Setting]:
    """Return the possible settings, the highest estimated throughput first.

    Computing of unknown kind counts as held.
    """
    rules = apply_rules(demand, limits=limits)
    excluded = _excluded(rules)
    settings = [
        setting
        for pool in POOLS
        if pool not in excluded
        for setting in _of_pool(pool, demand, rules=rules)
    ]

    order = [*POOLS]

    def key(setting: Setting) -> tuple[int, int, int]:
        step = math.floor(math.log(capacity_per_s(setting, demand)) / math.log1p(EQUAL_SHARE))
        return -step, setting.processes, order.index(setting.pool)

    return sorted(settings, key=key)


def is_allowed(setting: Setting, demand: Demand, *, limits: Limits) -> bool:
    """Return whether no rule excludes a setting's pool, or its numbers of slots and workers."""
    rules, pool = apply_rules(demand, limits=limits), setting.pool
    most_slots = _least(pool, [rule.most_slots for rule in rules], above=setting.total_slots)
    most_workers = _least(pool, [rule.most_workers for rule in rules], above=setting.workers)
    return (
        pool not in _excluded(rules)
        and setting.total_slots <= most_slots
        and setting.workers <= most_workers
    )


def _of_pool(pool: str, demand: Demand, *, rules: Sequence[Rule]) -> list[Setting]:
    """Return the settings of a pool: one worker, and as many as it may have if that is more."""
    least_slots = max(rule.least_slots for rule in rules)
    most_slots = _least(pool, [rule.most_slots for rule in rules], above=MOST_SLOTS)
    most_slots = min(max(most_slots, _need(pool, rules, least_slots)), POOLS[pool].max_slots)
    least_workers = max(rule.least_workers.get(pool, 1) for rule in rules)
    most_workers = _least(pool, [rule.most_workers for rule in rules], above=1)
    most_workers = min(most_workers, most_slots)
    found: dict[Setting, None] = {}
    for workers in sorted({min(least_workers, most_workers), most_workers}):
        slots = filling_slots(pool, demand, workers=workers, spare=SPARE)
        slots = max(slots, math.ceil(least_slots / workers))
        slots = min(slots, max(1, most_slots // workers))
        prefetch = next((rule.prefetch[pool] for rule in rules if pool in rule.prefetch), None)
        setting = Setting(
            pool=pool,
            slots=POOLS[pool].fixed_slots or slots,
            workers=workers,
            prefetch_multiplier=prefetch or demand.today.prefetch_multiplier,
        )
        found[setting] = None
    return [*found]


def _need(pool: str, rules: Sequence[Rule], least_slots: int) -> int:
    """Return the slots that the load needs, as far as a limit of the owner's allows."""
    allowed = [rule.most_slots[pool] for rule in rules if pool in rule.most_slots]
    return min([least_slots, *allowed])


def _least(pool: str, bounds: Collection[Mapping[str, int]], *, above: int) -> int:
    """Return the smallest of a pool's bounds; ``above`` if it has none."""
    return min((one[pool] for one in bounds if pool in one), default=above)


def _excluded(rules: Sequence[Rule]) -> dict[str, str]:
    found: dict[str, str] = {}
    for rule in rules:
        found = {**rule.excluded, **found}
    return found


def without(demand: Demand, *, feature: str) -> Demand:
    """Return the demand of an app that doesn't rely on a feature."""
    return replace(demand, features=tuple(f for f in demand.features if f.name != feature))
