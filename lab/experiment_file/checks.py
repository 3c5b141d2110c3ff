"""What makes no sense in an experiment's file: each fault at its line, with the nearest right word.

A word is recommended only where this file, as it is, would have it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.experiment.interpreter import FREE_THREADED
from lab.experiment.twin import TWIN_SUFFIX
from lab.experiment.worker_settings import setting_faults
from lab.experiment_file.arrival_checks import load_faults, slo_faults
from lab.experiment_file.mix_checks import job_faults, mix_faults
from lab.experiment_file.schema import DEFAULT_STALL_S
from lab.experiment_file.shape_checks import slots_remedy
from lab.experiment_file.sweep_checks import point_names, sweep_faults
from lab.experiment_file.toml_lines import locate
from poolbench.errors import Fault, nearest
from poolbench.pools import POOLS, find_pool
from report.verdicts.fail_on import parse_conditions, row_faults

#: Pools built on greenlet, which has not declared that it can run without the GIL.
GREENLET_POOLS = frozenset({"gevent", "asyncio"})


def word_faults(table: dict[str, Any], *, path: Path, text: str) -> list[Fault]:
    """Return the faults of meaning: pools, slots, kinds, parameters, names, profiles."""
    found: list[tuple[tuple[str | int, ...], Fault]] = []
    for index, contender in _tables(table, "contender"):
        found += [(("contender", index, *at), fault) for at, fault in _contender_faults(contender)]
    for index, workload in _tables(table, "workload"):
        stall_s = table.get("stall_s", DEFAULT_STALL_S)
        faults = [
            *job_faults(workload, stall_s=stall_s),
            *mix_faults(workload, stall_s=stall_s),
            *load_faults(workload, table=table),
        ]
        found += [(("workload", index, *at), fault) for at, fault in faults]
    found += slo_faults(table)
    found += _name_faults(table)
    found += _twin_faults(table)
    found += [(("sweep", at), fault) for at, fault in sweep_faults(table)]
    found += [(("fail_on",), fault) for fault in _fail_on_faults(table)]
    return [
        replace(fault, where=": ".join(filter(None, (f"{path}:{locate(text, keys)}", fault.where))))
        for keys, fault in found
    ]


def _tables(table: dict[str, Any], key: str) -> list[tuple[int, dict[str, Any]]]:
    rows = table.get(key)
    if not isinstance(rows, list):
        return []
    return [(index, row) for index, row in enumerate(rows) if isinstance(row, dict)]


def _contender_faults(contender: dict[str, Any]) -> list[tuple[tuple[str, ...], Fault]]:
    settings = contender.get("settings")
    found = setting_faults(settings) if isinstance(settings, dict) else []
    return [*_pool_faults(contender), *((("settings", at), fault) for at, fault in found)]


def _pool_faults(contender: dict[str, Any]) -> list[tuple[tuple[str, ...], Fault]]:
    pool, slots = contender.get("pool"), contender.get("slots")
    if not isinstance(pool, str):
        return []
    if pool not in POOLS:
        remedy = nearest(pool, among=POOLS, refused=_refused_pools(contender))
        return [(("pool",), Fault(problem="unknown pool", seen=pool, remedy=remedy))]
    known = find_pool(pool)
    whole = slots if isinstance(slots, int) and not isinstance(slots, bool) else None
    if known.fixed_slots is not None:
        is_possible = slots is None or whole == known.fixed_slots
    else:
        # what is no whole number is a fault of its shape
        is_possible = whole is None or 1 <= whole <= known.max_slots
    if not is_possible:
        remedy = slots_remedy(known)
        return [(("slots",), Fault(problem="impossible slots", seen=str(slots), remedy=remedy))]
    if contender.get("interpreter") == FREE_THREADED and pool in GREENLET_POOLS:
        refused = _refused_pools(contender)
        others = " or ".join(name for name in POOLS if name not in refused)
        remedy = f"greenlet, on which it is built, turns the GIL on; take {others}"
        fault = Fault(problem="impossible pool without the GIL", seen=pool, remedy=remedy)
        return [(("pool",), fault)]
    return []


def _refused_pools(contender: dict[str, Any]) -> dict[str, str]:
    """Return the pools that a contender can't have as it is, each with what to change."""
    refused = dict.fromkeys(
        GREENLET_POOLS if contender.get("interpreter") == FREE_THREADED else (),
        "greenlet, on which it is built, turns the GIL on",
    )
    for name in POOLS.keys() - refused.keys():
        found = _pool_faults({**contender, "pool": name})
        refused |= {name: found[0][1].remedy} if found else {}
    return refused


