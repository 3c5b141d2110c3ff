"""What a verdict says where no difference shows, and what it keeps of every comparison."""

from __future__ import annotations

import pytest

from report.result import Verdict
from report.rows.comparable import Entry
from report.statistics.significance import Finding, Why
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


def test_noise_that_decides_is_named() -> None:
    """An interval clear of 1, and no wider apart than two equals are."""
    found = verdict(
        entry("threads-4", *times(1.04)),
        entry("solo", *CALM),
        entry("solo-twin", *times(1.05), control_of="solo"),
    )

    assert known(found.ratio).low > 1
    assert "; two equal contenders differ by as much here." in found.text
    assert found.noise_floor == pytest.approx(found.smallest_difference)
    (decided,) = found.decisions
    assert (decided.decision.finding, decided.decision.why) == (Finding.NO_DIFFERENCE, Why.NOISE)


def test_a_correction_that_decides_is_named() -> None:
    """One edge among many equals is what chance gives."""
    others = [entry(f"threads-{n + 2}", *times(1.0 - n / 10_000, of=CALM[::-1])) for n in range(7)]

    found = verdict(entry("gevent-4", *EDGE), entry("solo", *CALM), *others)

    assert known(found.ratio).low > 1
    assert "one of so many comparisons would show as much by chance" in found.text


def test_what_only_the_correction_forbids_is_not_called_equal() -> None:
    """An edge that chance may show among so many is not proved; equality is not, either."""
    found = verdict(
        entry("gevent-4", *(4 * one for one in EDGE)),
        entry("threads-4", *(4 * one for one in CALM)),
        entry("prefork-4", *times(4.0, of=CALM[::-1])),
        entry("solo", *CALM),
    )

    assert found.best == "gevent-4"
    assert "; no difference from prefork-4; not proved to beat threads-4." in found.text


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
