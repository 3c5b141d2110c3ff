"""A sweep: one contender at several values of one setting, all else the same. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from collector.run_manifest import SettingValue, SweepPoint


def bases_of(of: str | Sequence[str]) -> list[str]:
    """Return the names of the contenders that are swept; a file may give one or a list."""
    return [of] if isinstance(of, str) else list(of)


def points(
    of: str | Sequence[str], *, setting: str, values: Sequence[SettingValue]
) -> list[SweepPoint]:
    """Return the points of a sweep: base after base, values ascending."""
    return [
        SweepPoint(of=base, setting=setting, value=value)
        for base in bases_of(of)
        for value in sorted(values)
    ]
