"""What a verdict says where no difference shows, and what it keeps of every comparison."""

from __future__ import annotations

from report.result import Verdict
from report.rows.comparable import Entry
from report.verdicts.capacity import judge
from tests.entries import entry
from tests.summaries import known

CALM = (100.0, 101.0, 99.0, 100.0, 102.0)
#: Alike from block to block in no two of them.
TURNED = (1.0, 0.99, 1.012, 1.004, 0.996)
#: A little more in each block.
EDGE = [one * up for one, up in zip(CALM, (1.01, 1.04, 1.005, 1.05, 1.02), strict=True)]


def verdict(*entries: Entry) -> Verdict:
    """Return the verdict on jobs that wait."""
    return judge(entries, workload="io", kind="io.sleep")


def times(factor: float, *, of: tuple[float, ...] = CALM) -> list[float]:
    """Return figures that are a factor away, with a wobble of their own."""
    return [factor * one * wobble for one, wobble in zip(of, TURNED, strict=True)]


def test_an_interval_that_includes_one_is_said_to() -> None:
    """The plainest reason for no difference."""
    found = verdict(entry("threads-4", *times(1.001)), entry("solo", *CALM))

    assert found.best is None
    assert found.ahead == "threads-4"
    assert found.text.startswith("No difference between threads-4, ahead, and solo: 1.00 × solo [")
    assert "; the interval includes 1. Minimum detectable difference: " in found.text


def test_what_is_as_good_is_named_with_the_best() -> None:
    """An edge that chance may show among so many is no lead."""
    found = verdict(
        entry("gevent-4", *(4 * one for one in EDGE)),
        entry("threads-4", *(4 * one for one in CALM)),
        entry("prefork-4", *times(2.0, of=CALM[::-1])),
        entry("solo", *CALM),
    )

    assert (found.best, found.ties) == ("gevent-4", ("threads-4",))
    assert "gevent-4 or threads-4 is fastest: 4.10 × solo [" in found.text


def test_what_could_be_detected_is_that_of_what_is_open() -> None:
    """The widest comparison with the best that shows no difference; of none, the closest one."""
    open_, proved = (
        verdict(
            entry("gevent-4", *(4 * one for one in EDGE)),
            entry("threads-4", *(factor * one for one in CALM)),
            entry("solo", *CALM),
        )
        for factor in (4.1, 2.0)
    )

    for found in (open_, proved):
        pair = known(found.decided("gevent-4", against="threads-4"))
        assert found.smallest_difference == pair.decision.detectable
    assert (len(open_.ties), len(proved.ties)) == (1, 0)


def test_every_comparison_shown_is_kept_once() -> None:
    """Each beside solo, then the best beside each other one."""
    found = verdict(
        entry("threads-4", *times(4.0)),
        entry("gevent-4", *times(4.001, of=CALM[::-1])),
        entry("prefork-4", *times(3.0)),
        entry("solo", *CALM),
    )
    best = known(found.best)
    others = {"threads-4", "gevent-4", "prefork-4"} - {best}

    pairs = [(one.contender, one.against) for one in found.decisions]

    assert set(pairs) == {
        *((name, "solo") for name in (*others, best)),
        *((best, name) for name in others),
    }
    assert len(pairs) == len(set(pairs))


def test_a_question_that_is_not_asked_detects_nothing() -> None:
    """What it could detect depends on the first; the reason for each tie is given once."""
    noisy = [50.0, 210.0, 60.0, 190.0, 80.0]
    close = [entry(f"threads-{n}", *times(1 + n / 1_000)) for n in range(2, 11)]
    found = verdict(entry("gevent-4", *times(2.0)), *close, entry("solo", *noisy))

    assert "; the interval includes 1; no contender differs from the baseline" in found.text
    pair = known(found.decided("gevent-4", against="solo"))
    assert found.smallest_difference == pair.decision.detectable


def test_each_pair_is_kept_once_where_solo_leads() -> None:
    """It is the baseline and the best."""
    entries = [entry("solo", *times(2.0)), entry("threads-4", *CALM), entry("gevent-4", *EDGE)]
    found = judge(entries, workload="io", kind="io.sleep", is_every_pair=True)

    pairs = [frozenset((one.contender, one.against)) for one in found.decisions]
    assert len(pairs) == len(set(pairs)) == 3
