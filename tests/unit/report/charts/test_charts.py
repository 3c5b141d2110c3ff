"""The charts of every shape of run: what they draw, what a pointer meets, what their table says."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from report.charts import capacity, load, scaling, timeline, waits
from report.charts.chart import Chart, Spec
from report.charts.render import VARIABLES, figure_json, to_image, to_svg
from report.charts.style import PALE, logarithmic, reaching
from report.page.sections import charts_of
from report.result import Summary
from report.summary import summarize
from tests.synthetic import BROKER_LOST, WORKLOADS, edit_manifest, make_run, spoil

#: Every kind of chart, by the start of its name.
KINDS = {
    "advantage", "throughput", "cpu", "memory", "redis", "latency", "response", "lag", "sustained",
    "load", "fairness", "sweep", "crossover", "timeline", "causes",
}  # fmt: skip


@pytest.fixture(scope="module")
def charts(summaries: Mapping[str, Summary]) -> list[Chart]:
    """Every chart of the pages of every shape of run."""
    return [chart for summary in summaries.values() for chart in charts_of(summary).values()]


def marks_of(spec: Spec, *, has_tooltip: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield each mark of a specification, and whether it has a tooltip."""
    has_tooltip = has_tooltip or "tooltip" in spec.get("encoding", {})
    if "mark" in spec:
        yield spec["mark"]["type"], has_tooltip
    for layer in spec.get("layer", []):
        yield from marks_of(layer, has_tooltip=has_tooltip)


def found(charts: list[Chart], *, start: str) -> Chart:
    """Return the first chart whose name begins so."""
    return next(chart for chart in charts if chart.name.startswith(start))


def drawn(chart: Chart) -> str:
    """Return a chart as SVG text."""
    return to_image(chart, suffix=".svg").decode()


def test_there_is_a_chart_of_every_kind(
    charts: list[Chart], summaries: Mapping[str, Summary]
) -> None:
    """The tests below see them all; `--chart` finds each by its name, the lead under two."""
    assert {chart.name.partition("-")[0] for chart in charts} == KINDS
    for summary in summaries.values():
        by_name = charts_of(summary)
        assert by_name.pop("lead").name in by_name
        assert all(chart.name == name for name, chart in by_name.items())


def test_vega_lite_draws_every_chart_in_colours_of_the_page(charts: list[Chart]) -> None:
    """Well-formed, with names in it, as wide as an image should be, for light and dark ground."""
    for chart in charts:
        text = to_svg(chart)
        root = fromstring(text)  # noqa: S314 -- drawn by ourselves

        assert 500 < float(root.get("width", "")) < 1_200
        assert chart.series[0].name in "".join(root.itertext())
        assert "#" not in text
        assert {one.colour.removeprefix("var(--")[:-1] for one in chart.series} <= set(VARIABLES)
    assert "var(" not in drawn(charts[0])


def test_every_mark_that_draws_a_value_has_a_tooltip(charts: list[Chart]) -> None:
    """A curve in lanes is covered by bars that have one; text says all it knows."""
    for chart in charts:
        for panel in chart.panels:
            silent = {mark for mark, has_tooltip in marks_of(panel.spec) if not has_tooltip}
            is_covered = any(mark == "bar" for mark, has in marks_of(panel.spec) if has)

            assert silent <= ({"line"} if is_covered else set()), chart.name


def test_each_chart_shows_every_row_and_is_a_table_too(charts: list[Chart]) -> None:
    """Each panel draws something; as many cells as heads, each a text, and how to read it."""
    for chart in charts:
        shown = [chart.rows_of(panel) for panel in chart.panels]
        assert all(shown)
        assert sum(map(len, shown)) >= len(chart.rows)
        assert chart.cells
        assert {len(cells) for cells in chart.cells} == {len(chart.header)}
        assert "None" not in str(chart.cells)
        assert chart.caption.endswith(".")


def test_data_in_a_page_can_end_no_element(charts: list[Chart]) -> None:
    """A contender's name may hold markup; equal specs are there once, numbers with six digits."""
    chart = found(charts, start="latency")
    named = replace(
        chart, rows=[{**row, "series": "</script>", "p50": 12 / 7} for row in chart.rows]
    )

    text = figure_json(named)

    assert "<" not in text
    content = json.loads(text)
    first = dict(zip(content["fields"], content["rows"][0], strict=True))
    assert (first["series"], first["p50"]) == ("</script>", 1.71429)
    assert len(content["specs"]) == 1 < len(content["panels"])


def test_contenders_of_one_pool_share_a_colour_and_differ_by_dashes(charts: list[Chart]) -> None:
    """In the legend, and so in every line."""
    series = found(charts, start="load").series

    assert len({(one.colour, one.dash) for one in series}) == len(series)
    assert len({one.colour for one in series}) == 4 < len(series)


