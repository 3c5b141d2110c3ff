"""What a verdict says, and what it must not say: it follows the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from report import format as fmt
from report.result import Verdict
from report.rows.comparable import Entry
from report.statistics.significance import POWER
from report.verdicts.capacity import judge
from tests.entries import around, entry
from tests.summaries import known

_PRIMES, _SHA = "cpu.primes", "cpu.sha256"


def verdict(kind: str, *entries: Entry) -> Verdict:
    """Return the verdict on one workload of that kind."""
    return judge(entries, workload=kind, kind=kind)


@pytest.mark.parametrize(
    ("kind", "per_s", "said", "unsaid"),
    [
        pytest.param(
            _PRIMES, {"prefork-4": 194.0, "threads-4": 80.0, "solo": 100.0},
            "Threads are slower than one at a time for `cpu.primes`: the GIL", (),
            id="no-faster-is-too-kind",
        ),
        pytest.param(
            _PRIMES, {"prefork-4": 194.0, "threads-4": 150.0, "solo": 100.0},
            "Threads are faster than one at a time for `cpu.primes`.", ("GIL",),
            id="the-numbers-win-over-the-textbook",
        ),
        pytest.param(
            _PRIMES, {"prefork-4": 194.0, "threads-4": 108.0, "solo": 100.0},
            "prefork-4 is fastest", ("Threads", "GIL"), id="a-gain-of-a-few-per-cent",
        ),
        pytest.param(
            _PRIMES, {"prefork-4": 108.0, "threads-4": 99.0, "solo": 100.0},
            "Threads are no faster than one for `cpu.primes`.", ("GIL",),
            id="processes-that-gain-little-put-no-blame-on-it",
        ),
        pytest.param(
            _PRIMES, {"prefork-4": 100.5, "threads-4": 99.0, "solo": 100.0},
            "No difference between", ("GIL",), id="processes-that-gain-nothing",
        ),
        pytest.param(
            _PRIMES, {"prefork-4": 194.0, "threads-4": 99.0},
            "prefork-4 is fastest", ("GIL",), id="without-solo-no-lesson-about-one-at-a-time",
        ),
        pytest.param(
            _SHA, {"prefork-4": 194.0, "threads-4": 99.0, "solo": 100.0},
            "Threads are no faster than one for `cpu.sha256`.", ("side by side",),
            id="a-released-gil-that-did-not-help",
        ),
        pytest.param(
            _PRIMES, {"prefork-4": 194.0, "threads-4-nogil": 99.0, "solo": 100.0},
            "Threads without the GIL are no faster than one for `cpu.primes`.",
            ("lets one run", "share one thread"), id="slow-without-the-gil-names-no-cause",
        ),
        pytest.param(
            # a slower Python may eat the gain over solo
            _PRIMES, {"solo": 100.0, "threads-4": 85.0, "threads-4-nogil": 112.0},
            "Threads without the GIL run side by side: threads-4-nogil", (),
            id="more-than-threads-with-the-gil",
        ),
        pytest.param(
            _PRIMES, {"solo": 100.0, "threads-4-nogil": 180.0},
            "Threads without the GIL run side by side", ("one run at a time",),
            id="threads-without-the-gil-win",
        ),
        pytest.param(
            _PRIMES,
            {"solo": 100.0, "threads-4": 99.0, "prefork-4": 190.0, "threads-4-nogil": 99.5},
            "one for `cpu.primes`: the GIL lets one run at a time. Threads without the GIL are no ",
            ("side by side",), id="both-kinds-of-threads-gain-nothing",
        ),
        pytest.param(
            _SHA, {"solo": 100.0, "threads-4": 180.0, "threads-4-nogil": 179.0},
            "Threads run side by side for `cpu.sha256`, which releases the GIL while it "
            "computes. Threads without the GIL run side by side. ", (),
            id="the-gil-made-no-difference",
        ),
        pytest.param(
            # two Pythons differ in more than the GIL
            _PRIMES, {"solo-nogil": 70.0, "threads-4": 71.0, "prefork-4": 190.0},
            "prefork-4 is fastest", ("lets one run",), id="a-solo-without-the-gil-is-no-measure",
        ),
        pytest.param(
            "io.sleep",
            {"prefork-4": 77.0, "threads-4": 77.1, "gevent-4": 76.9, "solo": 19.2},
            "others run. threads-4, prefork-4 or gevent-4 is fastest: 4.0", (), id="waits-overlap",
        ),
        pytest.param(
            "io.sleep", {"threads-4": 20.5, "solo": 19.3},
            "threads-4 is fastest", ("others run",), id="waits-that-hardly-overlap",
        ),
        pytest.param(
            "io.sleep", {"threads-4": 19.2, "solo": 19.3},
            "No difference between ", ("others run",), id="waits-that-do-not-overlap",
        ),
        pytest.param(
            "io.http", {"threads-4": 76.0, "gevent-4": 19.2, "solo": 19.3},
            "others run in threads, but not in gevent.", (), id="who-does-not-overlap",
        ),
        pytest.param(
            "io.sleep",
            {"solo": 10.0, "threads-4": 39.0, "threads-4-nogil": 38.0, "gevent-4": 10.0},
            "others run in threads and threads without the GIL, but not in gevent", (),
            id="who-overlaps-without-the-gil",
        ),
        pytest.param(
            "io.sleep",
            {"threads-4": 77.0, "gevent-4": 77.1, "gevent-100": 744.0, "solo": 19.2},
            "At 4 slots each, no difference between", (), id="equal-slots",
        ),
        pytest.param(
            "io.http",
            {"threads-4": 77.0, "gevent-4": 60.0, "threads-50": 500.0, "solo": 19.2},
            "At 4 slots each, threads-4 leads with 4.0", (), id="who-leads-at-equal-slots",
        ),
        pytest.param(
            _PRIMES, {"threads-4": 80.0, "solo": 100.0},
            "solo is fastest: 1.25 × threads-4", (), id="solo-wins",
        ),
        pytest.param(
            "cpu.unheard", {"prefork-4": 194.0, "solo": 100.0},
            "prefork-4 is fastest: 1.9", ("one at a time",), id="an-unknown-kind-gets-no-lesson",
        ),
        pytest.param(
            _PRIMES, {"prefork-4": 194.0}, "Nothing to compare prefork-4 with.", (), id="alone",
        ),
    ],
)  # fmt: skip
def test_the_sentence_follows_the_numbers(
    kind: str, per_s: Mapping[str, float], said: str, unsaid: Sequence[str]
) -> None:
    """A lesson only where this run's numbers teach it; a cause only where they show it."""
    text = verdict(kind, *(around(name, figure) for name, figure in per_s.items())).text

    assert said in text
    assert not [words for words in unsaid if words in text]


