"""The charts of a run: drawn, coloured by pool, and told in words beside."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from report import format as fmt
from report.charts import capacity, course, load, scaling, waits
from report.charts.convert import VARIABLES
from report.charts.drawing import PALE
from report.charts.lanes import FULL, HALF, PHONE, Lane, Layout, Mark, Panel, draw_lanes
from report.charts.multiples import Course, Sheet, Strip, draw_multiples
from report.charts.picture import Picture
from report.charts.scales import from_zero, to_round
from report.summary import summarize
from tests.shapes import capacity as shaped
from tests.shapes import curve, mix, rate, sustain, sweep
from tests.synthetic import WORKLOADS, edit_manifest, edit_trials, make_run

Summary = dict[str, Any]

#: What tells a disc and a disc's rim among the shapes of a drawing.
_DISC = re.compile(r'd="M\S*A')
_RIM = 'stroke="var(--ground)"'


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """Four pools on one workload, five repetitions."""
    return summarize(make_run(tmp_path_factory.mktemp("run"), workloads=WORKLOADS[:1]))


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    """Return a picture of each sort that only some runs have."""
    shapes = {
        make.__name__: make(tmp_path_factory.mktemp(make.__name__))[0]
        for make in (curve, mix, rate, sustain, sweep)
    }
    lag = waits.lag_histogram(shapes["rate"], workload="io.sleep")
    assert lag
    return [
        lag,
        load.load_curve(shapes["curve"], workload="io.sleep"),
        load.fairness(shapes["mix"], workload="io.sleep"),
        load.sustained(shapes["sustain"]),
        waits.first_response(shapes["rate"]),
        *(
            scaling.sweep(shapes["sweep"], group=group)
            for group in scaling.sweep_groups(shapes["sweep"])
        ),
    ]


def every_picture(summary: Summary) -> list[Picture]:
    """Return one picture of each sort that every run has."""
    name = summary["workloads"][0]["name"]
    found = [
        capacity.advantage(summary),
        capacity.throughput(summary, workload=name),
        waits.split(summary, workload=name),
        capacity.cost(
            summary, workload=name, column="pss_bytes", title="PSS", unit="MB", show=fmt.size
        ),
    ]
    told = course.course(summary, workload=name)
    return [*found, told] if told else found


def parsed(svg: str) -> Element:
    """Return the drawing's root; a fault in its XML fails the test."""
    return fromstring(svg)  # noqa: S314 -- drawn by ourselves


def test_every_picture_is_well_formed_and_narrow_enough(
    demo: Summary, others: list[Picture]
) -> None:
    """Drawings parse; the narrow one fits a phone of 390 pixels, or the only one half of a page."""
    for picture in [*every_picture(demo), *others]:
        wide = float(parsed(picture.wide).get("width", ""))

        if picture.narrow:
            assert float(parsed(picture.narrow).get("width", "")) <= PHONE < wide <= FULL
        else:
            assert wide <= HALF


def test_no_colour_stands_in_a_drawing(demo: Summary, others: list[Picture]) -> None:
    """Each is a variable of the page, which knows it in light and dark."""
    known = {name.removeprefix("--") for name in VARIABLES.values()}
    for picture in [*every_picture(demo), *others]:
        drawn = picture.wide + picture.narrow
        colours = set(re.findall(r'(?:fill|stroke)="([^"]*)"', drawn)) - {"none", "transparent"}

        assert colours <= {f"var(--{name})" for name in known}
        assert "#" not in drawn


def test_each_pool_has_its_colour_in_every_picture(demo: Summary) -> None:
    """The four pools of the run, and no other."""
    for picture in every_picture(demo):
        seen = set(re.findall(r"var\(--pool-([a-z]+)\)", picture.wide))

        assert seen == {"prefork", "threads", "gevent", "solo"}


def test_each_picture_is_a_table_too(demo: Summary, others: list[Picture]) -> None:
    """As many cells as heads in each row, and words for those who can't see it."""
    for picture in [*every_picture(demo), *others]:
        assert picture.cells
        assert {len(cells) for cells in picture.cells} == {len(picture.header)}
        assert picture.label
        assert picture.caption


def test_both_axes_say_what_they_are(demo: Summary) -> None:
    """Units on the one, contenders on the other."""
    advantage, throughput, split, cost, went = every_picture(demo)

    assert "times the throughput of solo (logarithmic)" in advantage.wide
    assert "jobs per second" in throughput.wide
    assert "time (logarithmic)" in split.wide
    assert re.search(r">[\d.]+ (ms|s)<", split.wide)
    assert ">MB<" in cost.wide
    assert all(word in went.wide for word in ("jobs/s", "busy cores", "memory, MB", "seconds"))
    assert all(">contender<" in picture.wide for picture in (throughput, cost))


def test_axes_of_curves_say_what_they_are(others: list[Picture]) -> None:
    """The rate below, the percentile above; slots and jobs per second."""
    _, loaded, slowed, held, _, swept, _ = others

    assert ">p95 of the wait (logarithmic)<" in loaded.wide
    assert ">jobs per second that come (logarithmic)<" in loaded.wide
    assert ">times as long as alone (logarithmic)<" in slowed.wide
    assert ">jobs per second<" in held.wide
    assert ">slots (logarithmic)<" in swept.wide


