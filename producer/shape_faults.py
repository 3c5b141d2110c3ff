"""What can be wrong with a count, a rate or a shape's parameter, each told with what would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from poolbench.errors import Fault, nearest
from producer.ways import ARRIVALS, MAX_RATE_PER_S, Arrivals, RateUse, ShapeParameter

#: Most jobs of one trial; their due times alone take 80 MB.
MAX_COUNT = 10_000_000

#: Most numbers of one list.
MAX_STEPS = 1_000

_PARAMETERS = frozenset(parameter.name for way in ARRIVALS.values() for parameter in way.parameters)


def unknown_fault(
    arrivals: object, *, rate_per_s: object = 0.0, given: Mapping[str, Any] | None = None
) -> Fault:
    """Return the fault of a way to arrive that there isn't, with those that suit what is given."""
    refused = {
        way.name: _refusal(way)
        for way in ARRIVALS.values()
        if not _suits(way, rate_per_s=rate_per_s, given=given or {})
    }
    remedy = nearest(str(arrivals), among=ARRIVALS, refused=refused)
    return Fault(where="arrivals", problem="unknown", seen=str(arrivals), remedy=remedy)


def count_fault(count: object) -> Fault | None:
    """Return what is wrong with a count; None stands for none given."""
    is_whole = isinstance(count, int) and not isinstance(count, bool)
    if count is None or (is_whole and _is_number(count) and 1 <= count <= MAX_COUNT):
        return None
    problem = "out of bounds" if is_whole else "no whole number"
    remedy = f"it takes a whole number from 1 to {MAX_COUNT}"
    return Fault(where="count", problem=problem, seen=_seen(count), remedy=remedy)


def _suits(way: Arrivals, *, rate_per_s: object, given: Mapping[str, Any]) -> bool:
    """Return whether arrivals refuse nothing of what is given; a parameter may be missing."""
    has_rate = _is_number(rate_per_s) and rate_per_s > 0
    is_rate_fine = way.rate is RateUse.START or has_rate == (way.rate is RateUse.MEAN)
    return is_rate_fine and set(given) <= {parameter.name for parameter in way.parameters}


def _refusal(way: Arrivals) -> str:
    """Return what arrivals take, for a message."""
    rate = {
        RateUse.NONE: "no rate",
        RateUse.MEAN: "a rate above 0",
        RateUse.START: "a rate",
    }[way.rate]
    return f"it takes {', '.join([rate, *(parameter.name for parameter in way.parameters)])}"


def rate_fault(rate_per_s: object, *, way: Arrivals | None = None) -> Fault | None:
    """Return what is wrong with a rate, whatever use its arrivals make of it."""
    if _is_number(rate_per_s) and 0.0 <= rate_per_s <= MAX_RATE_PER_S:
        return None
    problem = "out of bounds" if _is_number(rate_per_s) else "no number"
    low = "from 0" if way and way.rate is RateUse.START else "above 0,"
    remedy = f"it takes jobs per second {low} to {MAX_RATE_PER_S:.0f}"
    if way and way.rate is RateUse.NONE:
        remedy = "leave it out"
    return Fault(where="rate", problem=problem, seen=_seen(rate_per_s), remedy=remedy)


def rate_use_fault(way: Arrivals, rate_per_s: float) -> Fault | None:
    """Return the fault of a rate where there is none, or of none where it is needed."""
    if way.rate is RateUse.MEAN and rate_per_s == 0:
        remedy = "give jobs per second above 0"
        return Fault(where="rate", problem=f"missing for {way.name} arrivals", remedy=remedy)
    if way.rate is RateUse.NONE and rate_per_s > 0:
        problem, remedy = f"{way.name} arrivals have none", "leave it out"
        if not way.parameters:
            remedy += ", or take constant"
        return Fault(where="rate", problem=problem, seen=f"{rate_per_s:g}", remedy=remedy)
    return None


def shape_faults(
    way: Arrivals, given: Mapping[str, Any], *, rate_per_s: object = 0.0
) -> list[Fault]:
    """Return every fault of the parameters that are given or missing."""
    known = {parameter.name: parameter for parameter in way.parameters}
    owners = [
        other.name
        for other in ARRIVALS.values()
        if _suits(other, rate_per_s=rate_per_s, given=given)
    ]
    foreign = [
        _foreign_fault(way, name, owners=owners, given=given) for name in given if name not in known
    ]
    own = [
        _value_fault(parameter, given[name]) if name in given else _missing_fault(way, parameter)
        for name, parameter in known.items()
    ]
    return foreign + [fault for fault in own if fault]


def _foreign_fault(
    way: Arrivals, name: str, *, owners: list[str], given: Mapping[str, Any]
) -> Fault:
    """Return the fault of a parameter that arrivals lack; ``owners`` take all that is given."""
    remedy = "leave it out"
    if owners:
        remedy += f", or take {' or '.join(owners)}"
    elif name not in _PARAMETERS:
        free = [parameter.name for parameter in way.parameters if parameter.name not in given]
        remedy = nearest(name, among=free)
    return Fault(where=name, problem=f"{way.name} arrivals have none", remedy=remedy)


def _missing_fault(way: Arrivals, parameter: ShapeParameter) -> Fault | None:
    if parameter.default is not None or parameter.name == way.span:
        return None
    problem, remedy = f"missing for {way.name} arrivals", f"it takes {parameter.help}"
    return Fault(where=parameter.name, problem=problem, remedy=remedy)


def _value_fault(parameter: ShapeParameter, value: object) -> Fault | None:
    if parameter.is_list:
        return _list_fault(parameter, value)
    if _is_number(value) and _is_within(parameter, value):
        return None
    problem = "out of bounds" if _is_number(value) else "no number"
    remedy = f"it takes {_bounds(parameter)}: {parameter.help}"
    return Fault(where=parameter.name, problem=problem, seen=_seen(value), remedy=remedy)


def _list_fault(parameter: ShapeParameter, value: object) -> Fault | None:
    row = list(value) if isinstance(value, list | tuple) else []
    numbers = [one for one in row if _is_number(one) and _is_within(parameter, one)]
    if not 1 <= len(row) <= MAX_STEPS:
        problem, seen = f"no list of 1 to {MAX_STEPS} numbers", _seen(value)
    elif len(numbers) < len(row):
        problem = "out of bounds"
        seen = next(_seen(one) for one in row if one not in numbers)
    elif not (numbers[0] and numbers[-1]):
        problem, seen = "a pause at the edge, not between two steps", _seen(value)
    else:
        return None
    remedy = f"it takes {_bounds(parameter)} each: {parameter.help}"
    return Fault(where=parameter.name, problem=problem, seen=seen, remedy=remedy)


def _bounds(parameter: ShapeParameter) -> str:
    return f"{parameter.low:g} to {parameter.high:,.0f}"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_within(parameter: ShapeParameter, value: float) -> bool:
    return parameter.low <= value <= parameter.high


def _seen(value: object) -> str:
    if isinstance(value, list | tuple):
        text = ", ".join(map(_seen, value))
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
