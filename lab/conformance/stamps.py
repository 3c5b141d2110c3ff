"""Reads the stamps that jobs wrote. Pure, apart from reading the file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.instruments.overlap import peak_in_flight

#: Number of stamps that one line of evidence shows.
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One moment of a job, as the job itself wrote it."""

    label: str
    #: ``started``, ``finished`` or ``interrupted``.
    moment: str
    #: Wall clock, Unix ns.
    t_ns: int
    pid: int
    #: Name of the exception that interrupted it.
    error: str = ""
    #: Longest time between two wake-ups, where the job measures it.
    gap_s: float = 0.0
    #: The sum that a chord's callback got.
    total: int = 0


@dataclass(frozen=True, slots=True)
class Stamps:
    """All stamps of one try, in the order in which they were written."""

    all: tuple[Stamp, ...] = ()

    def of(self, label: str, *, moment: str) -> tuple[Stamp, ...]:
        """Return a job's stamps of this moment."""
        return tuple(one for one in self.all if one.label == label and one.moment == moment)

    def labels(self, moment: str) -> frozenset[str]:
        """Return the jobs that have a stamp of this moment."""
        return frozenset(one.label for one in self.all if one.moment == moment)

    def have(self, moment: str, *labels: str) -> bool:
        """Return whether all these jobs have a stamp of this moment."""
        return self.labels(moment).issuperset(labels)

    def count(self, moment: str) -> Counter[str]:
        """Return the number of stamps of this moment by job."""
        return Counter(one.label for one in self.all if one.moment == moment)

    def in_flight(self) -> int:
        """Return how many jobs have started and have no stamp of an end."""
        return len(self.labels("started") - self.labels("finished") - self.labels("interrupted"))

    def peak_in_flight(self) -> int:
        """Return the highest number of jobs in flight at the same time."""
        return peak_in_flight(
            (one.t_ns for one in self.all if one.moment == "started"),
            (one.t_ns for one in self.all if one.moment != "started"),
        )

    def describe(self, *labels: str) -> str:
        """Return the stamps of these jobs (default: all) as one line, in seconds from the first."""
        ordered = sorted(self.all, key=lambda one: one.t_ns)
        shown = [
            f"{one.label} {one.error or one.moment} {(one.t_ns - ordered[0].t_ns) / 1e9:.1f} s"
            for one in ordered
            if not labels or one.label in labels
        ]
        more = [f"{len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
        return f"stamps: {', '.join(shown[:_SHOWN] + more) or 'none'}"


def read_stamps(path: Path) -> Stamps:
    """Return the stamps in a file; none if the file does not exist."""
    if not path.exists():
        return Stamps()
    # the text after the last newline is still being written
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return Stamps(tuple(Stamp(**json.loads(line)) for line in lines))


def longest_wait_s(stamps: Stamps, *, jobs: Iterable[str], since_ns: int) -> float | None:
    """Return the seconds from ``since_ns`` to the last first start; None if a job never started."""
    starts = [stamps.of(label, moment="started") for label in jobs]
    return max((one[0].t_ns - since_ns) / 1e9 for one in starts) if all(starts) else None
