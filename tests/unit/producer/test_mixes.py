"""Mixes of jobs: by share, in random order, the same for the same seed."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.arrivals import read_schedule
from producer.mixes import DECK, check_shares, draw_in_sequence, draw_parts

WEIGHTS = st.lists(st.integers(min_value=1, max_value=50), min_size=1, max_size=6)
SEEDS = st.integers(min_value=0, max_value=2**63)
COUNTS = st.integers(min_value=0, max_value=3 * DECK)


def shares_of(weights: list[int]) -> dict[str, float]:
    """Shares in these proportions."""
    return {f"part-{n}": weight / sum(weights) for n, weight in enumerate(weights)}


@given(weights=WEIGHTS, decks=st.integers(min_value=1, max_value=8), seed=SEEDS)
def test_each_part_has_its_share_of_every_deck(weights: list[int], decks: int, seed: int) -> None:
    """After any whole deck a part is off its share by fewer jobs than there are parts."""
    shares = shares_of(weights)

    parts = draw_parts(shares, count=decks * DECK, seed=seed)

    for index, share in enumerate(shares.values()):
        assert abs(parts.count(index) - share * decks * DECK) < max(1.01, len(shares))


@given(weights=WEIGHTS, count=COUNTS, more=COUNTS, seed=SEEDS)
def test_a_longer_draw_begins_with_the_shorter(
    weights: list[int], count: int, more: int, seed: int
) -> None:
    """Contenders with other counts get the same jobs, as far as theirs go."""
    shares = shares_of(weights)

    short = draw_parts(shares, count=count, seed=seed)

    assert len(short) == count
    assert draw_parts(shares, count=count + more, seed=seed)[:count] == short


@given(weights=st.lists(WEIGHTS, min_size=1, max_size=3), count=COUNTS, seed=SEEDS)
def test_a_sequence_sends_one_group_after_another(
    weights: list[list[int]], count: int, seed: int
) -> None:
    """Each group has its share of the jobs, to the nearest job."""
    whole = sum(map(sum, weights))
    groups = [[weight / whole for weight in group] for group in weights]

    parts = draw_in_sequence(groups, count=count, seed=seed)

    group_of = [number for number, group in enumerate(groups) for _ in group]
    sent = [group_of[part] for part in parts]
    assert len(parts) == count
    assert sent == sorted(sent)
    for number, group in enumerate(groups):
        assert abs(sent.count(number) - count * sum(group)) <= 1.01


def test_one_group_is_drawn_like_a_mix() -> None:
    """So that a mix in random order is what it was."""
    shares = {"a": 0.7, "b": 0.3}

    assert draw_in_sequence([[0.7, 0.3]], count=250, seed=5) == draw_parts(
        shares, count=250, seed=5
    )


def test_the_order_is_random_and_hangs_on_the_seed() -> None:
    """No pattern that a pool could fall in step with: runs of one part differ in length."""
    shares = {"short": 0.5, "long": 0.5}

    parts = draw_parts(shares, count=400, seed=1)

    assert len({len(list(run)) for _, run in itertools.groupby(parts)}) > 3
    assert parts != draw_parts(shares, count=400, seed=2)


def test_parts_do_not_go_with_gaps() -> None:
    """One seed draws both, and long jobs don't come after long gaps: the correlation is small."""
    parts = draw_parts({"short": 0.5, "long": 0.5}, count=10_000, seed=4)
    table = {"how": "poisson", "count": 10_001, "rate_per_s": 1.0}
    gaps_s = [after - before for before, after in itertools.pairwise(read_schedule(table).draw(4))]

    of_long = sum(gap_s for gap_s, part in zip(gaps_s, parts, strict=True) if part == 1)

    assert of_long / parts.count(1) == pytest.approx(1.0, abs=0.06)


def test_thirds_need_no_endless_digits() -> None:
    """Shares that make 0.999 are taken as they are meant."""
    parts = draw_parts({"a": 0.333, "b": 0.333, "c": 0.333}, count=300, seed=random.randrange(9))

    assert [parts.count(index) for index in range(3)] == [100, 100, 100]


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"short": 0.5, "long": 0.6}, "the shares must sum to 1: 0.5 + 0.6 = 1.1"),
        ({}, "a mix must have 1 to 100 parts: 0"),
        ({str(n): 1 / 101 for n in range(101)}, "a mix must have 1 to 100 parts: 101"),
    ],
)
def test_impossible_shares_are_refused(shares: dict[str, float], said: str) -> None:
    """The fault says what was seen."""
    (fault,) = check_shares(shares)

    assert said in str(fault)