def test_each_repetition_is_a_dot_and_the_invalid_a_cross(tmp_path: Path) -> None:
    """Faulty repetitions are drawn, and drawn otherwise."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])

    def kill(trial: dict[str, Any]) -> None:
        if (trial["contender"], trial["block"]) == ("threads-4", 1):
            trial["reasons"] = ["killed"]

    edit_trials(folder, change=kill)
    drawn = capacity.throughput(summarize(folder), workload="cpu.primes").wide

    assert drawn.count(_RIM) == 4 * 5 - 1
    assert drawn.count(">×<") == drawn.count("var(--bad)") == 1


def test_an_invalid_row_is_named_in_the_first_picture(tmp_path: Path) -> None:
    """It has no ratio, and is not left out."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    edit_trials(folder, change=lambda trial: trial["reasons"].append("killed"))

    picture = capacity.advantage(summarize(folder))

    assert picture.wide.count(">invalid !<") == 4


def test_a_run_without_figures_draws_empty_lanes(tmp_path: Path) -> None:
    """Stopped before its first trial: axes, names and dashes; and no course."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    edit_manifest(folder, state="unfinished", trials=[])
    pictures = every_picture(summarize(folder))

    assert len(pictures) == 4
    for picture in pictures:
        assert "prefork-4" in picture.wide
        parsed(picture.narrow or picture.wide)


def test_the_same_values_draw_the_same(demo: Summary) -> None:
    """Twice drawn, the same text: no ids that count up."""
    assert every_picture(demo) == every_picture(demo)


def test_percentiles_of_parts_are_never_stacked(demo: Summary) -> None:
    """They don't add up: dots and lines, and no bar."""
    split = waits.split(demo, workload="cpu.primes")

    lanes = 4 * 6
    assert len(_DISC.findall(split.wide)) == lanes
    assert "<rect" not in split.wide
    assert "don't add up" in split.caption


def test_a_law_is_drawn_within_the_sizes_measured(others: list[Picture]) -> None:
    """No line beyond the first size or the last; its peak is marked, its terms told."""
    swept = next(picture for picture in others if "over slots" in picture.title)
    lines = re.findall(r'<path d="M([^"AZ]*L[^"AZ]*)" stroke="var\(--pool-', swept.wide)
    xs = [float(place.split(",")[0]) for line in lines for place in line.split("L")]
    dots = [float(x) for x in re.findall(r'translate\(([\d.]+),[\d.]+\)" d="M\S*A', swept.wide)]

    assert min(dots) <= min(xs) <= max(xs) <= max(dots)
    assert "threads: peak at" in swept.wide
    assert "contention sigma" in swept.notes[0]
    assert "[" in swept.notes[0]


def test_a_switch_is_drawn_as_bars(others: list[Picture]) -> None:
    """On and off are no places of an axis."""
    switched = next(picture for picture in others if "over events" in picture.title)

    assert ">events on<" in switched.wide
    assert ">events off<" in switched.wide
    assert not re.search(r'<path d="M[^"AZ]*L[^"]*" stroke="var\(--pool-', switched.wide)


def test_a_rate_that_was_not_held_is_a_ring(others: list[Picture]) -> None:
    """One point of seven in each of the contenders' lines."""
    loaded = next(picture for picture in others if "against load" in picture.title)

    assert loaded.wide.count('fill="var(--ground)" stroke="var(--pool-') == 7
    assert loaded.wide.count(_RIM) == 7 * 6
    assert 'stroke-dasharray="3,3"' in loaded.wide


def test_a_twin_is_pale_and_told_of(demo: Summary) -> None:
    """Its lane, its name and its figure are muted; the caption says what it is for."""
    rows = [{**row, "is_twin": row["contender"] == "solo"} for row in demo["rows"]]
    picture = capacity.throughput({**demo, "rows": rows}, workload="cpu.primes")

    assert f'opacity="{PALE}"' in picture.wide
    assert ">solo, twin<" in picture.wide
    assert "what sets the two apart is noise" in picture.caption


def test_a_twin_stands_beside_the_one_it_is_a_second_time(tmp_path: Path) -> None:
    """Near it, with an interval as wide as the noise; it is no comparison of its own."""
    picture = capacity.advantage(shaped(tmp_path / "run")[0])
    rows = {
        contender: float(times.removesuffix(" ×"))
        for workload, contender, times, *_ in picture.cells
        if workload == "cpu.primes"
    }

    assert rows["prefork-4-again, twin"] == pytest.approx(rows["prefork-4"], rel=0.05)
    assert f'opacity="{PALE}"' in picture.wide


def test_words_in_a_drawing_are_text() -> None:
    """A name with markup in it is shown, not drawn."""
    lane = Lane(name="<b>&", shade="solo", text="1", marks=(Mark(sort="dot", at=1.0),))
    drawn = draw_lanes(
        [Panel(title="", lanes=(lane,))],
        axis=from_zero([1.0], title="jobs"),
        layout=Layout(width=300),
    )

    assert "&lt;b&gt;&amp;" in drawn


@pytest.mark.parametrize("beside", [2, 1])
def test_each_small_plot_has_both_ends_of_its_axis(beside: int) -> None:
    """The first column too, where names stand; beside each other and below."""
    columns = (to_round([400.0], title="jobs"), to_round([300.0], title="MB"))
    cells = ((Course(values=(1.0, None, 400.0)),), (Course(values=(300.0, 2.0, 1.0)),))
    strips = [
        Strip(name=name, shade="solo", width=1.0, lasted=3.0, cells=cells) for name in ("a", "b")
    ]
    x = from_zero([3.0], title="seconds")
    drawn = draw_multiples(strips, sheet=Sheet(x=x, columns=columns, width=500, beside=beside))

    assert drawn.count(">400<") == drawn.count(">300<") == len(strips)
