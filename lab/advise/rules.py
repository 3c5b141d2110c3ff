"""The rules that bound which settings may serve an app, each with its inputs and conclusion. Pure.

A rule takes the recorded demand and the owner's limits. It names what is unknown, which bounds
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lab.advise.capacity import CELERY_S, ceiling_per_s, interpreter_s
from lab.advise.model import Demand, Limits
from poolbench.pools import BLOCKING_DRIVERS, POOLS
from report import format as fmt

#: Standard deviations of the busy slots that stay free for bursts: with random arrivals, more jobs
#: than slots are there at once in about 2 % of the time.
BURST_DEVIATIONS = 2.0

#: Share of one interpreter's time that a worker may use at the recorded rate.
USED_SHARE = 0.8

#: Share of busy time from which waits that don't yield exclude the pools of one thread.
BLOCKING_SHARE = 0.05

#: A mix is of short and long jobs if p95 is this many times p50, and at least so long, seconds: a
#: worker that reserves short jobs behind such a job delays them.
LONG_RATIO, LONG_S = 10.0, 1.0

#: Prefetch multiplier for such a mix; and for gevent with late acknowledgement, which stops
#: fetching with a multiplier of 1 while a job runs.
SHORT_PREFETCH, GEVENT_LATE_PREFETCH = 1, 4


#: What a pool does with a feature, by the outcome of a survey (`lab.conformance`).
_DOES = {"ignored": "ignores", "breaks": "breaks"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule with what it read, what follows, and how that bounds the candidates."""

    name: str
    #: Recorded facts, as one phrase.
    inputs: str
    #: What follows, as one clause.
    conclusion: str
    #: Slots that all workers together need.
    least_slots: int = 1
    #: Pool → most slots of all workers together; pools without a bound are absent.
    most_slots: Mapping[str, int] = field(default_factory=dict)
    #: Pool → workers that are needed, and most workers; pools without a bound are absent.
    least_workers: Mapping[str, int] = field(default_factory=dict)
    most_workers: Mapping[str, int] = field(default_factory=dict)
    #: Pool → why it is no candidate.
    excluded: Mapping[str, str] = field(default_factory=dict)
    #: Pool → prefetch multiplier to set.
    prefetch: Mapping[str, int] = field(default_factory=dict)


def littles_law(demand: Demand, limits: Limits) -> Rule:
    """Bound the slots from below by rate × service time, with room for bursts."""
    del limits
    busy = demand.busy_slots
    dispersion = demand.dispersion
    spare = BURST_DEVIATIONS * math.sqrt(busy * max(1.0, dispersion or 1.0))
    least = max(1, math.ceil(busy + spare))
    service = fmt.duration(demand.mean.service_s)
    return Rule(
        name="Little's law",
        inputs=f"{fmt.number(demand.per_s)} jobs/s × {service} without contention = "
        f"{fmt.number(busy)} slots busy; dispersion of arrivals "
        f"{'unknown' if dispersion is None else fmt.number(dispersion)}",
        conclusion=f"at least {fmt.counted(least, noun='slot')}",
        least_slots=least,
    )


def one_interpreter(demand: Demand, limits: Limits) -> Rule:
    """Bound the workers from below by what one process, with one GIL, can compute."""
    del limits
    job = demand.mean
    least = {
        pool: max(1, math.ceil(demand.per_s * interpreter_s(pool, demand) / USED_SHARE))
        for pool in POOLS
        if pool not in ("prefork", "solo")
    }
    held = f"{fmt.duration(job.held_s)} with the GIL held"
    if job.unknown_s:
        held = f"{held}, {fmt.duration(job.unknown_s)} unknown"
    ends = [f"{pool} {fmt.number(ceiling_per_s(pool, demand))}/s" for pool in ("threads", "gevent")]
    return Rule(
        name="one interpreter",
        inputs=f"a job computes for {fmt.duration(job.cpu_s)}, {held}",
        conclusion=f"one process does at most: {', '.join(ends)}",
        least_workers=least,
    )


def cores(demand: Demand, limits: Limits) -> Rule:
    """Bound the throughput by the cores, and workers by their number."""
    del limits
    per_s = demand.cores / (demand.mean.cpu_s + CELERY_S["prefork"])
    recorded = demand.recorded_cores
    were = "" if recorded in (None, demand.cores) else f"; recorded on {recorded:g}"
    most = max(1, math.floor(demand.cores))
    return Rule(
        name="cores",
        inputs=f"{demand.cores:g} here{were}; {fmt.duration(demand.mean.cpu_s)} of computing a "
        f"job, {fmt.duration(CELERY_S['prefork'])} of Celery's own",
        conclusion=f"no pool does more than {fmt.number(per_s)} jobs/s",
        most_workers={pool: most for pool in POOLS if pool != "prefork"},
    )


def memory(demand: Demand, limits: Limits) -> Rule:
    """Bound processes by the memory of each."""
    process, child, most = demand.process_bytes, demand.child_bytes, limits.memory_bytes
    if process is None or child is None:
        unknown = "the memory of the worker wasn't recorded"
        return Rule(name="memory", inputs=unknown, conclusion="no bound; watch it")
    inputs = f"{fmt.size(process.high)} a worker, {fmt.size(child.high)} a process of prefork"
    if most is None:
        return Rule(name="memory", inputs=inputs, conclusion="no limit given (--memory)")
    # the parent is one more process
    children = math.floor(most / child.high) - 1
    workers = math.floor(most / process.high)
    why = f"one worker takes more than --memory {fmt.size(most)}"
    excluded = dict.fromkeys(POOLS, why) if workers < 1 else {}
    if children < 1:
        excluded["prefork"] = f"two processes take more than --memory {fmt.size(most)}"
    return Rule(
        name="memory",
        inputs=f"{inputs}; --memory {fmt.size(most)}",
        conclusion=f"at most {max(0, children)} slots of prefork, or {workers} other workers",
        most_slots={"prefork": max(1, children)},
        most_workers={pool: max(1, workers) for pool in POOLS if pool != "prefork"},
        excluded=excluded,
    )


