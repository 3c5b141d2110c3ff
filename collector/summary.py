"""Computes the summary of a run from its records and its hash. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import polars as pl

from collector.ledger import ledger_faults, ledgers
from collector.metrics import Figures, figures
from collector.reasons import Code, Reason, Severity, strongest
from collector.run_hash import RunHash
from poolbench.records import FORMAT, TrialPlan
from poolbench.summaries import Ledger, RunState

#: Reason that makes a submitted run invalid if the producer's machine has another clock.
FOREIGN_CLOCK = replace(Reason.of(Code.FOREIGN_CLOCK), severity=Severity.INVALID)

_PUBLISHED_FIGURES = ("throughput_per_s", "wait_s", "execution_s", "lag_s", "peak_in_flight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """From a run's first due time to its last finish, Unix ns."""

    first_due_ns: int
    last_finish_ns: int

    def meets(self, other: Interval) -> bool:
        """Return whether the two overlap."""
        return (
            self.first_due_ns <= other.last_finish_ns and other.first_due_ns <= self.last_finish_ns
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One trial of a run, with the figures of its records."""

    #: The plan, with the slots of the contender's live workers if the sender had none.
    plan: TrialPlan
    ledger: Ledger
    figures: Figures
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The state and the figures of a run at one time."""

    run: RunHash
    trials: tuple[Measured, ...]
    state: RunState
    #: Whether a worker sent Celery's events.
    has_events: bool
    #: Runs that had jobs in the system at the same time.
    overlapped_by: tuple[str, ...]
    #: Number of lines in the folder, including rejected ones.
    lines: int
    rejected_lines: int


def measure(
    records: pl.DataFrame, *, run: RunHash, sender_boot_id: str | None, slots: Mapping[str, int]
) -> tuple[Measured, ...]:
    """Return each planned trial's ledger and figures.

    Args:
        records: those of the run, with at least `collector.metrics.FIGURE_COLUMNS`.
        run: its hash.
        sender_boot_id: boot of the machine that stamped the due times.
        slots: by contender, for plans without slots.
    """
    accounts = ledgers(records, sent=run.sent)

    def measure_trial(plan: TrialPlan) -> Measured:
        of_trial = records.filter(pl.col("trial") == plan.trial)
        plan = replace(plan, slots=plan.slots or slots.get(plan.contender, 0))
        found = figures(
            of_trial,
            slots=plan.slots,
            is_capacity=plan.arrivals == "burst",
            sender_boot_id=sender_boot_id,
        )
        interval, ledger = interval_of(of_trial), accounts[plan.trial]
        return Measured(plan=plan, ledger=ledger, figures=found, interval=interval)

    return tuple(map(measure_trial, run.plans))


def interval_of(records: pl.DataFrame) -> Interval | None:
    """Return when the jobs of records were in the system; None without jobs of Poolbench."""
    first_due_ns, last_finish_ns = records["due_ns"].min(), records["finished_ns"].max()
    if not isinstance(first_due_ns, int):
        return None
    known_ns = (at_ns for at_ns in (first_due_ns, last_finish_ns) if isinstance(at_ns, int))
    return Interval(first_due_ns=first_due_ns, last_finish_ns=max(known_ns))


def whole_interval(measured: Sequence[Measured]) -> Interval | None:
    """Return the interval from the first due time to the last finish of all trials."""
    found = [trial.interval for trial in measured if trial.interval]
    if not found:
        return None
    return Interval(
        first_due_ns=min(one.first_due_ns for one in found),
        last_finish_ns=max(one.last_finish_ns for one in found),
    )


def judge_state(
    run: RunHash, *, trials: Sequence[Measured], quiet_s: float, stall_s: float
) -> RunState:
    """Return the state of a run; ``quiet_s`` is the time since the last line, seconds."""
    is_missing = any(not trial.ledger.is_closed for trial in trials)
    if run.sent_all_ns is not None and not is_missing:
        return RunState.CLOSED
    # a killed producer does not mark its run as sent: planned jobs that it didn't send are missing
    is_short = any(run.sent[plan.trial] < plan.count for plan in run.plans)
    if quiet_s >= stall_s and (is_missing or is_short):
        return RunState.STALLED
    return RunState.SENDING if run.sent_all_ns is None else RunState.RUNNING


def describe(summary: Summary, *, fault: str = "") -> dict[str, Any]:
    """Return the content to publish at ``poolbench:summary:<run>``.

    ``fault`` is the text of a fault of the collector itself; empty without one.
    """
    common = [Reason.of(Code.COLLECTOR_HINDERED, fault=fault)] if fault else []
    common += [Reason.of(Code.RUNS_OVERLAP, run=other) for other in summary.overlapped_by]
    return {
        "format": FORMAT,
        "run": summary.run.run,
        "state": summary.state.value,
        "events": summary.has_events,
        "overlapped_by": list(summary.overlapped_by),
        "rejected_lines": summary.rejected_lines,
        "trials": [
            _describe_trial(trial, is_over=summary.state.is_over, common=common)
            for trial in summary.trials
        ],
    }


def _describe_trial(trial: Measured, *, is_over: bool, common: list[Reason]) -> dict[str, Any]:
    plan, ledger, found = trial.plan, trial.ledger, asdict(trial.figures)
    reasons = [
        *(one for one in ledger_faults(ledger) if is_over or one.code is not Code.JOBS_LOST),
        *(() if trial.figures.is_clock_shared else (FOREIGN_CLOCK,)),
        *common,
    ]
    if ledger.failed:
        reasons.append(Reason.of(Code.JOBS_FAILED, failed=ledger.failed, sent=ledger.sent))
    mark = strongest(reasons)
    is_thin = is_over and ledger.done > 0 and found["throughput_per_s"] is None
    if is_thin and mark is not Severity.INVALID:
        mark = Severity.TOO_FEW
    return {
        "trial": plan.trial,
        "contender": plan.contender,
        "pool": plan.pool,
        "slots": plan.slots,
        "kind": plan.kind,
        "parameters": dict(plan.parameters),
        "sent": ledger.sent,
        "ledger": asdict(ledger),
        **{name: found[name] for name in _PUBLISHED_FIGURES},
        "mark": mark.value,
        # as text, since the producer prints them
        "reasons": list(dict.fromkeys(one.text for one in (*reasons, *trial.figures.reasons))),
    }
