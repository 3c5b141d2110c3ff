"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from report import format as fmt


@pytest.mark.parametrize(
    ("written", "value", "text"),
    [
        # about three digits, as many as a reader can use, whatever the size
        (fmt.number, None, "–"),
        (fmt.number, 0.0, "0"),
        (fmt.number, 0.01234, "0.0123"),
        (fmt.number, 2.414, "2.41"),
        (fmt.number, 9.999, "10.0"),
        (fmt.number, 24.14, "24.1"),
        (fmt.number, 99.96, "100"),
        (fmt.number, 12345.6, "12,346"),
        # in the unit that reads best
        (fmt.duration, None, "–"),
        (fmt.duration, 0.0, "0 s"),
        (fmt.duration, 83.2, "83.2 s"),
        (fmt.duration, 0.9999, "1.00 s"),
        (fmt.duration, 0.045, "45.0 ms"),
        (fmt.duration, 0.00031, "310 µs"),
        (fmt.duration, 4e-8, "0.04 µs"),
        # 1 MB is a million bytes
        (fmt.size, None, "–"),
        (fmt.size, 0, "0 B"),
        (fmt.size, 812, "812 B"),
        (fmt.size, 142_000_000, "142 MB"),
        (fmt.size, 2.5e9, "2.50 GB"),
        # whole from ten on: small differences keep two digits
        (fmt.percent, None, "–"),
        (fmt.percent, 0.934, "93 %"),
        (fmt.percent, 0.0781, "7.8 %"),
        (fmt.percent, 1.0, "100 %"),
        (fmt.times, None, "–"),
        (fmt.times, 1.9412, "1.94 ×"),
        (fmt.times, 39.14, "39.1 ×"),
        # UTC: the same run reads the same on every machine
        (fmt.moment, None, "–"),
        (fmt.moment, 1_760_000_000_000_000_000, "2025-10-09 08:53 UTC"),
        # commas, and one `and`
        (fmt.listed, [], ""),
        (fmt.listed, ["a"], "a"),
        (fmt.listed, ["a", "b"], "a and b"),
        (fmt.listed, [*"abc"], "a, b and c"),
    ],
)
def test_values_read_alike_everywhere(
    written: Callable[[Any], str], value: object, text: str
) -> None:
    """With their unit and as many digits as a reader can use; a dash where there is none."""
    assert written(value) == text


def test_ranges_and_counts_read_as_in_the_readme() -> None:
    """1.94 × [1.90–1.99]; a single block has no range; 1 job, 2 jobs."""
    assert fmt.interval(1.9, high=1.994) == "[1.90–1.99]"
    assert fmt.times_range(1.9, high=1.9) == "1.90 ×"
    assert fmt.times_range(1.9, high=1.98) == "1.90–1.98 ×"
    assert fmt.counted(1, noun="job") == "1 job"
    assert fmt.counted(5_120, noun="job") == "5,120 jobs"