def _twin_faults(table: dict[str, Any]) -> list[tuple[tuple[str | int, ...], Fault]]:
    """Return what is wrong with the contender that is to be measured twice, and taken names."""
    found: list[tuple[tuple[str | int, ...], Fault]] = []
    names = contender_names(table)
    for index, row in _tables(table, "contender"):
        name = str(row.get("name"))
        if name.endswith(TWIN_SUFFIX):
            remedy = f"rename it: {TWIN_SUFFIX} ends the name of a contender measured twice"
            found.append(
                (
                    ("contender", index, "name"),
                    Fault(problem="taken name", seen=name, remedy=remedy),
                )
            )
    twin = table.get("twin")
    if twin == "":
        remedy = "name a contender, or leave the line out for the first: no claim without its noise"
        found.append((("twin",), Fault(problem="no twin", seen='""', remedy=remedy)))
    elif isinstance(twin, str) and twin not in names:
        remedy = nearest(twin, among=names)
        found.append((("twin",), Fault(problem="unknown contender", seen=twin, remedy=remedy)))
    return found


def contender_names(table: dict[str, Any]) -> set[str]:
    """Return the names by which a file's contenders may be called, those of a sweep included."""
    own = {str(row["name"]) for _, row in _tables(table, "contender") if "name" in row}
    return own | point_names(table)


def _fail_on_faults(table: dict[str, Any]) -> list[Fault]:
    """Return every fault of the thresholds; each names its condition."""
    texts = table.get("fail_on")
    if not isinstance(texts, list):
        return []
    rows = [
        f"{contender}/{workload.get('name') or workload.get('kind')}"
        for contender in sorted(contender_names(table))
        for _, workload in _tables(table, "workload")
    ]
    conditions, faults = parse_conditions(
        [text for text in texts if isinstance(text, str)], is_one_run=True
    )
    return [*faults, *row_faults(conditions, names=rows)]


def _name_faults(table: dict[str, Any]) -> list[tuple[tuple[str | int, ...], Fault]]:
    """Return doubled names, and contenders that a profile names and nobody defines."""
    found: list[tuple[tuple[str | int, ...], Fault]] = []
    for key, fallback in (("contender", ""), ("workload", "kind")):
        seen: set[str] = set()
        for index, row in _tables(table, key):
            name = str(row.get("name") or row.get(fallback, ""))
            if name in seen:
                fault = Fault(problem=f"{key} named twice", seen=name, remedy="rename one")
                found.append(((key, index), fault))
            seen.add(name)
    names = contender_names(table)
    profiles = table.get("profile")
    for profile, row in profiles.items() if isinstance(profiles, dict) else ():
        wanted = row.get("contenders") if isinstance(row, dict) else None
        listed = [str(name) for name in wanted] if isinstance(wanted, list) else []
        if len(set(listed)) < len(listed):
            fault = Fault(problem="contender listed twice", seen=profile, remedy="name each once")
            found.append((("profile", profile, "contenders"), fault))
        for name in listed:
            if name not in names:
                remedy = nearest(name, among=names - set(listed))
                fault = Fault(problem="unknown contender", seen=name, remedy=remedy)
                found.append((("profile", profile, "contenders"), fault))
    return found