def test_each_repetition_is_a_ring_and_the_invalid_a_cross(tmp_path: Path) -> None:
    """Faulty repetitions are drawn, and drawn otherwise."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    spoil(folder, contender="threads-4", block=1, reasons=[BROKER_LOST])

    chart = capacity.throughput(summarize(folder), workload="cpu.primes")

    rings = [row for row in chart.rows if "single" in row]
    assert len(rings) == 4 * 5
    assert [row["which"] for row in rings if row["is_invalid"]] == ["2, invalid"]
    assert drawn(chart).count("#b3261e") == 1


def test_of_very_many_repetitions_the_last_are_rings(tmp_path: Path) -> None:
    """A page has room for so many, and its caption says how many they are."""
    summary = summarize(make_run(tmp_path / "run", workloads=WORKLOADS[:1]))
    many = replace(summary, trials=summary.trials * 101)

    chart = capacity.throughput(many, workload="cpu.primes")

    assert len([row for row in chart.rows if "single" in row]) == 2_000
    assert "Rings: the last 2,000 of 2,020 repetitions;" in chart.caption


def test_an_invalid_row_is_named_in_the_first_chart(tmp_path: Path) -> None:
    """It has no ratio, and is not left out."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    spoil(folder, reasons=[BROKER_LOST])

    chart = capacity.advantage(summarize(folder))

    assert [row["figure"] for row in chart.rows] == ["invalid !"] * 4
    assert drawn(chart).count(">invalid !<") == 4


def test_a_figure_near_a_limit_is_signed(tmp_path: Path) -> None:
    """The dagger, beside the figure."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[3:])
    edit_manifest(folder, ceilings={"upstream_per_s": {"io.http": 86.0}})

    chart = capacity.throughput(summarize(folder), workload="io.http")

    assert [row["figure"][-1] == "†" for row in chart.rows[:4]] == [True, True, True, False]


def test_percentiles_of_parts_are_never_stacked(charts: list[Chart]) -> None:
    """They don't add up: dots, lines and ticks, and no bar."""
    chart = found(charts, start="latency")
    marks = {mark for panel in chart.panels for mark, _ in marks_of(panel.spec)}

    assert marks == {"rule", "circle", "tick", "text"}
    assert "don't add up" in chart.caption


def test_the_causes_of_a_wait_are_stacked(charts: list[Chart]) -> None:
    """Each begins where the one before ends, and the last at the whole; the key is in the chart."""
    chart = found(charts, start="causes")
    ends: dict[tuple[str, str], float] = {}
    for row in chart.rows:
        assert row["x"] == ends.get((row["panel"], row["series"]), 0.0)
        ends[row["panel"], row["series"]] = row["x2"]

    assert [*ends.values()] == pytest.approx([1.0] * len(ends))
    assert {"idle slot", "queue"} <= {row["cause"] for row in chart.rows}
    assert all(f">{row['cause']}<" in drawn(chart) for row in chart.rows)


def test_a_law_is_drawn_within_the_sizes_measured(charts: list[Chart]) -> None:
    """No line beyond the first size or the last; its peak is marked, its terms described."""
    chart = found(charts, start="sweep-slots")
    measured = [row["x"] for row in chart.rows if "y" in row]
    law = [row["x"] for row in chart.rows if "law" in row]

    assert min(measured) <= min(law) < max(law) <= max(measured)
    assert "threads: peak at" in drawn(chart)
    assert "Contention" in chart.notes[0]


def test_a_switch_is_drawn_as_bars(summaries: Mapping[str, Summary]) -> None:
    """On and off are no places of an axis; each pool has a panel, with lanes of it alone."""
    summary = summaries["sweep"]
    one = summary.sweeps[-1]
    points = tuple(replace(point, contender="gevent-4") for point in one.points)
    other = replace(one, of="gevent-4", pool="gevent", points=points)

    alone, both = (scaling.sweep(summary, group=group) for group in ([one], [one, other]))

    assert [entry.name for entry in alone.series] == ["events off", "events on"]
    assert "bar" in {mark for mark, _ in marks_of(alone.panels[0].spec)}
    colours = {entry.name: entry.colour for entry in both.series}
    assert colours["threads-4, events on"] == "var(--pool-threads)"
    assert colours["gevent-4, events on"] == "var(--pool-gevent)"
    assert [panel.spec["height"] for panel in both.panels] == [36, 36]


def test_a_rate_that_was_not_sustained_is_a_ring(charts: list[Chart]) -> None:
    """One point of seven in each of the lines; a point without a figure is in the table alone."""
    chart = found(charts, start="load-p95")
    points = [row for row in chart.rows if "y" in row]

    assert (len(points), len(chart.rows)) == (7 * 7, 7 * 8)
    assert sum("is_hollow" in row for row in points) == 7
    assert chart.cells[0][1] == "– !"


