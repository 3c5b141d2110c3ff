"""Where pools change places: which share is named, and when none is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collector.run_manifest import Contender
from report.analyses.crossover_point import describe_boundary, last_crossing
from report.result import Boundary, Crossover, Summary
from report.summary import summarize
from tests.crossing import CONTENDERS, SHARES, make_crossing
from tests.summaries import known, shown
from tests.synthetic import BROKER_LOST, spoil


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """Six contenders at six shares, five repetitions, by the textbook."""
    return summarize(make_crossing(tmp_path_factory.mktemp("run")))


def the_one(summary: Summary) -> Crossover:
    """Return the only crossover of a run."""
    (found,) = summary.crossovers
    return found


def boundary(summary: Summary, contender: str) -> Boundary:
    """Return a contender's boundary."""
    found = {one.contender: one for one in the_one(summary).boundaries}
    return found[contender]


def test_a_boundary_lies_where_the_lines_cross(crossing: Summary) -> None:
    """Two processes do what one thread does where it computes for half of a job's time, about.

    The sentence says that it is interpolated: nobody takes it for a measured share.
    """
    found = boundary(crossing, "prefork-cores")

    # two processes: 2 ÷ 41.3 ms; one thread: 1 ÷ (40 ms · share + 1.3 ms)
    exact = (0.0413 / 2 - 0.0013) / 0.04
    assert (found.after, found.until) == (0.25, 0.5)
    assert found.share == pytest.approx(exact, abs=0.02)
    assert known(found.low) <= known(found.share) <= known(found.high)
    assert found.is_claim
    assert re.fullmatch(
        r"prefork-cores leads every other pool from a CPU share of about 0\.4\d on "
        r"\(0\.4\d–0\.\d+ over the repetitions, "
        r"interpolated between the measured 0\.25 and 0\.5\)\.",
        describe_boundary(found),
    )


def test_where_no_difference_goes_before_nothing_crosses(crossing: Summary) -> None:
    """At equal slots all wait alike: the first share at which processes lead is named, measured."""
    found = boundary(crossing, "prefork-10")

    assert found.share is None
    assert describe_boundary(found) == (
        "prefork-10 leads every other pool from a CPU share of 0.1 on; no difference at 0."
    )


def even_at_half(contender: Contender, *, share: float) -> float:
    """Return rates in which processes are behind below a half, alike at it, and ahead above."""
    factor = {0.25: 0.5, 0.5: 1.0, 0.75: 2.0}[share]
    return 100.0 * (factor if contender.pool == "prefork" else 1.0)


def test_a_share_without_a_difference_lies_within_the_boundary(tmp_path: Path) -> None:
    """Behind at a quarter, ahead at three: read off from between, and the tie is told."""
    contenders = [CONTENDERS[0], CONTENDERS[4]]
    folder = make_crossing(
        tmp_path / "run", shares=(0.25, 0.5, 0.75), per_s=even_at_half, contenders=contenders
    )

    found = boundary(summarize(folder), "prefork-10")

    assert (found.after, found.even, found.until) == (0.25, (0.5,), 0.75)
    assert found.share == pytest.approx(0.5, abs=0.03)
    assert describe_boundary(found).endswith(
        "interpolated between the measured 0.25 and 0.75; no difference at 0.5)."
    )


