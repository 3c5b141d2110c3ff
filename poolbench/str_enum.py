"""`StrEnum` on every Python that the probe runs on; the standard library has it from 3.11 on."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from enum import StrEnum
else:
    from enum import Enum

    class StrEnum(str, Enum):
        """An enumeration whose members are, and print as, their values."""

        __str__ = str.__str__
        __format__ = str.__format__  # type: ignore[assignment]  # the same parameters, by position


__all__ = ["StrEnum"]
