"""Every pair of contenders judged as one family, against the noise floor of an A/A control."""

from __future__ import annotations

import numpy as np
import pytest

from report.rows.comparable import Entry
from report.statistics.significance import Finding, Why, detectable_difference
from report.verdicts.pairwise import compare_pairs
from report.verdicts.ranking import rank
from tests.entries import entry, ratio_of
from tests.summaries import known


def drawn(rng: np.random.Generator, *, names: list[str], blocks: int) -> list[Entry]:
    """Return equal contenders, each with its own 5 % from block to block."""
    return [entry(name, *np.exp(rng.normal(0, 0.05, blocks)).tolist()) for name in names]


CALM = (100.0, 101.0, 99.0, 100.0, 102.0)
HALF = (50.0, 51.0, 49.0, 50.0, 50.5)


def test_a_pair_is_found_from_either_side() -> None:
    """The other way round is the inverse, finding included."""
    pairs = compare_pairs([entry("prefork", *CALM), entry("solo", *HALF)])

    there = known(pairs.between("prefork", theirs="solo"))
    back = known(pairs.between("solo", theirs="prefork"))

    assert back.ratio.value == pytest.approx(1 / there.ratio.value)
    assert (there.decision.finding, back.decision.finding) == (Finding.MORE, Finding.LESS)


def test_the_invalid_are_compared_with_nobody() -> None:
    """Neither is one without a figure."""
    pairs = compare_pairs(
        [entry("prefork", *CALM), entry("solo", *HALF, mark="!"), entry("gevent")]
    )

    assert pairs.decided == {}
    assert pairs.between("prefork", theirs="solo") is None


def test_a_control_sets_the_noise_floor_and_enters_no_comparison() -> None:
    """Its interval's far end is the floor; a difference as small is none.

    However fast it came out, it is in no place of the ranking.
    """
    entries = [
        entry("threads", *CALM),
        entry("threads-twin", *(one * 1.04 for one in CALM), control_of="threads"),
        entry("gevent", *(one * 1.03 for one in CALM)),
    ]

    pairs, ranking = compare_pairs(entries), rank(entries)

    assert set(pairs.decided) == {("threads", "gevent")}
    assert known(pairs.equal_pair).noise_floor == pytest.approx(0.04)
    found = known(pairs.between("gevent", theirs="threads")).decision
    assert (found.finding, found.why) == (Finding.NO_DIFFERENCE, Why.NOISE)
    ranked = (*ranking.entries, *ranking.excluded, *ranking.ties)
    assert {one.contender for one in ranked} == {"gevent", "threads"}
    assert "threads-twin" not in {*ranking.to_baseline, *ranking.best_to}


@pytest.mark.parametrize(
    "control",
    [
        entry("solo-twin", *HALF, control_of="solo", mark="!"),
        entry("solo-twin", *HALF[:3], control_of="solo"),
        entry("solo-twin", control_of="solo"),
        entry("gone-twin", *HALF, control_of="gone"),
    ],
)
def test_a_control_without_a_claim_sets_no_floor(control: Entry) -> None:
    """Invalid, too short, without a figure or without its equal: the floor is not known."""
    pairs = compare_pairs([entry("solo", *HALF), entry("prefork", *CALM), control])

    assert known(pairs.equal_pair).noise_floor is None
    found = known(pairs.between("prefork", theirs="solo")).decision
    assert found.finding is Finding.MORE


@pytest.mark.parametrize(("contenders", "blocks"), [(3, 5), (7, 5), (9, 5), (7, 7), (7, 10)])
def test_a_verdict_on_equals_finds_no_difference(contenders: int, blocks: int) -> None:
    """In 95 of 100 runs nothing that a reader is shown is called a difference.

    Who leads is chosen by the same figures: corrected once for all comparisons that are shown, nine
    contenders would find one in 8 of 100 runs, and uncorrected in 55. 600 runs know the share to
    ± 2 % (two standard deviations).
    """
    rng = np.random.default_rng(contenders * blocks)
    names = [f"c{n}" for n in range(contenders - 1)] + ["solo"]
    found = 0
    for _ in range(600):
        ranking = rank(drawn(rng, names=names, blocks=blocks))
        decisions = [ranking.decide(one, theirs=ranking.baseline) for one in ranking.entries]
        decisions += [ranking.decide(ranking.best, theirs=one) for one in ranking.entries[1:]]
        found += any(one.is_difference for one in decisions if one)

    assert found / 600 <= 0.07


