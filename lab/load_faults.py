"""What is wrong with how a `[[workload]]`'s jobs come, and with the `[slo]` of an experiment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lab.loads import MEASURES, SEARCH_ARRIVALS, complete_arrivals
from poolbench.errors import Fault, UsageError, nearest
from producer.arrivals import read_schedule
from report.load import SLO_KEYS

#: A fault and the keys below its table at which it lies.
Found = tuple[tuple[str | int, ...], Fault]

#: A trial's length where no profile has one that is a number, seconds: any will do for the check.
_SOME_TRIAL_S = 1.0


def load_faults(workload: Mapping[str, Any], *, table: Mapping[str, Any]) -> list[Found]:
    """Return every fault of a workload's ``measure`` and ``arrivals``."""
    measure, arrivals = workload.get("measure", ""), workload.get("arrivals")
    if measure and measure not in MEASURES:
        fault = Fault(
            problem="unknown measure",
            seen=str(measure),
            remedy=nearest(str(measure), among=MEASURES),
        )
        return [(("measure",), fault)]
    given = arrivals if isinstance(arrivals, dict) else None
    if measure in ("sustain", "curve"):
        return [*_search_faults(measure, given), *_slo_needed(measure, table=table)]
    if measure == "capacity" and given is not None:
        remedy = 'leave them out: its whole backlog comes at once; or take measure = "rate"'
        return [(("arrivals",), Fault(problem="arrivals of a capacity workload", remedy=remedy))]
    if measure == "rate" and given is None:
        remedy = 'write arrivals = { how = "poisson", rate_per_s = 50 }'
        return [(("measure",), Fault(problem="a rate without arrivals", remedy=remedy))]
    return _arrivals_faults(given, trial_s=_trial_s(table)) if given is not None else []


def slo_faults(table: Mapping[str, Any]) -> list[Found]:
    """Return every fault of meaning in the `[slo]` table."""
    slo = table.get("slo")
    found: list[Found] = []
    for key, bound in slo.items() if isinstance(slo, dict) else ():
        if key not in SLO_KEYS:
            remedy = nearest(key, among=SLO_KEYS)
            found.append((("slo", key), Fault(problem="unknown bound", seen=key, remedy=remedy)))
        elif isinstance(bound, (int, float)) and not bound > 0:
            fault = Fault(problem=key, seen=str(bound), remedy="it takes seconds above 0")
            found.append((("slo", key), fault))
    return found


def _arrivals_faults(given: dict[str, Any], *, trial_s: float) -> list[Found]:
    if given.get("how") == "burst":
        remedy = 'leave arrivals out: measure = "capacity" is that'
        return [(("arrivals",), Fault(problem="a burst is no rate", remedy=remedy))]
    try:
        read_schedule(complete_arrivals(given, trial_s=trial_s))
    except UsageError as error:
        return [
            (
                ("arrivals",),
                Fault(
                    problem=f"arrivals.{fault.where} {fault.problem}",
                    seen=fault.seen,
                    remedy=fault.remedy,
                ),
            )
            for fault in error.faults
        ]
    return []


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
