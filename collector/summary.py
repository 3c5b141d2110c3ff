"""Pure: the summary of a run, from its records and its hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import polars as pl

from collector.ledger import ledgers
from collector.metrics import Figures, figures
from collector.reasons import Code, Reason, Severity
from collector.run_hash import RunHash
from poolbench.records import FORMAT, TrialPlan
from poolbench.summaries import Ledger, RunState

#: Makes latencies of a submitted run invalid: the producer's machine stamped the due times.
FOREIGN_CLOCK = replace(Reason.of(Code.FOREIGN_CLOCK), severity=Severity.INVALID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """From a run's first due time to its last finish, Unix ns."""

    first_due_ns: int
    last_finish_ns: int

    def meets(self, other: Interval) -> bool:
        """Whether the two share an instant."""
        return (
            self.first_due_ns <= other.last_finish_ns and other.first_due_ns <= self.last_finish_ns
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One trial of a run, with the figures of its records."""

    plan: TrialPlan
    slots: int
    ledger: Ledger
    figures: Figures
    interval: Interval | None


def measure(
    records: pl.DataFrame, *, run: RunHash, sender_boot_id: str | None, slots: Mapping[str, int]
) -> tuple[Measured, ...]:
    """Return each planned trial's account and figures.

    Args:
        records: those of the run, of `collector.metrics.FIGURE_COLUMNS` at least.
        run: its hash.
        sender_boot_id: boot of the machine that stamped the due times.
        slots: by contender, for plans without slots.
    """
    accounts = ledgers(records, sent=run.sent)
    measured = []
    for plan in run.plans:
        of_trial = records.filter(pl.col("trial") == plan.trial)
        slots_of_trial = plan.slots or slots.get(plan.contender, 0)
        found = figures(
            of_trial,
            slots=slots_of_trial,
            is_capacity=plan.arrivals == "burst",
            sender_boot_id=sender_boot_id,
        )
        measured.append(
            Measured(
                plan=plan,
                slots=slots_of_trial,
                ledger=accounts[plan.trial],
                figures=found,
                interval=interval_of(of_trial),
            )
        )
    return tuple(measured)


def interval_of(records: pl.DataFrame) -> Interval | None:
    """Return when records' jobs were in the system; None if there are none of ours."""
    first_due_ns, last_finish_ns = records["due_ns"].min(), records["finished_ns"].max()
    if not isinstance(first_due_ns, int):
        return None
    if not isinstance(last_finish_ns, int):
        last_finish_ns = first_due_ns
    return Interval(first_due_ns=first_due_ns, last_finish_ns=max(first_due_ns, last_finish_ns))


def whole_interval(measured: Sequence[Measured]) -> Interval | None:
    """Return from the first due time to the last finish of all trials."""
    found = [trial.interval for trial in measured if trial.interval]
    if not found:
        return None
    return Interval(
        first_due_ns=min(one.first_due_ns for one in found),
        last_finish_ns=max(one.last_finish_ns for one in found),
    )


def judge_state(
    run: RunHash, *, accounts: Sequence[Ledger], quiet_s: float, stall_s: float
) -> RunState:
    """Return how far a run is; ``quiet_s`` is how long no line has come."""
    is_missing = any(not account.is_closed for account in accounts)
    if run.sent_all_ns is not None and not is_missing:
        return RunState.CLOSED
    # a killed producer marks nothing: what it planned and did not send is missing
    is_short = any(run.sent[plan.trial] < plan.count for plan in run.plans)
    if quiet_s >= stall_s and (is_missing or is_short):
        return RunState.STALLED
    return RunState.SENDING if run.sent_all_ns is None else RunState.RUNNING


def describe(
    run: RunHash,
    *,
    measured: Sequence[Measured],
    state: RunState,
    has_events: bool,
    overlapped_by: Sequence[str],
    rejected_lines: int = 0,
    faults: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the summary that is published at ``poolbench:summary:<run>``.

    Args:
        run: its hash.
        measured: its trials.
        state: how far it is.
        has_events: whether a worker sent Celery's events.
        overlapped_by: runs that had jobs in the system at the same time.
        rejected_lines: lines that could not be read.
        faults: what hinders the collector itself, in words.
    """
    common = [
        *(Reason.of(Code.COLLECTOR_HINDERED, fault=fault) for fault in faults),
        *(Reason.of(Code.RUNS_OVERLAP, run=other) for other in overlapped_by),
    ]
    return {
        "format": FORMAT,
        "run": run.run,
        "state": state.value,
        "events": has_events,
        "overlapped_by": list(overlapped_by),
        "rejected_lines": rejected_lines,
        "trials": [_describe_trial(trial, state=state, common=common) for trial in measured],
    }


def _describe_trial(trial: Measured, *, state: RunState, common: list[Reason]) -> dict[str, Any]:
    plan, found = trial.plan, trial.figures
    invalid = [*_invalid(trial, state=state), *common]
    unsure = _unsure(trial)
    is_thin = state.is_over and trial.ledger.done > 0 and found.throughput_per_s is None
    return {
        "trial": plan.trial,
        "contender": plan.contender,
        "pool": plan.pool,
        "slots": trial.slots,
        "kind": plan.kind,
        "parameters": dict(plan.parameters),
        "sent": trial.ledger.sent,
        "ledger": asdict(trial.ledger),
        "throughput_per_s": found.throughput_per_s,
        "wait_s": asdict(found.wait_s) if found.wait_s else None,
        "execution_s": asdict(found.execution_s) if found.execution_s else None,
        "lag_s": asdict(found.lag_s) if found.lag_s else None,
        "peak_in_flight": found.peak_in_flight,
        "mark": "!" if invalid else "?" if is_thin else "~" if unsure else "",
        # in words: the producer prints them
        "reasons": list(dict.fromkeys(one.text for one in (*invalid, *unsure, *found.reasons))),
    }


def _invalid(trial: Measured, *, state: RunState) -> list[Reason]:
    """Return why a trial's figures don't count."""
    account, reasons = trial.ledger, []
    if account.lost > 0 and state.is_over:
        reasons.append(Reason.of(Code.JOBS_LOST, lost=account.lost, sent=account.sent))
    if account.lost < 0:
        reasons.append(Reason.of(Code.JOBS_UNSENT, jobs=-account.lost))
    if account.duplicated:
        reasons.append(Reason.of(Code.JOBS_DUPLICATED, jobs=account.duplicated))
    if not trial.figures.is_clock_shared:
        reasons.append(FOREIGN_CLOCK)
    return reasons


def _unsure(trial: Measured) -> list[Reason]:
    """Return what limits figures that are valid."""
    account = trial.ledger
    if not account.failed:
        return []
    return [Reason.of(Code.JOBS_FAILED, failed=account.failed, sent=account.sent)]
