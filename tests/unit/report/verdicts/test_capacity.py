"""What a verdict says, and what it must not say: it follows the numbers."""

from __future__ import annotations

import pytest

from report import format as fmt
from report.result import Verdict
from report.rows.comparable import Entry
from report.statistics.significance import POWER, detectable_difference
from report.verdicts.capacity import judge

#: Block to block noise, alike in no two contenders.
_WOBBLE = (1.0, 1.012, 0.991, 1.006, 0.994)


def entry(name: str, per_s: float, *, blocks: int = 5, mark: str = "", gil: bool = True) -> Entry:
    """Return a contender named ``pool-slots`` whose blocks lie around ``per_s``."""
    pool, _, slots = name.partition("-")
    turn = sum(map(ord, name)) % len(_WOBBLE)
    wobble = [*_WOBBLE[turn:], *_WOBBLE[:turn]]
    return Entry(
        contender=name,
        pool=pool,
        slots=int(slots or 1),
        per_s={block: per_s * wobble[block % len(wobble)] for block in range(blocks)},
        mark=mark,
        gil_enabled=gil,
    )


def verdict(kind: str, *entries: Entry) -> Verdict:
    """Return the verdict on one workload of that kind."""
    return judge(entries, workload=kind, kind=kind)


def test_the_gil_is_the_lesson_where_threads_gain_nothing_and_processes_do() -> None:
    """The README's sentence: threads no faster than one, prefork about twice."""
    found = verdict(
        "cpu.primes", entry("prefork-4", 194.0), entry("threads-4", 99.0), entry("solo", 100.0)
    )

    assert found.text.startswith(
        "Threads are no faster than one for `cpu.primes`: the GIL lets one run at a time. "
        "prefork-4 is fastest: 1.9"
    )
    assert (found.best, found.against, found.mark) == ("prefork-4", "solo", "")
    assert found.ratio is not None
    assert found.ratio.low < 1.94 < found.ratio.high


def test_numbers_in_the_text_are_those_of_the_ratio() -> None:
    """What the sentence prints is what summary.json holds."""
    found = verdict("cpu.primes", entry("prefork-4", 194.0), entry("solo", 100.0))

    assert found.ratio is not None
    assert f"{found.ratio.value:.2f} × solo" in found.text
    assert f"[{found.ratio.low:.2f}–{found.ratio.high:.2f}]" in found.text


def test_slower_is_said_where_all_are_slower() -> None:
    """No faster is too kind for a pool whose interval lies below one."""
    found = verdict(
        "cpu.primes", entry("prefork-4", 194.0), entry("threads-4", 80.0), entry("solo", 100.0)
    )

    assert "Threads are slower than one at a time for `cpu.primes`: the GIL" in found.text


def test_threads_that_gain_under_the_gil_contradict_the_textbook() -> None:
    """The numbers win: no word of the GIL where threads were seen to be faster."""
    found = verdict(
        "cpu.primes", entry("prefork-4", 194.0), entry("threads-4", 150.0), entry("solo", 100.0)
    )

    assert "Threads are faster than one at a time for `cpu.primes`." in found.text
    assert "GIL" not in found.text


def test_a_gain_of_a_few_per_cent_does_not_beat_the_gil() -> None:
    """An interval above one, and not by much, teaches neither that threads gain nor that not."""
    threads = entry("threads-4", 108.0)

    found = verdict("cpu.primes", entry("prefork-4", 194.0), threads, entry("solo", 100.0))

    assert found.to_baseline["threads-4"].low > 1
    assert "Threads" not in found.text
    assert "GIL" not in found.text


def test_processes_that_gain_a_few_per_cent_put_no_blame_on_the_gil() -> None:
    """What prefork gains must be worth having before threads are said to be held by the GIL."""
    found = verdict(
        "cpu.primes", entry("prefork-4", 108.0), entry("threads-4", 99.0), entry("solo", 100.0)
    )

    assert "Threads are no faster than one for `cpu.primes`." in found.text
    assert "GIL" not in found.text


def test_waits_hardly_overlapped_teach_nothing() -> None:
    """A few per cent over solo are not other jobs that ran meanwhile."""
    found = verdict("io.sleep", entry("threads-4", 20.5), entry("solo", 19.3))

    assert "others run" not in found.text


def test_a_wide_interval_is_not_sold_as_no_faster() -> None:
    """Where threads may have gained a fifth or more, nothing is said of them."""
    solo = entry("solo", 100.0)
    wild = dict(enumerate([70.0, 140.0, 90.0, 130.0, 85.0]))
    threads = Entry(contender="threads-4", pool="threads", slots=4, per_s=wild, mark="~")

    found = verdict("cpu.primes", entry("prefork-4", 194.0), threads, solo)

    assert "Threads" not in found.text
    assert "GIL" not in found.text
    assert "prefork-4 is fastest" in found.text


