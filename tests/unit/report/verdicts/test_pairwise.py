"""A workload's questions: which pairs they contain, and how rarely they err."""

from __future__ import annotations

import numpy as np
import pytest

from report.rows.comparable import Entry
from report.statistics.significance import Finding, Why
from report.verdicts.pairwise import compare_pairs
from report.verdicts.ranking import rank
from tests.entries import entry
from tests.summaries import known


def drawn(rng: np.random.Generator, *, names: list[str], blocks: int) -> list[Entry]:
    """Return equal contenders, each with its own 5 % from block to block."""
    return [entry(name, *np.exp(rng.normal(0, 0.05, blocks)).tolist()) for name in names]


CALM = (100.0, 101.0, 99.0, 100.0, 102.0)
WOBBLE = (1.0, 0.99, 1.012, 1.004, 0.996)
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


def test_a_control_enters_no_comparison_and_no_ranking() -> None:
    """However fast it came out, its own pair alone shows it, and whether it differs."""
    entries = [
        entry("threads", *CALM),
        entry("threads-twin", *(one * 1.04 for one in CALM), control_of="threads"),
        entry("gevent", *(one * 1.03 for one in CALM)),
    ]

    pairs, ranking = compare_pairs(entries), rank(entries)

    assert set(pairs.decided) == {("gevent", "threads")}
    assert known(pairs.equal_pair).is_different
    found = known(pairs.between("gevent", theirs="threads")).decision
    assert found.finding is Finding.MORE
    ranked = (*ranking.entries, *ranking.excluded, *ranking.ties)
    assert {one.contender for one in ranked} == {"gevent", "threads"}
    assert "threads-twin" not in {*ranking.to_baseline, *ranking.best_to}


@pytest.mark.parametrize(
    "control",
    [
        entry("solo-twin", *CALM, control_of="solo", mark="!"),
        entry("solo-twin", *CALM[:3], control_of="solo"),
        entry("solo-twin", control_of="solo"),
        entry("gone-twin", *CALM, control_of="gone"),
    ],
)
def test_a_control_without_a_claim_is_no_difference(control: Entry) -> None:
    """Invalid, too short, without a figure or without its equal: nothing is known."""
    pairs = compare_pairs([entry("solo", *HALF), entry("prefork", *CALM), control])

    assert not known(pairs.equal_pair).is_different
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


def test_without_solo_the_first_is_the_baseline() -> None:
    """It doesn't depend on the figures, as the slowest would; equals differ as rarely."""
    rng, found = np.random.default_rng(11), 0
    for _ in range(600):
        pairs = compare_pairs(drawn(rng, names=[f"c{n}" for n in range(7)], blocks=5))
        assert {(f"c{n}", "c0") for n in range(1, 7)} <= pairs.decided.keys()
        found += any(one.decision.is_difference for one in pairs.decided.values())

    assert found / 600 <= 0.07


def test_all_pairs_are_one_question_where_they_are_asked_for() -> None:
    """Each pair once; a smaller difference is claimed where fewer are compared."""
    near = [one * 1.05 * wobble for one, wobble in zip(CALM, WOBBLE, strict=True)]
    entries = [entry("solo", *CALM), entry("threads", *near)]
    entries += [
        entry(
            f"c{n}",
            *(one * wobble for one, wobble in zip(CALM, WOBBLE[n:] + WOBBLE[:n], strict=True)),
        )
        for n in range(5)
    ]

    asked, every = compare_pairs(entries), compare_pairs(entries, is_every_pair=True)

    assert len(every.decided) == 7 * 6 / 2
    narrow = known(asked.between("threads", theirs="solo"))
    wide = known(every.between("threads", theirs="solo"))
    assert narrow.ratio.value == pytest.approx(wide.ratio.value)
    assert known(narrow.ratio.half_width) < known(wide.ratio.half_width)
    assert known(narrow.decision.detectable) < known(wide.decision.detectable)


def test_the_best_at_equal_slots_is_a_question_of_its_own() -> None:
    """It adds pairs, and changes none that another question contains."""
    fast = [entry("gevent-100", *(90 * one for one in CALM)), entry("solo", *CALM)]
    four = [entry(f"{pool}-4", *(n * one for one in CALM)) for n, pool in ((3, "a"), (2, "b"))]
    pairs = compare_pairs([*fast, *four])
    assert pairs.between("a-4", theirs="b-4") is None

    more = pairs.best_among(["a-4", "b-4"])

    assert known(more.between("a-4", theirs="b-4")).decision.finding is Finding.MORE
    assert {**more.decided, **pairs.decided} == more.decided


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