def test_a_crossover_has_its_boundary(summaries: Mapping[str, Summary]) -> None:
    """A line at the share, with the contender that leads from there on."""
    summary = summaries["mixed.share"]
    chart = scaling.crossover(summary, found=summary.crossovers[0])

    assert "prefork-cores leads from 0.49" in drawn(chart)
    assert len(chart.rows) == 6 * len(summary.crossovers[0].shares)


def test_an_a_a_control_is_pale_and_explained(summaries: Mapping[str, Summary]) -> None:
    """Near its original, with an interval as wide as the noise."""
    chart = capacity.advantage(summaries["capacity"])
    values = {row["series"]: row["value"] for row in chart.rows if row["panel"] == "cpu.primes"}

    assert values["prefork-4-again, A/A"] == pytest.approx(values["prefork-4"], rel=0.05)
    assert f'opacity="{PALE}"' in drawn(chart)
    assert "The difference is noise." in chart.reading


def test_long_timelines_are_merged(summaries: Mapping[str, Summary]) -> None:
    """Fewer bins for the page's size: counts add up, and states are those at a bin's end."""
    one = summaries["rate"].timelines[0]
    points = tuple(
        replace(point, t_s=index * 0.5, arrivals=3, done=2, backlog=index, cpu_cores=None)
        for index, point in enumerate((one.points * 200)[:2_000])
    )
    long = replace(one, bin_s=0.5, lasted_s=1_000.0, points=points)
    summary = replace(summaries["rate"], timelines=(long,))

    chart = timeline.timeline(summary, workload=one.workload)

    assert chart is not None
    assert len(chart.rows) == 667 + 1
    first = chart.rows[0]
    assert (first["x2"], first["arrivals"], first["done"], first["backlog"]) == (1.5, 6, 4, 2)
    assert first["cores"] == "–"
    drawn(chart)


def test_the_lag_histogram_ends_where_its_bins_do(summaries: Mapping[str, Summary]) -> None:
    """Shares of a contender make one; each bin has a tooltip."""
    chart = waits.lag_histogram(summaries["rate"], workload="io.sleep")

    assert chart is not None
    solo = [row for row in chart.rows if row["series"] == "solo"]
    assert sum(row["share"] for row in solo) == pytest.approx(1)
    assert [row.get("x2") for row in solo][-1] is None
    assert waits.lag_histogram(summaries["capacity"], workload="io.sleep") is None


def test_the_objective_is_a_line_of_its_percentile(summaries: Mapping[str, Summary]) -> None:
    """p95 is bounded, p50 is not."""
    p95, p50 = (
        load.load_curve(summaries["curve"], workload="io.sleep", percentile=name)
        for name in ("p95", "p50")
    )

    assert "Horizontal line: the objective, 1.00 s." in p95.caption
    assert "Horizontal line" not in p50.caption
    assert len(p95.panels[0].spec["layer"]) == len(p50.panels[0].spec["layer"]) + 1


@settings(deadline=None)
@given(low=st.floats(1e-6, 1e3), reach=st.floats(1.01, 1e9))
def test_ticks_of_a_logarithmic_axis_are_round_and_within(low: float, reach: float) -> None:
    """1, 2, 3 or 5 times a power of ten, ascending, and enough to read an axis by."""
    axis = logarithmic("time", rows=[{"t": low}, {"t": low * reach}], fields=["t"])
    first, last = axis["scale"]["domain"]
    ticks = axis["axis"].get("values", [])

    assert first < low <= low * reach < last
    assert ticks == sorted(tick for tick in ticks if first <= tick <= last)
    assert all(
        round(tick / 10 ** math.floor(math.log10(tick) + 1e-9)) in {1, 2, 3, 5} for tick in ticks
    )
    assert len(ticks) != 1


@pytest.mark.parametrize(
    ("values", "kind"), [([1, 2, 4], None), ([1, 2, 32], "log"), ([0, 50], None), ([], None)]
)
def test_an_axis_is_logarithmic_where_its_ends_are_far_apart(
    values: list[float], kind: str | None
) -> None:
    """From zero there is no such axis."""
    rows = [{"x": value, "y": 1.0} for value in values]

    assert reaching("slots", rows=rows)["scale"].get("type") == kind


def test_all_contenders_of_a_part_share_a_panel(summaries: Mapping[str, Summary]) -> None:
    """Each contender's own measurement of a job alone differs by a few percent."""
    summary = summaries["mix"]
    (one, *others) = summary.fairness
    slowed = {
        part: replace(slow, ideal_s=1.02 * slow.ideal_s) for part, slow in one.by_kind.items()
    }
    differing = replace(summary, fairness=(replace(one, by_kind=slowed), *others))

    chart = charts_of(differing)[f"fairness-{one.workload}"]

    assert len({row["panel"] for row in chart.rows}) == len(one.by_kind)