def test_without_solo_all_pairs_are_one_family() -> None:
    """The slowest, whom the others are held against, is known only afterwards: same promise."""
    rng, found = np.random.default_rng(11), 0
    for _ in range(600):
        pairs = compare_pairs(drawn(rng, names=[f"c{n}" for n in range(7)], blocks=5))
        found += any(one.decision.is_difference for one in pairs.decided.values())

    assert found / 600 <= 0.07


def test_where_some_really_differ_the_others_are_still_equals() -> None:
    """Two pools do twice what solo does, five do the same.

    Each of the two questions finds a difference that isn't there in 5 of 100 runs at most: both
    together in 10.
    """
    rng, found, beside_solo = np.random.default_rng(12), 0, 0
    equals = {"solo", *(f"c{n}" for n in range(5))}
    for _ in range(600):
        entries = drawn(rng, names=[*sorted(equals)], blocks=5)
        fast = [np.exp(rng.normal(np.log(2), 0.05, 5)).tolist() for _ in range(2)]
        entries += [entry(f"fast{n}", *per_s) for n, per_s in enumerate(fast)]
        decided = compare_pairs(entries).decided
        wrong = [
            pair
            for pair, one in decided.items()
            if one.decision.is_difference and (set(pair) <= equals or not set(pair) & equals)
        ]
        found += bool(wrong)
        beside_solo += any("solo" in pair for pair in wrong)

    assert found / 600 <= 0.12
    assert beside_solo / 600 <= 0.07


def test_nothing_is_asked_among_others_where_none_differs_from_solo() -> None:
    """However far apart they are; it is said why."""
    solo = entry("solo", 20.0, 300.0, 45.0, 90.0, 130.0)
    pairs = compare_pairs([entry("threads", *CALM), entry("gevent", *HALF), solo])

    found = known(pairs.between("threads", theirs="gevent")).decision

    assert (found.finding, found.why) == (Finding.NO_DIFFERENCE, Why.UNASKED)


@pytest.mark.parametrize("blocks", [5, 7, 10])
def test_a_verdict_sees_what_it_says_it_could(blocks: int) -> None:
    """Of runs whose truth is as large as `detectable`, four of five find it among all pairs.

    Three contenders are far apart and two differ by just that much.
    """
    rng, spread = np.random.default_rng(blocks), 0.03
    steps = np.arange(blocks) - (blocks - 1) / 2
    ideal = ratio_of(*np.exp(spread * steps / steps.std(ddof=1)))
    true = 1 + known(detectable_difference(ideal, comparisons=1))
    seen = 0
    for _ in range(500):
        figures = np.exp(rng.normal(0, spread / 2**0.5, (4, blocks)))
        scales = (true, 1.0, 0.1, 10.0)
        entries = [
            entry(name, *(scale * row).tolist())
            for name, scale, row in zip("abcd", scales, figures, strict=True)
        ]
        found = known(compare_pairs(entries).between("a", theirs="b"))
        seen += found.decision.finding is Finding.MORE

    assert seen / 500 == pytest.approx(0.8, abs=0.06)


def test_fewer_open_comparisons_see_more() -> None:
    """What clearly differs no longer counts against what is still open."""
    near = [entry("a", *CALM), entry("b", *(101.0, 100.0, 100.0, 99.0, 101.0))]
    far = [entry(f"c{n}", *(one * 10 ** (n + 1) for one in CALM)) for n in range(3)]
    alike = [
        entry(f"d{n}", *(one * (1 + 0.001 * n) for one in (99.0, 101.0, 100.5, 98.0, 101.5)))
        for n in range(3)
    ]

    among_far, among_alike = (
        known(compare_pairs([*near, *others]).between("a", theirs="b")).decision
        for others in (far, alike)
    )

    assert known(among_far.detectable) < known(among_alike.detectable)
