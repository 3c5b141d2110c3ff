"""What is wrong with an experiment's file: each fault at its line, with the nearest right word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from lab.experiment_input import (
    DEFAULT_STALL_S,
    TWIN_SUFFIX,
    ContenderInput,
    ExperimentInput,
    PartInput,
    ProfileInput,
    SweepInput,
    WorkloadInput,
)
from lab.interpreter import FREE_THREADED
from lab.load_faults import load_faults, slo_faults
from lab.mix_faults import job_faults, mix_faults
from lab.require import RequireInput, require_faults
from lab.sweep import point_names, sweep_faults
from lab.toml_lines import locate
from lab.tuning import setting_faults
from poolbench.errors import Fault, UsageError, nearest
from poolbench.pools import find_pool

#: What pydantic names in a fault's place beside the keys.
_UNION_BRANCHES = frozenset({"int", "float", "literal['cores']", "str", "list[str]"})

#: Pools built on greenlet, which has not declared that it can run without the GIL.
GREENLET_POOLS = frozenset({"gevent", "asyncio"})


def shape_fault(error: Any, *, path: Path, text: str) -> Fault:
    """Return what pydantic found as a fault of ours, at its line."""
    keys: tuple[str | int, ...] = tuple(key for key in error["loc"] if key not in _UNION_BRANCHES)
    where = f"{path}:{locate(text, keys)}"
    name = ".".join(str(key) for key in keys)
    if error["type"] == "extra_forbidden":
        remedy = nearest(str(keys[-1]), among=_keys_beside(keys))
        return Fault(problem="unknown key", seen=name, remedy=remedy, where=where)
    if error["type"] == "missing":
        return Fault(problem="missing key", seen=name, remedy="write it", where=where)
    return Fault(problem=name, seen=repr(error["input"]), remedy=error["msg"], where=where)


def _keys_beside(keys: tuple[str | int, ...]) -> list[str]:
    models: dict[str | int, type[BaseModel]] = {
        "contender": ContenderInput,
        "workload": WorkloadInput,
        "profile": ProfileInput,
        "require": RequireInput,
        "sweep": SweepInput,
    }
    model = models.get(keys[0], ExperimentInput) if len(keys) > 1 else ExperimentInput
    if keys[0] == "workload" and "mix" in keys[2:-1]:
        model = PartInput
    return list(model.model_fields)


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
    found += _probe_faults(table)
    found += [(("sweep", at), fault) for at, fault in sweep_faults(table)]
    found += require_faults(table)
    return [
        Fault(
            problem=fault.problem,
            seen=fault.seen,
            remedy=fault.remedy,
            where=f"{path}:{locate(text, keys)}",
        )
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
    try:
        known = find_pool(pool)
    except UsageError as error:
        return [(("pool",), fault) for fault in error.faults]
    if known.fixed_slots is not None and slots not in (known.fixed_slots, None):
        remedy = f"{pool} always has {known.fixed_slots}"
        return [(("slots",), Fault(problem="impossible slots", seen=str(slots), remedy=remedy))]
    if isinstance(slots, int) and not 1 <= slots <= known.max_slots:
        remedy = f"pool {pool} takes 1 to {known.max_slots}"
        return [(("slots",), Fault(problem="impossible slots", seen=str(slots), remedy=remedy))]
    if contender.get("interpreter") == FREE_THREADED and pool in GREENLET_POOLS:
        remedy = "greenlet, on which it is built, turns the GIL on; take threads, prefork or solo"
        fault = Fault(problem="impossible pool without the GIL", seen=pool, remedy=remedy)
        return [(("pool",), fault)]
    return []


def _twin_faults(table: dict[str, Any]) -> list[tuple[tuple[str | int, ...], Fault]]:
    """Return what is wrong with the contender that is to be measured twice, and taken names."""
    found: list[tuple[tuple[str | int, ...], Fault]] = []
    names = [str(row.get("name")) for _, row in _tables(table, "contender")]
    for index, name in enumerate(names):
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
    elif isinstance(twin, str) and twin not in {*names, *point_names(table)}:
        remedy = nearest(twin, among=[*names, *point_names(table)])
        found.append((("twin",), Fault(problem="unknown contender", seen=twin, remedy=remedy)))
    return found


def _probe_faults(table: dict[str, Any]) -> list[tuple[tuple[str | int, ...], Fault]]:
    """Return workloads whose figures come from records, where a contender has none."""
    if not any(_is_unrecorded(contender) for _, contender in _tables(table, "contender")):
        swept = table.get("sweep")
        if not isinstance(swept, dict) or swept.get("setting") != "probe":
            return []
    remedy = 'without the probe there is throughput alone: measure = "capacity", no arrivals'
    return [
        (
            ("workload", index),
            Fault(problem="a latency of jobs that nobody records", remedy=remedy),
        )
        for index, workload in _tables(table, "workload")
        if workload.get("measure", "capacity") != "capacity" or workload.get("arrivals")
    ]


def _is_unrecorded(contender: dict[str, Any]) -> bool:
    settings = contender.get("settings")
    return isinstance(settings, dict) and settings.get("probe") is False


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
    names = {str(row.get("name")) for _, row in _tables(table, "contender")} | point_names(table)
    profiles = table.get("profile")
    for profile, row in profiles.items() if isinstance(profiles, dict) else ():
        wanted = row.get("contenders") if isinstance(row, dict) else None
        listed = [str(name) for name in wanted] if isinstance(wanted, list) else []
        if len(set(listed)) < len(listed):
            fault = Fault(problem="contender listed twice", seen=profile, remedy="name each once")
            found.append((("profile", profile, "contenders"), fault))
        for name in listed:
            if name not in names:
                remedy = nearest(str(name), among=names)
                fault = Fault(problem="unknown contender", seen=str(name), remedy=remedy)
                found.append((("profile", profile, "contenders"), fault))
    return found