@pytest.mark.parametrize(
    ("ours", "crossing"),
    [
        # exactly in the middle, on a logarithmic axis
        ({0.0: 50.0, 0.5: 100.0, 1.0: 200.0}, 0.5),
        ({0.0: 50.0, 0.5: 50.0, 1.0: 200.0}, 0.75),
        # ahead, behind, ahead again: the last one counts
        ({0.0: 200.0, 0.5: 50.0, 1.0: 200.0}, 0.75),
        # never behind; still behind at the end
        ({0.0: 200.0, 0.5: 200.0, 1.0: 200.0}, 0.0),
        ({0.0: 50.0, 0.5: 200.0, 1.0: 90.0}, 1.0),
    ],
)
def test_lines_cross_where_straight_lines_do(ours: dict[float, float], crossing: float) -> None:
    """Between neighbouring shares, against the strongest of the others."""
    others = [dict.fromkeys(ours, 100.0), dict.fromkeys(ours, 10.0), {0.0: 999.0}]

    assert last_crossing(ours, others=others, shares=list(ours)) == pytest.approx(crossing)


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        # nothing is interpolated below the first share measured
        (1.5, "prefork-10 leads every other pool at every measured share."),
        (0.8, "prefork-10 and prefork-cores do not lead every other pool at the largest"),
    ],
)
def test_who_leads_everywhere_or_nowhere_is_told_so(
    tmp_path: Path, factor: float, text: str
) -> None:
    """No boundary where processes lead nowhere, and a sentence instead of silence."""

    def per_s(contender: Contender, *, share: float) -> float:
        del share
        return 100.0 * (factor if contender.pool == "prefork" else 1.0)

    found = the_one(summarize(make_crossing(tmp_path / "run", per_s=per_s, shares=SHARES[:3])))

    assert found.text.startswith(text)
    assert (found.boundaries == ()) is (factor < 1) is found.text.endswith("measured CPU share.")


def test_few_repetitions_are_no_claim(tmp_path: Path) -> None:
    """The boundary stands, the sentence begins with `So far`, and is marked."""
    found = the_one(summarize(make_crossing(tmp_path / "run", blocks=2)))

    assert found.mark == "?"
    assert not found.boundaries[1].is_claim
    assert found.text.startswith("So far: prefork-10 leads every other pool from a CPU share")


def test_the_invalid_are_on_no_line(tmp_path: Path) -> None:
    """A row whose ledger is open has no point, and the whole is marked.

    A boundary is found without the invalid share of its own line: what is known decides.
    """
    folder = make_crossing(tmp_path / "run", shares=(0.1, 0.25, 0.5, 1.0))
    spoil(folder, contender="prefork-cores", workload="mixed-0.25", reasons=[BROKER_LOST])

    summary = summarize(folder)

    line = next(one for one in the_one(summary).lines if one.contender == "prefork-cores")
    assert [point.share for point in line.points] == [0.1, 0.5, 1.0]
    assert the_one(summary).mark == "!"
    found = boundary(summary, "prefork-cores")
    assert (found.after, found.even, found.until) == (0.1, (), 0.5)
    assert 0.1 < known(found.share) < 0.5


@pytest.mark.parametrize("shares", [SHARES[:1], SHARES[:2]])
def test_two_shares_make_no_curve(tmp_path: Path, shares: tuple[float, ...]) -> None:
    """It takes three; other runs have none at all."""
    assert summarize(make_crossing(tmp_path / "run", shares=shares)).crossovers == ()


def test_without_processes_there_is_a_curve_and_no_boundary(tmp_path: Path) -> None:
    """Nothing is said of a pool that was not measured."""
    contenders = [one for one in CONTENDERS if one.pool != "prefork"]

    found = the_one(
        summarize(make_crossing(tmp_path / "run", contenders=contenders, shares=SHARES[:3]))
    )

    assert (found.text, found.boundaries) == ("", ())
    assert len(found.lines) == len(contenders)


def test_the_terminal_shows_a_line_a_contender(crossing: Summary) -> None:
    """Every share a column, every figure there, within 80 columns; and the sentence."""
    section = shown(crossing, width=80).partition("mixed.share  jobs/s by the share")[2]
    header, *lines = section.partition("contender")[2].splitlines()

    assert header.split() == ["0", "0.1", "0.25", "0.5", "0.75", "1"]
    assert [line.split()[0] for line in lines[:6]] == [one.name for one in CONTENDERS]
    assert all(len(line.split()) == 7 for line in lines[:6])
    assert "interpolated" in section
    assert max(map(len, section.splitlines())) <= 80
