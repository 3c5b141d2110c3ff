"""What jobs stamped, read back: pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Stamps that one line of evidence shows.
_TOLD = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A moment of a job, as the job itself wrote it."""

    label: str
    #: ``started``, ``finished`` or ``interrupted``.
    moment: str
    t_ns: int
    pid: int
    thread: int
    #: What else the job had to say: ``error``, ``gap_s``, ``total``.
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Story:
    """All stamps of a try, in the order of their writing."""

    stamps: tuple[Stamp, ...] = ()

    def of(self, label: str, *, moment: str) -> tuple[Stamp, ...]:
        """Return the stamps of that moment of a job."""
        return tuple(one for one in self.stamps if one.label == label and one.moment == moment)

    def labels(self, moment: str) -> frozenset[str]:
        """Return the jobs that have a stamp of that moment."""
        return frozenset(one.label for one in self.stamps if one.moment == moment)

    def have(self, moment: str, *, labels: Iterable[str]) -> bool:
        """Return whether all these jobs have a stamp of that moment."""
        return self.labels(moment).issuperset(labels)

    def errors(self, label: str) -> tuple[str, ...]:
        """Return the names of what interrupted a job."""
        return tuple(str(one.facts["error"]) for one in self.of(label, moment="interrupted"))

    def count(self, moment: str) -> Counter[str]:
        """Return how often each job has a stamp of that moment."""
        return Counter(one.label for one in self.stamps if one.moment == moment)

    def span_s(self, label: str) -> float | None:
        """Return how long after its first start a job last stamped something; None unstarted."""
        times = [one.t_ns for one in self.stamps if one.label == label]
        return (times[-1] - times[0]) / 1e9 if times else None

    def under_way(self) -> int:
        """Return how many jobs have started and stamped no end."""
        return len(self.labels("started") - self.labels("finished") - self.labels("interrupted"))

    def peak_overlap(self) -> int:
        """Return how many jobs were under way at once, at the most."""
        steps = [(one.t_ns, 1 if one.moment == "started" else -1) for one in self.stamps]
        depth = peak = 0
        for _, step in sorted(steps):
            depth += step
            peak = max(peak, depth)
        return peak

    def tell(self, *labels: str) -> str:
        """Return the jobs' stamps as one line, in seconds from the story's first."""
        ordered = sorted(self.stamps, key=lambda one: one.t_ns)
        told = [
            f"{one.label} {one.facts.get('error', one.moment)} "
            f"{(one.t_ns - ordered[0].t_ns) / 1e9:.1f} s"
            for one in ordered
            if not labels or one.label in labels
        ]
        more = [f"{len(told) - _TOLD} more"] if len(told) > _TOLD else []
        return f"stamps: {', '.join(told[:_TOLD] + more) or 'none'}"


def read_story(path: Path) -> Story:
    """Return the stamps in a file; a file that isn't there is an empty story."""
    if not path.exists():
        return Story()
    # what follows the last newline is still being written
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return Story(tuple(_stamp(json.loads(line)) for line in lines))


def _stamp(line: dict[str, Any]) -> Stamp:
    known = {name: line.pop(name) for name in ("label", "moment", "t_ns", "pid", "thread")}
    return Stamp(**known, facts=line)