def test_no_cause_is_named_where_processes_gain_nothing_either() -> None:
    """On one core nothing helps, and the GIL is not to blame."""
    found = verdict(
        "cpu.primes", entry("prefork-4", 100.5), entry("threads-4", 99.0), entry("solo", 100.0)
    )

    assert "GIL" not in found.text
    assert "No difference between" in found.text
    assert found.best is None


def test_no_gil_no_lesson_about_it() -> None:
    """A free-threaded interpreter's threads may be slow for other reasons: no word of a cause."""
    found = verdict(
        "cpu.primes",
        entry("prefork-4", 194.0),
        entry("threads-4", 99.0, gil=False),
        entry("solo", 100.0),
    )

    assert "Threads without the GIL are no faster than one for `cpu.primes`." in found.text
    assert "lets one run" not in found.text
    assert "share one thread" not in found.text


def test_gevent_alone_is_held_by_its_one_thread() -> None:
    """Where only gevent gains nothing, the cause is not the GIL."""
    found = verdict(
        "cpu.primes", entry("prefork-4", 194.0), entry("gevent-4", 99.0), entry("solo", 100.0)
    )

    assert "gevent is no faster than one for `cpu.primes`: all its jobs share one" in found.text


def test_threads_that_gain_show_that_the_gil_was_released() -> None:
    """C code that releases the GIL runs side by side, and gevent can't."""
    found = verdict(
        "cpu.sha256",
        entry("prefork-4", 194.0),
        entry("threads-4", 180.0),
        entry("gevent-4", 99.0),
        entry("solo", 100.0),
    )

    assert found.text.startswith(
        "Threads run side by side for `cpu.sha256`, which releases the GIL while it computes. "
        "gevent is no faster than one: all its jobs share one thread. prefork-4 is fastest"
    )


def test_threads_that_gain_nothing_from_a_released_gil_are_said_to() -> None:
    """The job kind promises to release the GIL; the numbers decide whether it helped."""
    found = verdict(
        "cpu.sha256", entry("prefork-4", 194.0), entry("threads-4", 99.0), entry("solo", 100.0)
    )

    assert "Threads are no faster than one for `cpu.sha256`." in found.text
    assert "side by side" not in found.text


def test_waits_overlap_and_equal_pools_differ_by_nothing() -> None:
    """At equal slots no pool waits better than another."""
    found = verdict(
        "io.sleep",
        entry("prefork-4", 77.0),
        entry("threads-4", 77.1),
        entry("gevent-4", 76.9),
        entry("solo", 19.2),
    )

    assert found.text.startswith("While one job waits, others run. ")
    assert "no difference from" in found.text
    assert len(found.ties) == 2
    assert found.best in {"prefork-4", "threads-4", "gevent-4"}


def test_waits_that_do_not_overlap_teach_nothing() -> None:
    """If nobody is faster than solo, the sentence doesn't say that waits overlap."""
    found = verdict("io.sleep", entry("threads-4", 19.2), entry("solo", 19.3))

    assert "others run" not in found.text
    assert found.text.startswith("No difference between ")
    assert found.best is None


def test_who_does_not_overlap_is_named() -> None:
    """Unpatched greenlets wait one after another, whatever the textbook says."""
    found = verdict(
        "io.http", entry("threads-4", 76.0), entry("gevent-4", 19.2), entry("solo", 19.3)
    )

    assert "others run in threads, but not in gevent." in found.text


def test_more_slots_are_not_sold_as_a_better_pool() -> None:
    """The winner's slots are told, and what equal slots do stands beside it."""
    found = verdict(
        "io.sleep",
        entry("threads-4", 77.0),
        entry("gevent-4", 77.1),
        entry("gevent-100", 744.0),
        entry("solo", 19.2),
    )

    assert "gevent-100 is fastest: 38" in found.text
    assert "At 4 slots each, no difference between" in found.text


def test_who_leads_at_equal_slots_is_told() -> None:
    """Fifty slots win; of those with four, one pool may still be better."""
    found = verdict(
        "io.http",
        entry("threads-4", 77.0),
        entry("gevent-4", 60.0),
        entry("threads-50", 500.0),
        entry("solo", 19.2),
    )

    assert "At 4 slots each, threads-4 leads with 4.0" in found.text


def test_the_smallest_difference_covers_every_comparison_made() -> None:
    """The sentence on equal slots is held to its own, wider interval."""
    wobbly = dict(enumerate([70.0, 84.0, 75.0, 80.0, 77.0]))
    found = verdict(
        "io.sleep",
        entry("gevent-4", 77.0),
        Entry(contender="threads-4", pool="threads", slots=4, per_s=wobbly),
        entry("gevent-100", 744.0),
        entry("solo", 19.2),
    )

    headline = next(one for one in found.decisions if one.contender == "gevent-100")
    assert headline.decision.detectable is not None
    assert found.smallest_difference is not None
    assert found.smallest_difference > headline.decision.detectable * 2


