"""What is wrong with the jobs of a `[[workload]]`: its kind and parameters, or those of its mix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.experiment_file.schema import LONGEST_STALL_S
from poolbench.errors import Fault, UsageError
from poolbench.jobs import complete_parameters, find_kind, rough_job_s
from producer.mixes import check_shares

#: A fault and the keys below its table at which it lies.
Found = tuple[tuple[str | int, ...], Fault]


def job_faults(job: Mapping[str, Any], *, stall_s: object) -> list[Found]:
    """Return what is wrong with the kind and the parameters of a workload, or of a mix's part."""
    kind, parameters = job.get("kind"), job.get("parameters", {})
    if not isinstance(kind, str):
        return []
    try:
        known = find_kind(kind)
    except UsageError as error:
        return [(("kind",), fault) for fault in error.faults]
    try:
        complete = complete_parameters(known, parameters if isinstance(parameters, dict) else {})
    except UsageError as error:
        return [(("parameters",), fault) for fault in error.faults]
    job_s = rough_job_s(known, complete)
    if isinstance(stall_s, (int, float)) and job_s >= stall_s:
        problem = "a job that lasts longer than a trial may be silent"
        remedy = f"shorten the job below stall_s = {stall_s:g}"
        if job_s < LONGEST_STALL_S:
            remedy = f"raise stall_s above {job_s:g}, now {stall_s:g}"
        return [(("parameters",), Fault(problem=problem, seen=f"{job_s:g} s", remedy=remedy))]
    return []


def mix_faults(workload: Mapping[str, Any], *, stall_s: object) -> list[Found]:
    """Return what is wrong with the parts of a mix, and with a workload that is neither."""
    mix = workload.get("mix")
    if mix is None or mix == []:
        return [] if "kind" in workload else [_neither(workload)]
    rows = mix if isinstance(mix, list) else []
    parts = [(index, part) for index, part in enumerate(rows) if isinstance(part, dict)]
    found = _beside(workload)
    for index, part in parts:
        found += [
            (("mix", index, *keys), fault) for keys, fault in job_faults(part, stall_s=stall_s)
        ]
    return found + _share_faults(parts)


def _neither(workload: Mapping[str, Any]) -> Found:
    remedy = "write a kind"
    if "parameters" not in workload:
        name = "" if workload.get("name") else "a name and "
        remedy += f", or {name}[[workload.mix]] tables"
    return ("kind",), Fault(problem="missing key", seen="workload.kind", remedy=remedy)


def _beside(workload: Mapping[str, Any]) -> list[Found]:
    """Return the faults of what a workload with a mix must not have, or lacks."""
    found: list[Found] = []
    for key in ("kind", "parameters"):
        if key in workload:
            remedy = "each part of a mix has its own: write it there"
            fault = Fault(problem=f"{key} beside a mix", seen=str(workload[key]), remedy=remedy)
            found.append(((key,), fault))
    if not workload.get("name"):
        fault = Fault(problem="mix without a name", remedy='write name = "..." for the workload')
        found.append(((), fault))
    return found


def _share_faults(parts: list[tuple[int, dict[str, Any]]]) -> list[Found]:
    """Return the faults of names and shares, each at its part; of their sum, at the first."""
    places: dict[str, int] = {}
    shares: dict[str, float] = {}
    found: list[Found] = []
    for index, part in parts:
        name, share = str(part.get("name")), part.get("share")
        if name in places:
            fault = Fault(problem="part named twice", seen=name, remedy="rename one")
            found.append((("mix", index, "name"), fault))
        places.setdefault(name, index)
        if isinstance(share, (int, float)) and not isinstance(share, bool):
            shares[name] = float(share)
    if found or len(shares) < len(parts):
        return found
    return [(("mix", places.get(fault.where, 0), "share"), fault) for fault in check_shares(shares)]
