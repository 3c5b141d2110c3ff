"""Sums up the repetitions of one contender in one workload as a row of the comparison."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from collector.run_manifest import Ceilings, Contender, Workload
from poolbench.summaries import Ledger
from report import format as fmt
from report.rows.comparable import Entry
from report.rows.harness_ceilings import near_limits
from report.rows.latency import latencies
from report.rows.offered_load import load_figures, search_doubts
from report.rows.reasons import of_repetitions
from report.rows.remedies import remedy_of
from report.statistics.ratios import CLAIM_BLOCKS, UNSTABLE_SPREAD, Median, spread
from report.statistics.stability import judge_stability
from report.trials.loop_blocking import Blocking, find_blocking
from report.trials.timeline import choose_trial
from report.trials.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contender × one workload."""

    contender: Contender
    workload: Workload
    #: Its measured trials, no pilots; valid or not.
    trials: tuple[Trial, ...]
    #: Ceilings of the harness, as in the manifest.
    ceilings: Ceilings
    #: Trials beside them, of a search or a curve: accounted for, and in no figure of the row.
    others: tuple[Trial, ...] = ()
    #: Whether its Python is built to run without the GIL.
    is_free_threaded: bool = False

    @property
    def twin_of(self) -> str:
        """The contender that it is a second time; empty for all others."""
        return self.contender.twin_of

    @property
    def measure(self) -> str:
        """What was measured of its workload: `capacity`, `rate`, `sustain` or `curve`."""
        return self.workload.measure

    @property
    def valid(self) -> tuple[Trial, ...]:
        """The trials whose figures count."""
        return tuple(trial for trial in self.trials if trial.is_valid)

    @property
    def per_s(self) -> dict[int, float]:
        """Block → jobs per second, of the valid trials that have a figure; of a search, held."""
        return {trial.block: trial.figure_per_s for trial in self.valid if trial.figure_per_s}

    @property
    def mark(self) -> str:
        """Return the strongest of ``!`` invalid, ``?`` too few, ``~`` unstable; or nothing."""
        if any(not trial.is_valid for trial in self.trials):
            return "!"
        if len(self.per_s) < CLAIM_BLOCKS:
            return "?"
        return "~" if self.unsure else ""

    @property
    def unsure(self) -> list[str]:
        """What makes the row unstable, in words."""
        reasons = _by_repetition(
            [
                *((trial.block, trial.tolerated) for trial in self.trials),
                *search_doubts([*self.trials, *self.others]),
            ]
        )
        found = judge_stability(self.per_s)
        if found.is_spread_wide:
            bound = fmt.percent(UNSTABLE_SPREAD)
            reasons.append(f"unstable: the standard deviation of its repetitions is over {bound}")
        if found.drift and found.is_drifting:
            change = found.drift.change
            more = "more" if change > 0 else "less"
            reasons.append(
                f"drifts: {fmt.percent(abs(change))} {more} in the last repetition than in the "
                "first, along a line through all of them"
            )
        return reasons

    @property
    def too_few(self) -> list[str]:
        """Why it makes no claim, in words."""
        if not self.trials:
            return ["no repetition was measured"]
        if len(self.per_s) >= CLAIM_BLOCKS:
            return []
        have = fmt.counted(len(self.per_s), noun="repetition")
        return [
            f"too few for a claim: {have} with a valid throughput, and a claim needs {CLAIM_BLOCKS}"
        ]

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """Every reason of a mark, with that mark; the strongest first."""
        invalid = _by_repetition((trial.block, trial.reasons) for trial in self.trials)
        found = (("!", invalid), ("?", self.too_few), ("~", self.unsure))
        return [(mark, reason) for mark, reasons in found for reason in reasons]

    @property
    def is_without_gil(self) -> bool:
        """Whether its jobs ran without the GIL, valid or not; where none ran, if they were to."""
        seen = _any(trial.evidence.gil_enabled for trial in self.valid or self.trials)
        return self.is_free_threaded if seen is None else not seen

    @property
    def blocking(self) -> Blocking | None:
        """What its jobs did to an event loop; None where there is none to tell of."""
        return find_blocking([trial.held for trial in self.valid], pool=self.contender.pool)

    @property
    def typical(self) -> Trial | None:
        """The trial that stands for the row in pictures: of median throughput, if one is valid."""
        known = [(one.index, one.is_valid, one.figures.throughput_per_s) for one in self.trials]
        chosen = choose_trial(known)
        return next((one for one in self.trials if one.index == chosen), None)

    def entry(self) -> Entry:
        """Return what a verdict needs of the row."""
        return Entry(
            contender=self.contender.name,
            pool=self.contender.pool,
            slots=self.contender.slots,
            per_s=self.per_s,
            mark=self.mark,
            twin_of=self.twin_of,
            gil_enabled=_any(trial.evidence.gil_enabled for trial in self.valid),
            gauged_s={trial.block: trial.gauged_s for trial in self.valid if trial.gauged_s},
            busy_cores=_median(trial.busy_cores for trial in self.valid),
            blocked_share=blocking.share if (blocking := self.blocking) else None,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the row as it stands in ``summary.json``."""
        valid = self.valid
        per_s = Median.of(list(self.per_s.values()))
        reasons = self.reasons
        return {
            "contender": self.contender.name,
            "pool": self.contender.pool,
            "slots": self.contender.slots,
            "is_twin": bool(self.twin_of),
            "is_without_gil": self.is_without_gil,
            "workload": self.workload.name,
            "kind": self.workload.kind,
            "settings": dict(self.contender.settings),
            "repetitions": len(self.trials),
            "valid_repetitions": len(valid),
            "throughput_per_s": per_s and asdict(per_s),
            "spread": spread(list(self.per_s.values())),
            "ceiling_per_s": _median(trial.ceiling_per_s for trial in valid),
            "ceiling_share": _median(trial.ceiling_share for trial in valid),
            "limits": self._limits(per_s),
            "cpu_s_per_1000_jobs": _median(trial.cpu_s_per_1000_jobs for trial in valid),
            "recorder_cpu_s_per_1000_jobs": _median(
                trial.recorder_cpu_s_per_1000_jobs for trial in valid
            ),
            "pss_bytes": _whole(_median(trial.usage.pss_bytes for trial in valid)),
            "per_busy_core_per_s": _median(trial.per_busy_core_per_s for trial in valid),
            "per_gb_per_s": _median(trial.per_gb_per_s for trial in valid),
            "connections": _whole(_median(trial.usage.connections for trial in valid)),
            "redis_commands_per_job": _median(trial.redis_commands_per_job for trial in valid),
            "redis_bytes_per_job": _median(trial.redis_bytes_per_job for trial in valid),
            **load_figures(self.trials, others=self.others, measure=self.measure),
            **latencies([trial.spans for trial in valid]),
            "blocking": self.blocking and asdict(self.blocking) | {"text": self.blocking.text},
            "is_backlog": all(trial.is_backlog for trial in self.trials),
            "peak_in_flight": max((trial.figures.peak_in_flight for trial in valid), default=None),
            "jobs": sum(trial.ledger.done for trial in valid),
            "ledger": asdict(sum_ledgers([*self.trials, *self.others])),
            "evidence": _evidence(valid),
            "mark": self.mark,
            "reasons": [reason for _, reason in reasons],
            "reason_marks": [mark for mark, _ in reasons],
            "remedies": [remedy_of(reason) for _, reason in reasons],
        }

    def _limits(self, per_s: Median | None) -> list[str]:
        return near_limits(
            per_s.median if per_s else None,
            # a twin's ceilings were measured once, as its original's
            contender=self.twin_of or self.contender.name,
            workload=self.workload.name,
            ceilings=self.ceilings,
        )


def sum_ledgers(trials: Iterable[Trial]) -> Ledger:
    """Return the account of several trials together."""
    found = [trial.ledger for trial in trials]
    return Ledger(
        sent=sum(ledger.sent for ledger in found),
        done=sum(ledger.done for ledger in found),
        failed=sum(ledger.failed for ledger in found),
        retried=sum(ledger.retried for ledger in found),
        lost=sum(ledger.lost for ledger in found),
        duplicated=sum(ledger.duplicated for ledger in found),
    )


def _by_repetition(found: Iterable[tuple[int, Sequence[str]]]) -> list[str]:
    """Return each reason once, with the repetitions that have it."""
    repetitions: dict[str, list[int]] = {}
    for block, reasons in found:
        for reason in reasons:
            numbers = repetitions.setdefault(reason, [])
            # several trials of a block may have it, where a rate was looked for
            if block + 1 not in numbers:
                numbers.append(block + 1)
    return [of_repetitions(numbers, reason=reason) for reason, numbers in repetitions.items()]


def _evidence(trials: Sequence[Trial]) -> dict[str, Any]:
    found = [trial.evidence for trial in trials]
    patched = [one.sockets_patched for one in found if one.sockets_patched is not None]
    return {
        "pools_seen": sorted({name for one in found for name in one.pools_seen}),
        "processes": max((one.processes for one in found), default=0),
        "sockets_patched": all(patched) if patched else None,
        "gil_enabled": _any(one.gil_enabled for one in found),
    }


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _any(values: Iterable[bool | None]) -> bool | None:
    known = [value for value in values if value is not None]
    return any(known) if known else None
