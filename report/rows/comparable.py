"""A contender in one workload, as far as it can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A contender in one workload, as far as it can be compared."""

    contender: str
    pool: str
    slots: int
    #: Block → jobs per second of its valid repetition.
    per_s: Mapping[int, float]
    #: The row's mark: `!`, `?`, `~` or nothing.
    mark: str = ""
    #: The contender that it is a second time, to show the noise; empty for all others.
    control_of: str = ""
    #: Whether the interpreters that ran its jobs held the GIL; None if unknown.
    gil_enabled: bool | None = None
    #: Block → CPU-seconds of one job without Celery, in its own Python; empty for waits.
    gauged_s: Mapping[int, float] = field(default_factory=dict)
    #: Cores that its processes kept busy; None if it wasn't sampled.
    busy_cores: float | None = None
    #: Part of the time that its jobs blocked an event loop; None where there is no loop.
    blocked_share: float | None = None

    @property
    def is_usable(self) -> bool:
        """Whether it can be compared: valid, and with a figure."""
        return self.mark != "!" and bool(self.per_s)

    @property
    def is_without_gil(self) -> bool:
        """Whether its jobs were seen to run without the GIL."""
        return self.gil_enabled is False

    @property
    def family(self) -> tuple[str, bool]:
        """What it has in common with others of its pool: whether they hold the GIL."""
        return self.pool, self.is_without_gil
