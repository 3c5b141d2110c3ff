"""What is wrong with how a `[[workload]]`'s jobs come, and with the `[slo]` of an experiment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from lab.experiment.arrivals import MEASURES, SEARCH_ARRIVALS, complete_arrivals
from poolbench.errors import Fault, UsageError, nearest
from producer.arrivals import ARRIVALS, read_schedule
from report.trials.slo import SLO_KEYS

#: A fault and the keys below its table at which it lies.
Found = tuple[tuple[str | int, ...], Fault]

#: A trial's length where no profile has one that is a number, seconds: any will do for the check.
_SOME_TRIAL_S = 1.0

#: The arrivals that have no rate, and what an experiment has instead.
BURST = "burst"
_BURST_REMEDY = 'leave arrivals out, with measure = "capacity"'

#: What an `arrivals` table may hold.
_ARRIVALS_KEYS = frozenset({"how"}.union(*(kind.model_fields for kind in ARRIVALS.values())))


def load_faults(workload: Mapping[str, Any], *, table: Mapping[str, Any]) -> list[Found]:
    """Return every fault of a workload's ``measure`` and ``arrivals``."""
    measure, arrivals = workload.get("measure", ""), workload.get("arrivals")
    if measure and measure not in MEASURES:
        refused = {
            known: found[0][1].remedy
            for known in MEASURES
            if (found := load_faults({**workload, "measure": known}, table=table))
        }
        remedy = nearest(str(measure), among=MEASURES, refused=refused)
        fault = Fault(problem="unknown measure", seen=str(measure), remedy=remedy)
        return [(("measure",), fault)]
    given = arrivals if isinstance(arrivals, dict) else None
    if measure in ("sustain", "curve"):
        return [*_search_faults(measure, given), *_slo_needed(measure, table=table)]
    if measure == "capacity" and given is not None:
        remedy = "leave them out: its whole backlog comes at once"
        if not _arrivals_faults(given, trial_s=_trial_s(table)):
            remedy += '; or take measure = "rate"'
        return [(("arrivals",), Fault(problem="arrivals of a capacity workload", remedy=remedy))]
    if measure == "rate" and given is None:
        remedy = 'write arrivals = { how = "poisson", rate_per_s = 50 }'
        return [(("measure",), Fault(problem="a rate without arrivals", remedy=remedy))]
    return _arrivals_faults(given, trial_s=_trial_s(table)) if given is not None else []


def rows_of(table: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the tables of a file's ``[[key]]``, as far as they are tables."""
    rows = table.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def slo_faults(table: Mapping[str, Any]) -> list[Found]:
    """Return every fault of meaning in the `[slo]` table."""
    given = table.get("slo")
    slo: dict[str, Any] = given if isinstance(given, dict) else {}
    found: list[Found] = []
    for key, bound in slo.items():
        if key not in SLO_KEYS:
            remedy = nearest(key, among=[known for known in SLO_KEYS if known not in slo])
            found.append((("slo", key), Fault(problem="unknown bound", seen=key, remedy=remedy)))
        elif isinstance(bound, (int, float)) and not bound > 0:
            fault = Fault(problem=key, seen=str(bound), remedy="it takes seconds above 0")
            found.append((("slo", key), fault))
    return found


def _arrivals_faults(given: dict[str, Any], *, trial_s: float) -> list[Found]:
    how = str(given.get("how", ""))
    if how == BURST:
        fault = Fault(problem="a burst is no rate", remedy=_BURST_REMEDY)
        return [(("arrivals",), fault)]
    found = [_unknown_key(key, given=given) for key in given if key not in _ARRIVALS_KEYS]
    known = {key: value for key, value in given.items() if key in _ARRIVALS_KEYS}
    if how in ARRIVALS:
        faults = _schedule_faults(known, trial_s=trial_s)
    else:
        refused = _refused_ways(known, trial_s=trial_s)
        remedy = nearest(how, among=ARRIVALS, refused=refused)
        faults = [Fault(field="arrivals.how", problem="unknown", seen=how, remedy=remedy)]
    return [(("arrivals",), fault) for fault in (*found, *faults)]


def _schedule_faults(given: Mapping[str, Any], *, trial_s: float) -> list[Fault]:
    try:
        read_schedule(complete_arrivals(given, trial_s=trial_s))
    except UsageError as error:
        return [replace(fault, field=f"arrivals.{fault.field}") for fault in error.faults]
    return []


def _unknown_key(key: str, *, given: Mapping[str, Any]) -> Fault:
    """Return the fault of a key that no arrivals have, with those that these still take."""
    kind = ARRIVALS.get(str(given.get("how", "")))
    keys = kind.model_fields if kind else ("count", "rate_per_s")
    remedy = nearest(key, among=[known for known in keys if known not in given])
    return Fault(problem="unknown key", seen=f"arrivals.{key}", remedy=remedy)


def _refused_ways(given: Mapping[str, Any], *, trial_s: float) -> dict[str, str]:
    """Return the ways to arrive that an experiment refuses, each with what to change."""
    refused = {
        way: found[0].remedy or found[0].problem
        for way in ARRIVALS
        if (found := _schedule_faults({**given, "how": way}, trial_s=trial_s))
    }
    return {**refused, BURST: _BURST_REMEDY}


def _search_faults(measure: str, given: dict[str, Any] | None) -> Iterator[Found]:
    """Yield the faults of arrivals whose rate is what is looked for."""
    for key in given or {}:
        if key != "how":
            remedy = (
                f'leave it out: what {measure} offers is what it looks for; say how = "poisson"'
            )
            yield ("arrivals",), Fault(problem="arrivals of a search", seen=key, remedy=remedy)
    how = (given or {}).get("how", SEARCH_ARRIVALS[0])
    if how not in SEARCH_ARRIVALS:
        remedy = nearest(str(how), among=SEARCH_ARRIVALS)
        yield ("arrivals",), Fault(problem="arrivals of a search", seen=str(how), remedy=remedy)


def _slo_needed(measure: str, *, table: Mapping[str, Any]) -> list[Found]:
    if table.get("slo"):
        return []
    remedy = "write [slo] with p95_wait_s = 1.0, or another bound"
    return [(("measure",), Fault(problem=f"{measure} without an SLO", remedy=remedy))]


def _trial_s(table: Mapping[str, Any]) -> float:
    """Return the longest trial of the file's profiles, seconds."""
    profiles = table.get("profile")
    rows = profiles.values() if isinstance(profiles, dict) else ()
    known = [row.get("trial_s") for row in rows if isinstance(row, dict)]
    return max(
        (float(one) for one in known if isinstance(one, (int, float))), default=_SOME_TRIAL_S
    )
