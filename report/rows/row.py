"""Combines the repetitions of one contender in one workload into a row."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property

from collector.metrics import percentiles
from collector.reasons import Code, Reason, Severity, strongest
from collector.run_manifest import Ceilings, Contender, Workload
from collector.worker_figures import WORKER_MEASURES
from poolbench.summaries import Ledger
from report.result import (
    RESPONSE,
    SUSTAINED,
    THROUGHPUT,
    WAIT,
    WORKER_VERDICTS,
    RowSummary,
    TargetSummary,
)
from report.rows.comparable import Entry
from report.rows.harness_ceilings import near_limits
from report.rows.latency import part_summary, pool_causes, pool_sorted, wait_parts, whole_span
from report.rows.offered_load import search_doubts, sustained_per_s
from report.rows.reasons import by_repetition
from report.rows.targets import sum_targets
from report.statistics.ratios import CLAIM_BLOCKS, Median, spread
from report.statistics.stability import find_drift
from report.trials.disturbances import FOREIGN_CPU_BOUND
from report.trials.groups import summarize_groups
from report.trials.lag_histogram import lag_histogram
from report.trials.levels import OverTime, over_time
from report.trials.limits import row_limits
from report.trials.loop_blocking import Blocking, find_blocking
from report.trials.start_order import sum_orders
from report.trials.trial import Evidence, Trial
from report.trials.wait_causes import WaitCauses
from report.trials.worker_figures import lead_figure, medians, sum_pings

#: Figure → the span whose p95 it is.
_SPANS = {RESPONSE: "response", WAIT: "wait"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One contender × one workload."""

    contender: Contender
    workload: Workload
    #: Its measured trials without pilots, valid or not.
    trials: tuple[Trial, ...]
    #: Ceilings of the harness, as in the manifest.
    ceilings: Ceilings
    #: Other trials of a search or a load curve: in the row's ledger, but not in its figures.
    others: tuple[Trial, ...] = ()
    #: Trials that were measured once more, accounted for likewise.
    replaced: tuple[Trial, ...] = ()
    #: Whether its Python is built to run without the GIL.
    is_free_threaded: bool = False
    #: Slots that were seen busy at once before the trials; None if all were, or if unknown.
    slots_seen: int | None = None

    @property
    def twin_of(self) -> str:
        """For an A/A control, the contender that it measures a second time; otherwise empty."""
        return self.contender.twin_of

    @property
    def is_valid(self) -> bool:
        """Whether all its trials are valid."""
        return all(trial.is_valid for trial in self.trials)

    @property
    def measure(self) -> str:
        """The measure of its workload: `capacity`, `rate`, `sustain` or `curve`."""
        return self.workload.measure

    @property
    def valid(self) -> tuple[Trial, ...]:
        """The valid trials."""
        return tuple(trial for trial in self.trials if trial.is_valid)

    @property
    def per_s(self) -> dict[int, float]:
        """Block → jobs per second of the valid trials; for a search, the sustained rate."""
        return {
            trial.block: trial.throughput_per_s for trial in self.valid if trial.throughput_per_s
        }

    @property
    def lead(self) -> dict[int, float]:
        """Block → the figure that the row leads with: of the worker itself, or `per_s`."""
        if self.measure not in WORKER_MEASURES:
            return self.per_s
        return {trial.block: found for trial in self.valid if (found := lead_figure(trial))}

    @property
    def sustained_per_s(self) -> dict[int, float]:
        """Block → the highest sustained rate of its search, jobs per second."""
        return sustained_per_s([*self.trials, *self.others])

    @property
    def compared(self) -> str:
        """The figure that shows what a setting changed; at a given rate, throughput can't."""
        figures = {
            "rate": RESPONSE, "sustain": SUSTAINED, "curve": SUSTAINED, **WORKER_VERDICTS,
        }  # fmt: skip
        return figures.get(self.measure, THROUGHPUT)

    def by_block(self, figure: str, *, part: str = "") -> dict[int, float]:
        """Return block → a figure, of all jobs or of a part of a mix.

        `THROUGHPUT` and `SUSTAINED` are jobs per second, `RESPONSE` and `WAIT` seconds; the others
        are those of `WORKER_VERDICTS`.
        """
        if figure in WORKER_VERDICTS.values():
            return self.lead
        if figure in _SPANS:
            return self.p95_s(_SPANS[figure], part=part)
        return self.sustained_per_s if self.measure == "curve" else self.per_s

    def p95_s(self, span: str, *, part: str = "") -> dict[int, float]:
        """Return block → p95 of a span of the valid trials, seconds; without those that are 0.

        With ``part``, it is that of a part of a mix.
        """
        found = {
            trial.block: percentiles((trial.part_spans[part] if part else trial.spans)[span])
            for trial in self.valid
        }
        return {block: one.p95 for block, one in found.items() if one and one.p95 > 0}

    @property
    def mark(self) -> Severity:
        """The strongest severity of its reasons."""
        return strongest(self.reasons)

    @cached_property
    def reasons(self) -> tuple[Reason, ...]:
        """The reasons of its mark, the strongest first."""
        trials = [
            *((trial.block, trial.reasons) for trial in self.trials),
            *search_doubts([*self.trials, *self.others]),
        ]
        found = [*by_repetition(trials), *self._too_few(), *self._unstable()]
        order = (Severity.INVALID, Severity.TOO_FEW, Severity.UNSTABLE)
        return tuple(sorted(found, key=lambda one: order.index(one.severity)))

    def _too_few(self) -> list[Reason]:
        if not self.trials:
            return [Reason.of(Code.NOT_MEASURED)]
        if len(self.lead) >= CLAIM_BLOCKS:
            return []
        code = Code.FEW_OF_WORKER if self.measure in WORKER_MEASURES else Code.TOO_FEW
        return [Reason.of(code, have=len(self.lead), needed=CLAIM_BLOCKS)]

    def _unstable(self) -> list[Reason]:
        drift, reasons = find_drift(self.lead), []
        if drift and drift.is_drift:
            direction = "more" if drift.change > 0 else "less"
            reasons.append(Reason.of(Code.DRIFT, change=abs(drift.change), direction=direction))
        if (_median(one.processes_cpu_share for one in self.trials) or 0.0) > FOREIGN_CPU_BOUND:
            reasons.append(Reason.of(Code.FOREIGN_CPU, bound=FOREIGN_CPU_BOUND))
        return reasons

    @property
    def is_without_gil(self) -> bool:
        """Whether its jobs ran without the GIL; if none ran, whether its Python can."""
        gil_enabled = _any(trial.evidence.gil_enabled for trial in self.valid or self.trials)
        return self.is_free_threaded if gil_enabled is None else not gil_enabled

    @cached_property
    def wait_causes(self) -> tuple[WaitCauses, ...]:
        """The waits by cause: of all jobs, then of each part of a mix."""
        waits = [trial.waits for trial in self.valid if trial.waits is not None]
        return pool_causes(waits, parts=[part.name for part in self.workload.mix])

    @property
    def blocking(self) -> Blocking | None:
        """How its jobs blocked the event loop; None for a pool without a loop."""
        return find_blocking([trial.blocking for trial in self.valid], pool=self.contender.pool)

    @cached_property
    def over_time(self) -> OverTime | None:
        """Its levels and memory over time; None if no trial has any."""
        return over_time([trial.levels for trial in self.valid])

    @property
    def targets(self) -> tuple[TargetSummary, ...]:
        """The bounds of the SLO, if its jobs arrived at a given rate."""
        return sum_targets([trial.targets for trial in self.valid])

    @property
    def typical(self) -> Trial | None:
        """The trial with the median throughput, a valid one if there is any; None without trials.

        It represents the row in charts.
        """
        known = self.valid or self.trials
        fast = [one for one in known if one.figures.throughput_per_s is not None]
        fast.sort(key=lambda one: (one.figures.throughput_per_s or 0.0, one.trial))
        ordered = fast or known
        return ordered[(len(ordered) - 1) // 2] if ordered else None

    def entry(self) -> Entry:
        """Return the figures that verdicts use."""
        return Entry(
            contender=self.contender.name,
            pool=self.contender.pool,
            slots=self.contender.slots,
            per_s=self.per_s,
            mark=self.mark,
            control_of=self.twin_of,
            gil_enabled=_any(trial.evidence.gil_enabled for trial in self.valid),
            gauged_s={trial.block: trial.gauged_s for trial in self.valid if trial.gauged_s},
            busy_cores=_median(trial.busy_cores for trial in self.valid),
            blocked_share=blocking.share if (blocking := self.blocking) else None,
        )

    def summary(self) -> RowSummary:
        """Return the row as it is in the run's result."""
        valid = self.valid
        per_s = Median.of(list(self.per_s.values()))
        spans = pool_sorted([trial.spans for trial in valid])
        at_rate = [trial for trial in valid if not trial.is_backlog]
        return RowSummary(
            contender=self.contender.name,
            pool=self.contender.pool,
            slots=self.contender.slots,
            is_twin=bool(self.twin_of),
            is_without_gil=self.is_without_gil,
            workload=self.workload.name,
            kind=self.workload.kind,
            settings=dict(self.contender.all_settings),
            repetitions=len(self.trials),
            valid_repetitions=len(valid),
            throughput_per_s=per_s,
            spread=spread(list(self.per_s.values())),
            ceiling_per_s=_median(trial.ceiling_per_s for trial in valid),
            ceiling_share=_median(trial.ceiling_share for trial in valid),
            cpu_s_per_1000_jobs=_median(trial.cpu_s_per_1000_jobs for trial in valid),
            recorder_cpu_s_per_1000_jobs=_median(
                trial.recorder_cpu_s_per_1000_jobs for trial in valid
            ),
            pss_bytes=_whole(_median(trial.pss_bytes for trial in valid)),
            per_busy_core_per_s=_median(trial.per_busy_core_per_s for trial in valid),
            per_gb_per_s=_median(trial.per_gb_per_s for trial in valid),
            connections=_whole(_median(trial.connections for trial in valid)),
            limits=row_limits(
                self.contender,
                trials=[one.limits for one in self.trials if one.limits],
            ),
            processes=self._processes(),
            executions_per_job=_median(trial.executions_per_job for trial in valid),
            redis_commands_per_job=_median(trial.redis_commands_per_job for trial in valid),
            redis_bytes_per_job=_median(trial.redis_bytes_per_job for trial in valid),
            measure=self.measure,
            offered_per_s=self._offered_per_s(at_rate),
            kept_up=sum(trial.is_sustained is True for trial in at_rate) if at_rate else None,
            sustained_per_s=Median.of([*self.sustained_per_s.values()]),
            lag_histogram=lag_histogram(spans["lag"]) if at_rate else (),
            wait_s=whole_span(spans["wait"]),
            execution_s=whole_span(spans["execution"]),
            lag_s=whole_span(spans["lag"]),
            response_s=whole_span(spans["response"]),
            wait_parts_s=wait_parts(spans),
            wait_causes=self.wait_causes,
            start_order=sum_orders(trial.start_order for trial in valid),
            parts={
                part: part_summary([trial.part_spans[part] for trial in valid])
                for part in self.workload.part_names
            },
            targets=self.targets,
            blocking=self.blocking,
            over_time=self.over_time,
            is_backlog=all(trial.is_backlog for trial in self.trials),
            lead=Median.of([*self.lead.values()]) if self.measure in WORKER_MEASURES else None,
            start=medians([trial.start for trial in valid if trial.start]),
            idle=medians([trial.idle for trial in valid if trial.idle]),
            ping=sum_pings([trial.ping for trial in valid if trial.ping]),
            peak_in_flight=max((trial.peak_in_flight for trial in valid), default=None),
            jobs=sum(trial.ledger.done for trial in valid),
            ledger=sum_ledgers([*self.trials, *self.others, *self.replaced]),
            evidence=_evidence(valid),
            mark=self.mark,
            reasons=(*self.reasons, *self._notes(per_s)),
            groups=summarize_groups(self.contender, trials=[trial.groups for trial in valid]),
        )

    def _offered_per_s(self, at_rate: Sequence[Trial]) -> float | None:
        """Return the median of the arrivals, in executions per second as the throughput is."""
        rate_per_s = _median(trial.rate_per_s for trial in at_rate)
        return rate_per_s and rate_per_s * self.workload.executions_per_job

    def _processes(self) -> int | None:
        """Return the most processes at once, if no setting of the contender is their number."""
        groups = self.contender.crew
        is_scaled = any("--autoscale" in " ".join(group.arguments) for group in groups)
        is_limited = self.contender.cpus or self.contender.memory_bytes
        if not is_limited and not is_scaled and not any(group.is_unset for group in groups):
            return None
        return max((trial.processes for trial in self.trials if trial.processes), default=None)

    def _notes(self, per_s: Median | None) -> list[Reason]:
        """Return the reasons without a mark: the harness, the loop, levels, repeated trials."""
        limits = near_limits(
            per_s.median if per_s else None,
            # the ceilings of an A/A control were measured for its original
            contender=self.twin_of or self.contender.name,
            workload=self.workload.name,
            ceilings=self.ceilings,
        )
        blocking = [self.blocking.reason] if self.blocking else []
        unseen = []
        if self.slots_seen is not None:
            slots = self.contender.slots
            unseen = [Reason.of(Code.SLOTS_UNSEEN, seen=self.slots_seen, slots=slots)]
        levels = self.over_time.reasons if self.over_time else ()
        return [*limits, *blocking, *unseen, *levels, *self._measured_again()]

    def _measured_again(self) -> list[Reason]:
        """Return the row's figure, and that with the trials that were replaced."""
        first: dict[int | None, Trial] = {trial.trial: trial for trial in self.replaced}
        blocks = tuple(trial.block + 1 for trial in self.trials if trial.repeats in first)
        if not blocks:
            return []
        trials = tuple(first.get(trial.repeats, trial) for trial in self.trials)
        again = Reason.of(
            Code.MEASURED_AGAIN,
            per_s=_median(self.per_s.values()),
            first_per_s=_median(replace(self, trials=trials).per_s.values()),
        )
        return [replace(again, repetitions=blocks)]


def sum_ledgers(trials: Iterable[Trial]) -> Ledger:
    """Return the sum of the ledgers of several trials."""
    found = [asdict(trial.ledger) for trial in trials]
    return Ledger(**{one.name: sum(each[one.name] for each in found) for one in fields(Ledger)})


def _evidence(trials: Sequence[Trial]) -> Evidence:
    found = [trial.evidence for trial in trials]
    patched = [one.sockets_patched for one in found if one.sockets_patched is not None]
    return Evidence(
        pools_seen=tuple(sorted({name for one in found for name in one.pools_seen})),
        processes=max((one.processes for one in found), default=0),
        sockets_patched=all(patched) if patched else None,
        gil_enabled=_any(one.gil_enabled for one in found),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _any(values: Iterable[bool | None]) -> bool | None:
    known = [value for value in values if value is not None]
    return any(known) if known else None
