"""What makes no sense in the `[sweep]` of an experiment's file. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from collector.run_manifest import SettingValue, SweepPoint
from lab.experiment.sweep import bases_of, points
from lab.experiment.worker_settings import SETTINGS, SLOTS, setting_faults
from lab.experiment_file.arrival_checks import rows_of
from poolbench.errors import Fault, UsageError, nearest
from poolbench.keys import NAME
from poolbench.pools import always_has, find_pool

#: Fewer values are no sweep.
MIN_VALUES = 2

#: A fault and the key below ``[sweep]`` at which it lies.
Found = tuple[str, Fault]


def sweep_faults(table: Mapping[str, Any]) -> list[Found]:
    """Return every fault of meaning in the ``[sweep]`` of an experiment's file."""
    sweep = table.get("sweep")
    if not isinstance(sweep, dict):
        return []
    contenders = {str(row["name"]): row for row in rows_of(table, "contender") if "name" in row}
    of, setting, values = sweep.get("of"), sweep.get("setting"), sweep.get("values")
    bases = [str(name) for name in bases_of(of)] if isinstance(of, (str, list)) else []
    known = {base: contenders[base] for base in bases if base in contenders}
    refused = _refused_bases(setting, contenders=contenders)
    found = [*_base_faults(bases, contenders=contenders, refused=refused)]
    if isinstance(setting, str) and setting not in (SLOTS, *SETTINGS):
        refused = _refused_settings(known)
        remedy = nearest(setting, among=[SLOTS, *SETTINGS], refused=refused)
        found.append(("setting", Fault(problem="unknown setting", seen=setting, remedy=remedy)))
    elif isinstance(setting, str) and isinstance(values, list):
        found += _value_faults(values, setting=setting, bases=known, taken=contenders)
    return found


def point_names(table: Mapping[str, Any]) -> set[str]:
    """Return the names of a file's swept contenders, as far as its ``[sweep]`` makes sense."""
    sweep = table.get("sweep")
    if not isinstance(sweep, dict) or sweep_faults(table):
        return set()
    try:
        found = points(sweep["of"], setting=sweep["setting"], values=sweep["values"])
    except (KeyError, TypeError):
        return set()
    return {point.name for point in found}


def _refused_settings(bases: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the settings that these contenders can't be swept over, each with what to change."""
    return {
        setting: remedy
        for setting in (SLOTS, *SETTINGS)
        for base in bases.values()
        if (remedy := _refusal(base, setting=setting))
    }


def _refused_bases(setting: object, *, contenders: Mapping[str, Any]) -> dict[str, str]:
    """Return the contenders that can't be swept over a setting, each with what to change."""
    if setting not in (SLOTS, *SETTINGS):
        return {}
    return {
        name: remedy
        for name, base in contenders.items()
        if (remedy := _refusal(base, setting=str(setting)))
    }


def _refusal(base: Mapping[str, Any], *, setting: str) -> str:
    """Return what to change before a contender can be swept over a setting; empty: nothing."""
    known = SETTINGS.get(setting)
    if known is None:
        values: tuple[SettingValue, ...] = (1, MIN_VALUES)
    else:
        values = (
            (False, True) if known.type is bool else (known.type(known.low), known.type(known.high))
        )
    faults = (fault for value in values for fault in _at(base, setting=setting, value=value))
    return next((fault.remedy for fault in faults), "")


def _base_faults(
    bases: Sequence[str], *, contenders: Mapping[str, Any], refused: Mapping[str, str]
) -> Iterator[Found]:
    if len(set(bases)) < len(bases):
        yield "of", Fault(problem="contender swept twice", remedy="name each once")
    for base in bases:
        if base not in contenders:
            free = [name for name in contenders if name not in bases]
            remedy = nearest(
                base, among=free, refused={n: refused[n] for n in free if n in refused}
            )
            yield "of", Fault(problem="unknown contender", seen=base, remedy=remedy)


def _value_faults(
    values: Sequence[Any],
    *,
    setting: str,
    bases: Mapping[str, Mapping[str, Any]],
    taken: Mapping[str, Any],
) -> Iterator[Found]:
    if len(values) < MIN_VALUES:
        remedy = f"give {MIN_VALUES} at least"
        yield "values", Fault(problem="too few values", seen=str(len(values)), remedy=remedy)
    seen: set[str] = set()
    for value in values:
        word = repr(value)
        if word in seen:
            yield "values", Fault(problem="value given twice", seen=word, remedy="give each once")
            continue
        seen.add(word)
        faults = [
            fault for base in bases.values() for fault in _at(base, setting=setting, value=value)
        ]
        yield from (("values", fault) for fault in dict.fromkeys(faults))
        if not faults:
            names = [SweepPoint(of=base, setting=setting, value=value).name for base in bases]
            yield from (("values", fault) for fault in _name_faults(names, taken=taken))


def _at(base: Mapping[str, Any], *, setting: str, value: Any) -> list[Fault]:
    """Return what is wrong with a contender at a value of a setting."""
    if setting != SLOTS:
        settings = base.get("settings")
        others = dict(settings) if isinstance(settings, dict) else {}
        found = setting_faults({**others, setting: value})
        return [
            replace(fault, remedy="leave flower out: it sees what events tell")
            if at != setting
            else fault
            for at, fault in found
            if _is_at(at, setting=setting)
        ]
    if isinstance(value, bool) or not isinstance(value, int):
        return [Fault(problem="slots", seen=repr(value), remedy="it takes whole numbers")]
    try:
        pool = find_pool(str(base.get("pool")))
    except UsageError:
        return []  # said where it stands
    if pool.fixed_slots is not None:
        remedy = f"{always_has(pool)}: sweep a contender of another pool"
        return [Fault(problem="impossible slots", seen=str(value), remedy=remedy)]
    if not 1 <= value <= pool.max_slots:
        remedy = f"pool {pool.name} takes 1 to {pool.max_slots}"
        return [Fault(problem="impossible slots", seen=str(value), remedy=remedy)]
    return []


def _is_at(at: str, *, setting: str) -> bool:
    """Return whether a fault comes from the value of a sweep, and not from its base alone."""
    return at == setting or (at == "flower" and setting == "events")


def _name_faults(names: Sequence[str], *, taken: Mapping[str, Any]) -> Iterator[Fault]:
    for name in names:
        if name in taken:
            yield Fault(problem="contender named twice", seen=name, remedy="rename one")
        elif not NAME.fullmatch(name):
            remedy = "64 small letters, digits, dots and dashes at most; shorten the contender's"
            yield Fault(problem="impossible name", seen=name, remedy=remedy)
