"""Types of a comparison: the changes of figures, of rows and of a whole run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from report.conditions import Difference
from report.result import Summary
from report.statistics.ratios import CONFIDENCE, Ratio
from report.verdicts.metrics import Figure

#: Version of a comparison's JSON; docs/schemas/compare.schema.json is its schema.
COMPARE_FORMAT = 1


class Outcome(StrEnum):
    """The result of a figure's change."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "no difference"
    #: The interval is outside the noise, but among so many comparisons this may be chance.
    UNPROVED = "not proved"
    #: Fewer than `CLAIM_BLOCKS` repetitions in one of the runs.
    TOO_FEW = "too few"
    #: Invalid, or without a figure.
    NOT_COMPARED = "not compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One figure of one row, in both runs."""

    figure: Figure
    #: Geometric means over the valid repetitions; None without a figure.
    a: float | None
    b: float | None
    #: Repetitions of A and of B with a figure.
    blocks: tuple[int, int]
    #: b ÷ a.
    ratio: Ratio | None
    outcome: Outcome = Outcome.NOT_COMPARED
    #: The p-value after Holm's correction for all comparisons of the table; None without a claim.
    corrected_p: float | None = None
    #: Minimum detectable change, as a share; None without a claim.
    detectable: float | None = None
    #: The reason why there is no ratio; empty if there is one.
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the change for the comparison's JSON."""
        ratio = self.ratio
        interval = ratio and {
            **{name: getattr(ratio, name) for name in ("value", "low", "high", "is_claim")},
            "blocks_a": self.blocks[0],
            "blocks_b": self.blocks[1],
            "smallest_difference": self.detectable,
        }
        return {
            "figure": self.figure.name,
            "measure": self.figure.absolute,
            "is_more_better": self.figure.is_more_better,
            "ratio": interval,
            "p_value": ratio.p_value if ratio else None,
            "corrected_p_value": self.corrected_p,
            **{name: getattr(self, name) for name in ("a", "b", "outcome", "reason")},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """One contender × one workload that both runs have."""

    contender: str
    workload: str
    pool: str
    slots: int
    #: Whether the whole backlog was sent at once in both runs.
    is_backlog: bool
    #: The stronger of both runs' marks.
    mark: str
    reasons: tuple[str, ...]
    #: Ratio of a job's speed without Celery in B to that in A; None for waits.
    machine_ratio: float | None
    #: In the order of `FIGURES`.
    changes: tuple[Change, ...]

    @property
    def name(self) -> str:
        """The row's name in conditions and messages."""
        return f"{self.contender}/{self.workload}"

    def change(self, figure: Figure) -> Change:
        """Return the row's change of a figure."""
        return next(change for change in self.changes if change.figure is figure)

    def as_dict(self) -> dict[str, Any]:
        """Return the row for the comparison's JSON."""
        names = ("contender", "workload", "pool", "slots", "mark", "reasons", "machine_ratio")
        figures = [change.as_dict() for change in self.changes]
        return {name: getattr(self, name) for name in names} | {"figures": figures}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The changes from run A to run B."""

    a: Summary
    b: Summary
    #: A change within ± this share is noise.
    noise: float
    differences: tuple[Difference, ...]
    #: Topics whose differences `--across` allows.
    across: tuple[str, ...]
    #: Whether `--force` overrides the refusals.
    is_forced: bool
    rows: tuple[RowChange, ...]
    notes: tuple[str, ...]

    @property
    def refusals(self) -> tuple[Difference, ...]:
        """Differences that forbid the comparison, without those that `--across` allows."""
        return tuple(
            one for one in self.differences if one.is_refusal and one.topic not in self.across
        )

    def count(self, outcome: Outcome) -> int:
        """Return the number of figures with this outcome."""
        return sum(change.outcome is outcome for row in self.rows for change in row.changes)

    def as_dict(self) -> dict[str, Any]:
        """Return the content of the comparison's JSON, without the conditions of `--fail-on`."""
        return {
            "format": COMPARE_FORMAT,
            "a": _side(self.a),
            "b": _side(self.b),
            "confidence": CONFIDENCE,
            **{name: getattr(self, name) for name in ("noise", "is_forced", "across", "notes")},
            "differences": [
                asdict(one) | {"is_refusal": one.is_refusal} for one in self.differences
            ],
            "outcomes": {outcome: self.count(outcome) for outcome in Outcome},
            "rows": [row.as_dict() for row in self.rows],
        }


def _side(summary: Summary) -> dict[str, Any]:
    names = ("run", "title", "created_ns", "state")
    commit = summary.conditions.get("run", {}).get("commit", "")
    return {name: getattr(summary, name) for name in names} | {"commit": commit}