@pytest.mark.parametrize(
    ("per_s", "best", "against", "baseline", "ties"),
    [
        ({"prefork-4": 194.0, "threads-4": 99.0, "solo": 100.0}, "prefork-4", "solo", "solo", 0),
        # solo leads: beside the runner-up
        ({"threads-4": 80.0, "solo": 100.0}, "solo", "threads-4", "solo", 0),
        # no solo: likewise, and the first is the measure of all
        ({"prefork-4": 194.0, "threads-4": 99.0}, "prefork-4", "threads-4", "prefork-4", 0),
        # of two solos the one that most people have
        ({"solo-nogil": 120.0, "solo": 100.0}, "solo-nogil", "solo", "solo", 0),
        ({"prefork-4": 77.0, "threads-4": 77.1, "solo": 19.2}, "threads-4", "solo", "solo", 1),
        # no difference: nobody is best
        ({"prefork-4": 100.5, "solo": 100.0}, None, "solo", "solo", 1),
        ({"prefork-4": 194.0}, None, None, "prefork-4", 0),
    ],
)
def test_who_is_best_and_whom_they_are_compared_with(
    per_s: Mapping[str, float], best: str | None, against: str | None, baseline: str, ties: int
) -> None:
    """As data, for charts and programs."""
    found = verdict(_PRIMES, *(around(name, figure) for name, figure in per_s.items()))

    assert (found.best, found.against, found.baseline) == (best, against, baseline)
    assert len(found.ties) == ties


@pytest.mark.parametrize(
    ("freed_s", "is_said"), [(0.0101, False), (0.0103, False), (0.0137, True), (0.008, True)]
)
def test_the_price_of_no_gil_is_said_where_it_was_seen(freed_s: float, *, is_said: bool) -> None:
    """More or less CPU for one job alone; nothing where that is a few per cent, or chance."""
    found = verdict(
        _PRIMES,
        around("solo", 100.0, gauged_s=0.01),
        around("threads-4-nogil", 150.0, gauged_s=freed_s),
    )

    assert ("One job alone takes" in found.text) is is_said


def test_numbers_in_the_text_are_those_of_the_ratio() -> None:
    """What the sentence prints is what summary.json holds, and which difference would show."""
    found = verdict("cpu.primes", around("prefork-4", 194.0), around("solo", 100.0))
    ratio = known(found.ratio)

    assert f"{ratio.value:.2f} × solo" in found.text
    assert f"[{ratio.low:.2f}–{ratio.high:.2f}]" in found.text
    (decided,) = found.decisions
    assert found.smallest_difference == decided.decision.detectable
    smallest = fmt.percent(found.smallest_difference)
    assert f"Minimum detectable difference: {smallest} (80 % power)." in found.text
    assert POWER == 4 / 5


def test_a_wide_interval_is_not_sold_as_no_faster() -> None:
    """Where threads may have gained a fifth or more, nothing is said of them."""
    threads = entry("threads-4", 70.0, 140.0, 90.0, 130.0, 85.0, mark="~")

    found = verdict("cpu.primes", around("prefork-4", 194.0), threads, around("solo", 100.0))

    assert "Threads" not in found.text
    assert "GIL" not in found.text
    assert "prefork-4 is fastest" in found.text


