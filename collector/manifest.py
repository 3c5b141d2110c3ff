"""Makes the manifest of a run that a producer submitted, in the same format as the lab's.

The same report reads both. Fields that only the lab measures are null.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import fields

from collector.reasons import Code, Reason
from collector.run_manifest import (
    Contender,
    ExperimentSource,
    Machine,
    Manifest,
    PlannedTrial,
    TrialEntry,
    TrialResult,
    Workload,
)
from collector.summary import FOREIGN_CLOCK, Interval, Measured, Summary, whole_interval
from poolbench import __version__
from poolbench.jobs import JOB_KINDS, ideal_wait_s
from poolbench.records import TrialPlan
from poolbench.summaries import RunState


def manifest_of(summary: Summary) -> Manifest:
    """Return the manifest of a run.

    If its folder later has more than ``Manifest.lines`` lines, the records are incomplete.
    """
    run, plans = summary.run, [trial.plan for trial in summary.trials]
    whole = whole_interval(summary.trials)
    contenders = {
        plan.contender: Contender(name=plan.contender, pool=plan.pool, slots=plan.slots)
        for plan in plans
    }
    workloads = {
        plan.kind: Workload(name=plan.kind, kind=plan.kind, parameters=plan.parameters)
        for plan in plans
    }
    return Manifest(
        run=run.run,
        source=run.source,
        created_ns=run.created_ns,
        finished_ns=whole.last_finish_ns if whole else None,
        first_due_ns=whole.first_due_ns if whole else None,
        state="finished" if summary.state is RunState.CLOSED else "unfinished",
        profile="submission",
        repetitions=1,
        command=_command(plans),
        experiment=ExperimentSource(
            file="(none: submitted by hand)",
            sha256="",
            title=f"Submission of {', '.join(sorted(workloads))}",
        ),
        lines=summary.lines,
        events=summary.has_events,
        overlapped_by=summary.overlapped_by,
        contenders=tuple(contenders.values()),
        workloads=tuple(workloads.values()),
        calibration=run.calibration,
        versions={"poolbench": __version__},
        # the collector's own, which may not be the workers'
        machine=Machine(
            cores=os.cpu_count() or 1,
            os=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
        ),
        trials=tuple(
            _trial(trial, overlapped_by=summary.overlapped_by) for trial in summary.trials
        ),
    )


def interval_in(manifest: Manifest) -> Interval | None:
    """Return when the jobs of a manifest's run were in the system; None if there were none."""
    if manifest.first_due_ns is None or manifest.finished_ns is None:
        return None
    return Interval(first_due_ns=manifest.first_due_ns, last_finish_ns=manifest.finished_ns)


def _command(plans: Sequence[TrialPlan]) -> str:
    """Return the producer's command line that repeats the submission, except for the seed."""
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


def _trial(trial: Measured, *, overlapped_by: Sequence[str]) -> TrialEntry:
    plan, interval = trial.plan, trial.interval
    kind = JOB_KINDS.get(plan.kind)
    planned = PlannedTrial(
        **{one.name: getattr(plan, one.name) for one in fields(plan)},
        block=0,
        workload=plan.kind,
        is_pilot=False,
        ideal_wait_s=ideal_wait_s(kind, plan.parameters) if kind else None,
        measure="capacity" if plan.arrivals == "burst" else "rate",
        workers_up=None,
    )
    result = TrialResult(
        start_ns=interval.first_due_ns if interval else None,
        end_ns=interval.last_finish_ns if interval else None,
        sent=trial.ledger.sent,
        # reasons that the report can't derive from the records
        reasons=(
            *(Reason.of(Code.RUNS_OVERLAP, run=other) for other in overlapped_by),
            *(() if trial.figures.is_clock_shared else (FOREIGN_CLOCK,)),
        ),
    )
    return TrialEntry(plan=planned, result=result)
