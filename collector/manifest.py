"""Pure: the manifest of a run that a producer submitted, in the shape of the lab's.

So the same report reads both. What only the lab measures is null.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from collector.run_hash import RunHash
from collector.summary import Interval, Measured, whole_interval
from poolbench import __version__
from poolbench.jobs import JOB_KINDS, ideal_wait_s
from poolbench.records import TrialPlan
from poolbench.summaries import RunState


def machine() -> dict[str, Any]:
    """Return what is said of the machine: the collector's own, which may not be the workers'."""
    return {
        "cores": os.cpu_count() or 1,
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def manifest_of(
    run: RunHash,
    *,
    measured: Sequence[Measured],
    summary: Mapping[str, Any],
    machine: Mapping[str, Any],
    lines: int,
) -> dict[str, Any]:
    """Return the manifest; ``summary`` is what was published of the same trials.

    ``lines`` is how many the folder holds: if it holds more later, the records are not of all.
    """
    plans = [trial.plan for trial in measured]
    whole = whole_interval(measured)
    return {
        "run": run.run,
        "source": run.source,
        "created_ns": run.created_ns,
        "finished_ns": whole.last_finish_ns if whole else None,
        "first_due_ns": whole.first_due_ns if whole else None,
        "state": "finished" if summary["state"] == RunState.CLOSED else "unfinished",
        "profile": "submission",
        "repetitions": 1,
        "command": _command(plans),
        "seed": None,
        "experiment": {
            "file": "(none: submitted by hand)",
            "sha256": "",
            "title": f"Submission of {', '.join(sorted({plan.kind for plan in plans}))}",
            "question": "",
            "text": "",
        },
        "lines": lines,
        "events": summary["events"],
        "overlapped_by": summary["overlapped_by"],
        "contenders": _distinct(_contender(trial) for trial in measured),
        "workloads": _distinct(
            {"name": plan.kind, "kind": plan.kind, "parameters": dict(plan.parameters)}
            for plan in plans
        ),
        "calibration": dict(run.calibration),
        "versions": {"poolbench": __version__},
        "machine": dict(machine),
        "git": {"commit": "", "is_dirty": False},
        "workers": [],
        "trials": [
            _trial(trial, described=described)
            for trial, described in zip(measured, summary["trials"], strict=True)
        ],
    }


def interval_in(manifest: Mapping[str, Any]) -> Interval | None:
    """Return when the jobs of a manifest's run were in the system; None if there were none."""
    first_due_ns, last_finish_ns = manifest.get("first_due_ns"), manifest.get("finished_ns")
    if not isinstance(first_due_ns, int) or not isinstance(last_finish_ns, int):
        return None
    return Interval(first_due_ns=first_due_ns, last_finish_ns=last_finish_ns)


def _command(plans: Sequence[TrialPlan]) -> str:
    """Return the producer's command line that asks for the same again, but for its seed."""
    if not plans:
        return ""
    plan = plans[0]
    pool = plan.pool if len(plans) == 1 else "all"
    words = ["python -m producer", f"--pool {pool}", f"--job {plan.kind}", f"--count {plan.count}"]
    if plan.arrivals != "burst":
        rates = plan.shape or {"rate_per_s": plan.rate_per_s}
        words += [f"--arrivals {plan.arrivals}", *(_option(*each) for each in rates.items())]
    return " ".join(words + [f"--param {name}={value}" for name, value in plan.parameters.items()])


def _option(parameter: str, value: float | list[float]) -> str:
    """Return the producer's option: ``--to-rate 200`` for ``to_rate_per_s``."""
    name = parameter.removesuffix("_per_s").removesuffix("_s").replace("_", "-")
    numbers = value if isinstance(value, list) else [value]
    return f"--{name} {','.join(f'{number:.12g}' for number in numbers)}"


def _contender(trial: Measured) -> dict[str, Any]:
    plan = trial.plan
    return {"name": plan.contender, "pool": plan.pool, "slots": trial.slots, "note": ""}


def _trial(trial: Measured, *, described: Mapping[str, Any]) -> dict[str, Any]:
    plan = trial.plan
    return {
        "trial": plan.trial,
        "contender": plan.contender,
        "pool": plan.pool,
        "slots": trial.slots,
        "kind": plan.kind,
        "parameters": dict(plan.parameters),
        "arrivals": plan.arrivals,
        "rate_per_s": plan.rate_per_s,
        "shape": dict(plan.shape),
        "count": plan.count,
        "block": 0,
        "workload": plan.kind,
        "is_pilot": False,
        "start_ns": trial.interval.first_due_ns if trial.interval else None,
        "end_ns": trial.interval.last_finish_ns if trial.interval else None,
        "sent": trial.ledger.sent,
        "cpu_s_per_job_before": None,
        "cpu_s_per_job_after": None,
        "ideal_wait_s": _ideal_wait_s(plan),
        "workers_up": None,
        "reasons": described["reasons"] if described["mark"] == "!" else [],
        "tolerated": described["reasons"] if described["mark"] == "~" else [],
    }


def _ideal_wait_s(plan: TrialPlan) -> float | None:
    kind = JOB_KINDS.get(plan.kind)
    return ideal_wait_s(kind, plan.parameters) if kind is not None else None


def _distinct(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    for entry in entries:
        if entry not in kept:
            kept.append(entry)
    return kept
