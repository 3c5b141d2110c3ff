"""A point of a sweep: one contender at one of several values of a setting. Pure."""

from __future__ import annotations

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
        return f"{self.of}.{self.setting}-{_word_of(self.value)}"


def _word_of(value: Value) -> str:
    """Return a value as a name may hold it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value) if isinstance(value, int) else f"{value:.12g}"