def connections(demand: Demand, limits: Limits) -> Rule:
    """Bound slots by the connections of each."""
    each, most = demand.connections_per_slot, limits.connections
    if each is None:
        unknown = "the worker's connections weren't recorded"
        return Rule(name="connections", inputs=unknown, conclusion="no bound; watch them")
    inputs = f"{fmt.number(each.high)} a slot at most"
    if most is None:
        return Rule(name="connections", inputs=inputs, conclusion="no limit given (--connections)")
    slots = math.floor(most / each.high) if each.high else most
    why = f"one slot has more connections than --connections {most}"
    return Rule(
        name="connections",
        inputs=f"{inputs}; --connections {most}",
        conclusion=f"at most {fmt.counted(slots, noun='slot')}",
        most_slots=dict.fromkeys(POOLS, max(1, slots)),
        excluded=dict.fromkeys(POOLS, why) if slots < 1 else {},
    )


def blocking_waits(demand: Demand, limits: Limits) -> Rule:
    """Exclude pools of one thread where a wait stops the others."""
    del limits
    job = demand.mean
    share = job.blocking_s / job.service_s if job.service_s else 0.0
    drivers = [one for one in BLOCKING_DRIVERS if one in demand.packages]
    why = ""
    if share > BLOCKING_SHARE:
        why = f"{fmt.percent(share)} of the busy time are waits that don't yield"
    elif drivers and job.wait_s > BLOCKING_SHARE * job.service_s:
        why = f"waits in {fmt.listed(drivers)} don't yield, and which waits those are is unknown"
    inputs = f"{fmt.percent(share)} of busy time waits without yielding"
    return Rule(
        name="blocking waits",
        inputs=f"{inputs}; drivers that don't yield: {fmt.listed(drivers) or 'none'}",
        conclusion="gevent and asyncio are no candidates" if why else "no pool is excluded",
        excluded=dict.fromkeys(("gevent", "asyncio"), why) if why else {},
    )


def relied_on(demand: Demand, limits: Limits) -> Rule:
    """Exclude pools that ignore or break what the app has used."""
    del limits
    today = demand.today.pool
    # what today's pool doesn't do is not relied on
    kept = [one for one in demand.features if today not in one.lost_in]
    used = [one for one in kept if one.is_used]
    excluded = {
        pool: f"{pool} {_DOES[how]} {one.name}, which jobs used"
        for one in reversed(used)
        for pool, how in one.lost_in.items()
    }
    only_set = [one.name for one in kept if not one.is_used]
    inputs = f"used: {fmt.listed([one.name for one in used]) or 'nothing'}"
    if only_set:
        inputs += f"; set, without effect so far: {fmt.listed(only_set)}"
    return Rule(
        name="relied on",
        inputs=inputs,
        conclusion=f"not {fmt.listed(sorted(excluded))}" if excluded else "no pool is excluded",
        excluded=excluded,
    )


def prefetch(demand: Demand, limits: Limits) -> Rule:
    """Reserve few messages where short jobs wait behind long ones."""
    del limits
    shorts = [one.p50_s for one in demand.tasks if one.p50_s]
    longs = [one.p95_s for one in demand.tasks if one.p95_s]
    short_s, long_s = min(shorts, default=0.0), max(longs, default=0.0)
    inputs = f"shortest p50 {fmt.duration(short_s)}, longest p95 {fmt.duration(long_s)}"
    if long_s < LONG_S or long_s < LONG_RATIO * short_s:
        return Rule(name="prefetch", inputs=inputs, conclusion="the multiplier stays")
    found = dict.fromkeys(POOLS, SHORT_PREFETCH)
    conclusion = f"--prefetch-multiplier {SHORT_PREFETCH}"
    if demand.is_acked_late:
        found["gevent"] = GEVENT_LATE_PREFETCH
        conclusion += f", for gevent {GEVENT_LATE_PREFETCH}: with acks_late it stalls at 1"
    return Rule(name="prefetch", inputs=inputs, conclusion=conclusion, prefetch=found)


def installed(demand: Demand, limits: Limits) -> Rule:
    """Exclude pools that can't run the app as it is."""
    del limits
    excluded = {}
    has_gevent = "gevent" in demand.packages
    if not has_gevent:
        excluded["gevent"] = "gevent isn't installed in the app's environment"
    if demand.today.pool != "asyncio":
        excluded["asyncio"] = "it needs tasks written with async def"
    if demand.today.pool != "solo":
        excluded["solo"] = "it has one slot, as prefork -c 1 has"
    return Rule(
        name="installed",
        inputs=f"gevent {demand.packages.get('gevent', 'is not installed')}",
        conclusion=f"not {fmt.listed(sorted(excluded))}" if excluded else "every pool can run",
        excluded=excluded,
    )


#: A rule as a function of the recorded demand and the owner's limits.
RuleOf = Callable[[Demand, Limits], Rule]

#: Every rule, in the order in which they are printed.
RULES: tuple[RuleOf, ...] = (
    littles_law,
    one_interpreter,
    cores,
    memory,
    connections,
    blocking_waits,
    relied_on,
    prefetch,
    installed,
)


def apply_rules(demand: Demand, *, limits: Limits) -> tuple[Rule, ...]:
    """Return every rule with its conclusion for a demand."""
    return tuple(rule(demand, limits) for rule in RULES)
