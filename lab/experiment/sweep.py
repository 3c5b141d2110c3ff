"""A sweep: one contender at several values of one setting, all else the same. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.experiment.worker_settings import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """What makes a contender one of a sweep; the manifest's ``contenders[].sweep``."""

    #: The contender that all its points come from.
    of: str
    setting: str
    value: Value

    @property
    def name(self) -> str:
        """Return the name of the contender at this point, such as ``threads.slots-8``."""
        return f"{self.of}.{self.setting}-{word_of(self.value)}"


def word_of(value: Value) -> str:
    """Return a value as a name may hold it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.12g}"


def bases_of(of: str | Sequence[str]) -> list[str]:
    """Return the names of the contenders that are swept; a file may give one or a list."""
    return [of] if isinstance(of, str) else list(of)


def points(of: str | Sequence[str], *, setting: str, values: Sequence[Value]) -> list[SweepPoint]:
    """Return the points of a sweep: base after base, values ascending."""
    return [
        SweepPoint(of=base, setting=setting, value=value)
        for base in bases_of(of)
        for value in sorted(values)
    ]
