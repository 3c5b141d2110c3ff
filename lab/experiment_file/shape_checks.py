"""What has the wrong shape in an experiment's file: a key that there isn't, a value of no use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from lab.experiment.worker_settings import SETTINGS
from lab.experiment_file.schema import (
    ContenderInput,
    ExperimentInput,
    PartInput,
    ProfileInput,
    SweepInput,
    WorkloadInput,
)
from lab.experiment_file.toml_lines import locate
from poolbench.errors import Fault, nearest
from poolbench.pools import POOLS, Pool, always_has

#: The keys of a place in a file: a number counts tables.
Keys = tuple[str | int, ...]

#: What pydantic names in a fault's place beside the keys.
_UNION_BRANCHES = frozenset({"int", "float", "literal['cores']", "str", "list[str]"})

#: Begins pydantic's word on a value.
_SHOULD_BE = "Input should be "

_MODELS: Mapping[str | int, type[BaseModel]] = {
    "contender": ContenderInput,
    "workload": WorkloadInput,
    "profile": ProfileInput,
    "sweep": SweepInput,
}

#: What became of the `[[require]]` tables.
_REQUIRE = 'write above all tables fail_on = ["failed_jobs > 0", "two: throughput < 1.5 * one"]'

#: Why a workload with a mix has neither, and one with either has no mix.
_PARTS_HAVE = "each part of a mix has its own: write it there"
_MIX_HAS = "its parts have kinds and parameters: leave out the workload's"


def shape_faults(
    errors: Iterable[Any], *, table: Mapping[str, Any], path: Path, text: str
) -> list[Fault]:
    """Return what pydantic found as faults of ours, one a place, each at its line."""
    by_keys: dict[Keys, list[Any]] = {}
    for error in errors:
        keys = tuple(key for key in error["loc"] if key not in _UNION_BRANCHES)
        by_keys.setdefault(keys, []).append(error)
    return [
        _shape_fault(keys, found, table=table, where=f"{path}:{locate(text, _place(keys))}")
        for keys, found in by_keys.items()
        if not _is_told_with_its_pool(keys, table=table)
    ]


def _place(keys: Keys) -> Keys:
    """Return where a fault's line is: that of the first of the old `[[require]]` tables."""
    return ("require", 0) if keys == ("require",) else keys


def slots_remedy(pool: Pool) -> str:
    """Return how many slots a pool takes, for a message."""
    if pool.fixed_slots is not None:
        return f"{always_has(pool)}: write slots = {pool.fixed_slots}"
    return f"pool {pool.name} takes 1 to {pool.max_slots}"


def _is_told_with_its_pool(keys: Keys, *, table: Mapping[str, Any]) -> bool:
    """Return whether a fault is of slots that the pool always has: that is told by the words."""
    if keys[:1] != ("contender",) or keys[-1] != "slots" or _at(table, keys) is None:
        return False
    pool = POOLS.get(str(_at(table, (*keys[:-1], "pool"))))
    return pool is not None and pool.fixed_slots is not None


def _shape_fault(keys: Keys, errors: list[Any], *, table: Mapping[str, Any], where: str) -> Fault:
    name, error = ".".join(str(key) for key in keys), errors[0]
    if keys == ("require",):
        return Fault(problem="unknown key", seen=name, remedy=_REQUIRE, where=where)
    if error["type"] == "extra_forbidden":
        beside = _at(table, keys[:-1])
        refused = dict(_refused(keys, beside=beside))
        among = [key for key in _keys_of(keys) if _is_free(key, beside=beside, wrong=keys[-1])]
        remedy = nearest(str(keys[-1]), among=among, refused=refused)
        return Fault(problem="unknown key", seen=name, remedy=remedy, where=where)
    if error["type"] == "missing":
        return Fault(problem="missing key", seen=name, remedy="write it", where=where)
    remedy = " or ".join(one["msg"].removeprefix(_SHOULD_BE) for one in errors)
    remedy = f"it should be {remedy}" if error["msg"].startswith(_SHOULD_BE) else error["msg"]
    remedy = re.sub(r"a valid dictionary( or instance of \w+)?", "a table", remedy)
    if keys[0] == "contender" and keys[-1] == "slots":
        pool = POOLS.get(str(_at(table, (*keys[:-1], "pool"))))
        span = f" from 1 to {pool.max_slots}" if pool else ""
        remedy = f'it takes a whole number{span}, or "cores"'
    return Fault(problem=name, seen=repr(error["input"]), remedy=remedy, where=where)


def _at(table: Any, keys: Keys) -> Any:
    """Return what a file has at a place, None if there is nothing."""
    for key in keys:
        try:
            table = table[key]
        except (KeyError, IndexError, TypeError):
            return None
    return table


def _keys_of(keys: Keys) -> list[str]:
    """Return the keys that the table has in which the last of ``keys`` stands."""
    model = _MODELS.get(keys[0], ExperimentInput) if len(keys) > 1 else ExperimentInput
    if keys[0] == "workload" and "mix" in keys[2:-1]:
        model = PartInput
    return list(model.model_fields)


def _is_free(key: str, *, beside: Any, wrong: str | int) -> bool:
    """Return whether a table may still have a key: it isn't there, or is one of several tables."""
    if not isinstance(beside, dict) or key not in beside:
        return True
    there, new = beside[key], beside.get(wrong)
    return _are_tables(there) and _are_tables(new) and type(there) is type(new)


def _are_tables(value: Any) -> bool:
    rows = list(value.values()) if isinstance(value, dict) else value
    return isinstance(rows, list) and bool(rows) and all(isinstance(row, dict) for row in rows)


def _refused(keys: Keys, *, beside: Any) -> Iterator[tuple[str, str]]:
    """Yield the keys that what stands beside them forbids, each with what to change."""
    row = beside if isinstance(beside, dict) else {}
    if keys[0] == "contender":
        yield from ((name, "write it in settings") for name in SETTINGS)
    if keys[0] == "workload" and len(keys) == 3:  # of the workload, not of a part
        if row.get("mix"):
            yield from ((key, _PARTS_HAVE) for key in ("kind", "parameters"))
        elif "kind" in row or "parameters" in row:
            yield "mix", _MIX_HAS
        if row.get("measure") == "capacity":
            yield "arrivals", 'take measure = "rate" with it'
