"""The figures of a contender in one workload that comparisons use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from collector.run_manifest import MIXED_POOLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The figures of a contender in one workload that comparisons use."""

    contender: str
    pool: str
    slots: int
    #: Block → jobs per second of the valid repetition.
    per_s: Mapping[int, float]
    #: The row's mark: `!`, `?`, `~` or empty.
    mark: str = ""
    #: For an A/A control, the contender that it measures a second time; otherwise empty.
    control_of: str = ""
    #: Whether the interpreters that ran its jobs held the GIL; None if unknown.
    gil_enabled: bool | None = None
    #: Block → CPU-seconds of one job without Celery, in its own Python; empty for waits.
    gauged_s: Mapping[int, float] = field(default_factory=dict)
    #: Mean number of cores that its processes used; None if it wasn't sampled.
    busy_cores: float | None = None
    #: Share of the time in which its jobs blocked the event loop; None without a loop.
    blocked_share: float | None = None

    @property
    def is_usable(self) -> bool:
        """Whether it can be compared: valid, and with a figure."""
        return self.mark != "!" and bool(self.per_s)

    @property
    def is_without_gil(self) -> bool:
        """Whether its jobs ran without the GIL, as measured."""
        return self.gil_enabled is False

    @property
    def family(self) -> tuple[str, bool]:
        """The pool, and whether the contender runs without the GIL.

        A contender whose groups have different pools is a family of its own.
        """
        return self.contender if self.pool == MIXED_POOLS else self.pool, self.is_without_gil