def test_the_smallest_difference_covers_every_comparison_made() -> None:
    """The sentence on equal slots is held to its own, wider interval."""
    found = verdict(
        "io.sleep",
        around("gevent-4", 77.0),
        entry("threads-4", 70.0, 84.0, 75.0, 80.0, 77.0),
        around("gevent-100", 744.0),
        around("solo", 19.2),
    )

    headline = next(one for one in found.decisions if one.contender == "gevent-100")
    assert known(found.smallest_difference) > known(headline.decision.detectable) * 2


@pytest.mark.parametrize("blocks", [(1, 1, 1), (3, 3, 3), (4, 4, 4), (5, 3, 5)])
def test_few_repetitions_make_no_claim(blocks: tuple[int, int, int]) -> None:
    """Below five the range stands, says that it is no claim, and teaches nothing.

    Nobody is fastest while one of them is hardly known.
    """
    per_s = {"prefork-4": 194.0, "threads-4": 99.0, "solo": 100.0}
    found = verdict(
        "cpu.primes",
        *(
            around(name, one, blocks=count, mark="?" if count < 5 else "")
            for (name, one), count in zip(per_s.items(), blocks, strict=True)
        ),
    )

    assert f"{fmt.counted(min(blocks), noun='repetition')}; a claim needs 5." in found.text
    assert found.headline.startswith("prefork-4 leads so far: 1.9")
    assert found.headline.endswith(f" × solo ({min(blocks)} of 5 repetitions).")
    assert not [words for words in ("95 %", "GIL", "[") if words in found.text]
    assert (found.best, found.mark, found.smallest_difference) == ("prefork-4", "?", None)


@pytest.mark.parametrize(
    ("marks", "best", "against", "mark"),
    [
        # the one ahead is invalid: left out
        ({"prefork-4": "!"}, "threads-4", "solo", ""),
        # solo is: the best is held against the runner-up
        ({"solo": "!"}, "prefork-4", "threads-4", ""),
        ({"prefork-4": "!", "threads-4": "!", "solo": "!"}, None, None, "!"),
        # a winner whose repetitions wobble carries its doubt along
        ({"prefork-4": "~"}, "prefork-4", "solo", "~"),
    ],
)
def test_the_invalid_are_left_out_and_the_unstable_mark_their_verdict(
    marks: Mapping[str, str], best: str | None, against: str | None, mark: str
) -> None:
    """Who never wins and is no measure is named."""
    per_s = {"prefork-4": 194.0, "threads-4": 99.0, "solo": 90.0}
    found = verdict(
        _PRIMES, *(around(name, one, mark=marks.get(name, "")) for name, one in per_s.items())
    )
    left_out = [name for name, one in marks.items() if one == "!"]

    assert (found.best, found.against, found.mark) == (best, against, mark)
    assert not {*left_out} & {*found.to_baseline}
    said = f"Left out (invalid or without a figure): {fmt.listed(left_out)}."
    assert (said in found.text) is bool(left_out)
    assert found.text.startswith("Nothing could be measured. Left out") is (best is None)
    assert (found.ratio is None) is (best is None)


@pytest.mark.parametrize(
    ("per_s", "behind"),
    [
        # the best against the second says nothing
        ({"threads-4": 10.1, "prefork-4": 10.0, "gevent-4": 1.0}, "gevent-4"),
        ({"threads-4": 11.0, "prefork-4": 10.0, "gevent-4": 4.0, "asyncio-4": 1.0}, "asyncio-4"),
        ({"threads-4": 10.8, "solo": 10.0, "gevent-4": 1.0}, "gevent-4"),
        # the best is clearly ahead
        ({"threads-4": 20.0, "prefork-4": 10.0, "gevent-4": 1.0}, None),
        ({"threads-4": 40.0, "prefork-4": 39.0, "solo": 10.0}, None),
        # nobody is far behind
        ({"threads-4": 10.1, "prefork-4": 10.0, "gevent-4": 6.0}, None),
    ],
)
@pytest.mark.parametrize("blocks", [3, 5])
def test_the_headline_begins_with_the_largest_finding(
    per_s: Mapping[str, float], behind: str | None, blocks: int
) -> None:
    """A contender far behind goes before a best one that is hardly ahead, with claims or not."""
    mark = "" if blocks == 5 else "?"
    found = verdict(
        "io.sleep",
        *(around(name, one, blocks=blocks, mark=mark) for name, one in per_s.items()),
    )

    shown = found.furthest_behind
    assert (shown and shown.against) == behind
    assert found.headline.startswith(f"{behind} is furthest behind") is bool(behind)
    assert found.headline in found.text or blocks < 5
    assert ("threads-4 leads so far" if blocks < 5 else "threads-4") in found.headline


def test_a_difference_that_is_not_proved_is_no_finding() -> None:
    """One repetition of a tenth among others of the same speed leads no headline."""
    wild = entry("gevent-4", 10.0, 1.0, 10.2, 3.0, 10.1)

    found = verdict("io.sleep", around("threads-4", 10.1), around("prefork-4", 10.0), wild)

    assert found.furthest_behind is None
    assert "furthest behind" not in found.text
