"""Numbers as people read them."""

from __future__ import annotations

import pytest

from report import format as fmt


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (0.01234, "0.0123"),
        (2.414, "2.41"),
        (9.999, "10.0"),
        (24.14, "24.1"),
        (99.96, "100"),
        (12345.6, "12,346"),
    ],
)
def test_numbers_have_about_three_digits(value: float | None, text: str) -> None:
    """As many digits as a reader can use, whatever the size."""
    assert fmt.number(value) == text


@pytest.mark.parametrize(
    ("value_s", "text"),
    [
        (None, "–"),
        (0.0, "0 s"),
        (83.2, "83.2 s"),
        (0.9999, "1.00 s"),
        (0.045, "45.0 ms"),
        (0.00031, "310 µs"),
        (4e-8, "0.04 µs"),
    ],
)
def test_durations_take_the_unit_that_reads_best(value_s: float | None, text: str) -> None:
    """Seconds, milliseconds or microseconds."""
    assert fmt.duration(value_s) == text


@pytest.mark.parametrize(
    ("value_bytes", "text"),
    [(None, "–"), (0, "0 B"), (812, "812 B"), (142_000_000, "142 MB"), (2.5e9, "2.50 GB")],
)
def test_bytes_are_decimal(value_bytes: float | None, text: str) -> None:
    """1 MB is a million bytes."""
    assert fmt.size(value_bytes) == text


@pytest.mark.parametrize(
    ("share", "text"), [(None, "–"), (0.934, "93 %"), (0.0781, "7.8 %"), (1.0, "100 %")]
)
def test_percentages_are_whole_from_ten_on(share: float | None, text: str) -> None:
    """Small differences keep two digits."""
    assert fmt.percent(share) == text


def test_ratios_and_intervals_read_as_in_the_readme() -> None:
    """1.94 × [1.90–1.99]; a single block has no range."""
    assert [fmt.times(one) for one in (1.9412, 39.14, None)] == ["1.94 ×", "39.1 ×", "–"]
    assert fmt.interval(1.9, high=1.994) == "[1.90–1.99]"
    assert fmt.times_range(1.9, high=1.9) == "1.90 ×"
    assert fmt.times_range(1.9, high=1.98) == "1.90–1.98 ×"


@pytest.mark.parametrize(
    ("words", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), ([*"abc"], "a, b and c")]
)
def test_lists_read_as_a_sentence(words: list[str], text: str) -> None:
    """Commas, and one `and`."""
    assert fmt.listed(words) == text


def test_counts_agree_with_their_noun() -> None:
    """1 job, 2 jobs, 5,120 jobs."""
    assert fmt.counted(1, noun="job") == "1 job"
    assert fmt.counted(5_120, noun="job") == "5,120 jobs"


def test_moments_are_utc() -> None:
    """The same run reads the same on every machine."""
    assert fmt.moment(1_760_000_000_000_000_000) == "2025-10-09 08:53 UTC"
    assert fmt.moment(None) == "–"