def test_solo_may_win() -> None:
    """Where solo leads, it is held against the runner-up."""
    found = verdict("cpu.primes", entry("threads-4", 80.0), entry("solo", 100.0))

    assert (found.best, found.against) == ("solo", "threads-4")
    assert "solo is fastest: 1.25 × threads-4" in found.text


def test_without_solo_the_runner_up_is_the_measure() -> None:
    """No solo, no lesson about one at a time: the best stands against the next."""
    found = verdict("cpu.primes", entry("prefork-4", 194.0), entry("threads-4", 99.0))

    assert (found.best, found.against, found.baseline) == ("prefork-4", "threads-4", "threads-4")
    assert "GIL" not in found.text


@pytest.mark.parametrize("blocks", [1, 3, 4])
def test_few_repetitions_make_no_claim(blocks: int) -> None:
    """Below five the range stands, says that it is no claim, and teaches nothing."""
    found = verdict(
        "cpu.primes",
        entry("prefork-4", 194.0, blocks=blocks, mark="?"),
        entry("threads-4", 99.0, blocks=blocks, mark="?"),
        entry("solo", 100.0, blocks=blocks, mark="?"),
    )

    assert f"{fmt.counted(blocks, noun='repetition')}; a claim needs 5." in found.text
    assert "95 %" not in found.text
    assert "GIL" not in found.text
    assert "[" not in found.text
    assert (found.best, found.mark, found.smallest_difference) == ("prefork-4", "?", None)


def test_one_contender_of_few_repetitions_withholds_the_claim() -> None:
    """Nobody is fastest while one of them is hardly known."""
    found = verdict(
        "cpu.primes",
        entry("prefork-4", 194.0),
        entry("threads-4", 99.0, blocks=3, mark="?"),
        entry("solo", 100.0),
    )

    assert "3 repetitions; a claim needs 5." in found.text
    assert found.mark == "?"


def test_the_invalid_never_win() -> None:
    """A row whose ledger is open is left out, and the sentence says so."""
    found = verdict(
        "cpu.primes",
        entry("prefork-4", 900.0, mark="!"),
        entry("threads-4", 99.0),
        entry("solo", 90.0),
    )

    assert found.best == "threads-4"
    assert "Left out (invalid or without a figure): prefork-4." in found.text
    assert "prefork-4" not in found.to_baseline


def test_an_invalid_solo_is_no_measure() -> None:
    """Then the best is held against the runner-up."""
    found = verdict(
        "cpu.primes",
        entry("prefork-4", 194.0),
        entry("threads-4", 99.0),
        entry("solo", 100.0, mark="!"),
    )

    assert (found.best, found.against) == ("prefork-4", "threads-4")


def test_all_invalid_is_said() -> None:
    """No valid row, no ratio, and the mark of the invalid."""
    found = verdict("cpu.primes", entry("prefork-4", 194.0, mark="!"), entry("solo", 1.0, mark="!"))

    assert found.text.startswith("Nothing could be measured. Left out")
    assert (found.best, found.ratio, found.mark) == (None, None, "!")


def test_nothing_measured_is_said() -> None:
    """A run stopped before its first trial has rows without figures."""
    found = verdict("cpu.primes", entry("prefork-4", 1.0, blocks=0, mark="?"))

    assert found.text.startswith("Nothing could be measured.")


def test_one_contender_alone_is_compared_with_nothing() -> None:
    """A comparison takes two."""
    found = verdict("cpu.primes", entry("prefork-4", 194.0))

    assert found.text == "Nothing to compare prefork-4 with."
    assert (found.best, found.mark) == (None, "?")


def test_the_unstable_mark_their_verdict() -> None:
    """A winner whose repetitions wobble carries its doubt along."""
    found = verdict("cpu.primes", entry("prefork-4", 194.0, mark="~"), entry("solo", 100.0))

    assert (found.best, found.mark) == ("prefork-4", "~")


def test_each_claim_says_what_it_could_have_seen() -> None:
    """The difference that four runs of five would show, in words and as a figure."""
    found = verdict("cpu.primes", entry("prefork-4", 194.0), entry("solo", 100.0))

    assert found.ratio is not None
    assert found.smallest_difference == pytest.approx(detectable_difference(found.ratio))
    smallest = fmt.percent(found.smallest_difference)
    assert f"Minimum detectable difference: {smallest} (80 % power)." in found.text
    assert POWER == 4 / 5


def test_an_unknown_kind_gets_no_lesson() -> None:
    """A job kind of another version is compared, and not explained."""
    found = verdict("cpu.unheard", entry("prefork-4", 194.0), entry("solo", 100.0))

    assert found.text.startswith("prefork-4 is fastest: 1.9")
