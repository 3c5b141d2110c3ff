"""The charts of a run: drawn, coloured by pool, and told in words beside."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from report import format as fmt
from report import pictures
from report.charts import VARIABLES
from report.palette import INK_SHADES, OTHER_SHADE, POOL_SHADES, Shade
from report.pictures import Picture
from report.summary import summarize
from tests.synthetic import WORKLOADS, edit_manifest, edit_trials, make_run

Summary = dict[str, Any]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """Four pools on one workload, five repetitions."""
    return summarize(make_run(tmp_path_factory.mktemp("run"), workloads=WORKLOADS[:1]))


def every_picture(summary: Summary) -> list[Picture]:
    """Return one picture of each sort."""
    name = summary["workloads"][0]["name"]
    return [
        pictures.advantage(summary),
        pictures.throughput(summary, workload=name),
        pictures.latency(summary, workload=name, span="wait", title="Wait"),
        pictures.cost(
            summary, workload=name, column="pss_bytes", title="PSS", unit="MB", show=fmt.size
        ),
    ]


def parsed(svg: str) -> Element:
    """Return the drawing's root; a fault in its XML fails the test."""
    return fromstring(svg)  # noqa: S314 -- drawn by ourselves


def test_every_picture_is_well_formed_and_narrow_enough(demo: Summary) -> None:
    """Both drawings parse; the narrow one fits a phone of 390 pixels."""
    for picture in every_picture(demo):
        wide, narrow = parsed(picture.wide), parsed(picture.narrow)

        assert float(narrow.get("width", "")) <= 350
        assert float(wide.get("width", "")) > float(narrow.get("width", ""))


def test_no_colour_is_left_that_a_dark_screen_could_not_change(demo: Summary) -> None:
    """Each fill and stroke is a variable of the page, or none."""
    for picture in every_picture(demo):
        values = set(re.findall(r'(?:fill|stroke)="([^"]*)"', picture.wide + picture.narrow))
        known = {f"var({name})" for name in VARIABLES.values()} | {"none", "transparent"}

        assert values <= known


def test_each_pool_has_its_colour_in_every_picture(demo: Summary) -> None:
    """The four pools of the run, and no other."""
    for picture in every_picture(demo):
        seen = set(re.findall(r"var\(--pool-([a-z]+)\)", picture.wide))

        assert seen == {"prefork", "threads", "gevent", "solo"}


def test_each_picture_is_a_table_too(demo: Summary) -> None:
    """A row a contender, as many cells as heads, and words for those who can't see it."""
    for picture in every_picture(demo):
        assert len(picture.cells) == 4
        assert {len(cells) for cells in picture.cells} == {len(picture.header)}
        assert picture.label
        assert picture.caption


def test_both_axes_say_what_they_are(demo: Summary) -> None:
    """Units on the one, contenders on the other."""
    _, throughput, latency, cost = every_picture(demo)

    assert "jobs per second" in throughput.wide
    assert "wait (logarithmic)" in latency.wide
    assert re.search(r">[\d.]+ (ms|s)<", latency.wide)
    assert ">MB<" in cost.wide
    assert all(">contender<" in picture.wide for picture in (throughput, latency, cost))


def test_each_repetition_is_a_dot_and_the_invalid_a_cross(tmp_path: Path) -> None:
    """Faulty repetitions are drawn, and drawn otherwise."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])

    def kill(trial: dict[str, Any]) -> None:
        if (trial["contender"], trial["block"]) == ("threads-4", 1):
            trial["reasons"] = ["killed"]

    edit_trials(folder, change=kill)
    drawn = pictures.throughput(summarize(folder), workload="cpu.primes").wide

    assert drawn.count('stroke="var(--ground)"') == 4 * 5 - 1
    assert drawn.count('fill="var(--bad)"') == drawn.count(">×<") == 1


def test_an_invalid_row_is_named_in_the_first_picture(tmp_path: Path) -> None:
    """It has no ratio, and is not left out."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    edit_trials(folder, change=lambda trial: trial["reasons"].append("killed"))

    picture = pictures.advantage(summarize(folder))

    assert picture.wide.count(">invalid !<") == 4


def test_a_run_without_figures_draws_empty_lanes(tmp_path: Path) -> None:
    """Stopped before its first trial: axes, names and dashes."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    edit_manifest(folder, state="unfinished", trials=[])

    for picture in every_picture(summarize(folder)):
        assert "prefork-4" in picture.wide
        parsed(picture.narrow)


def test_the_same_values_draw_the_same(demo: Summary) -> None:
    """Twice drawn, the same text: no ids that count up."""
    assert every_picture(demo) == every_picture(demo)


@pytest.mark.parametrize("pool", POOL_SHADES)
def test_pools_stand_out_from_their_ground(pool: str) -> None:
    """WCAG asks a contrast of 3 of graphics: on paper and on a dark screen."""
    ground = INK_SHADES["ground"]

    assert _contrast(POOL_SHADES[pool].light, ground.light) >= 3
    assert _contrast(POOL_SHADES[pool].dark, ground.dark) >= 3


@pytest.mark.parametrize("ink", ["ink", "muted", "bad"])
def test_words_are_readable_on_their_ground(ink: str) -> None:
    """WCAG asks a contrast of 4.5 of text."""
    ground = INK_SHADES["ground"]

    assert _contrast(INK_SHADES[ink].light, ground.light) >= 4.5
    assert _contrast(INK_SHADES[ink].dark, ground.dark) >= 4.5


def test_no_two_meanings_share_a_colour() -> None:
    """A colour of a drawing leads to one variable."""
    shades: list[Shade] = [*POOL_SHADES.values(), OTHER_SHADE, *INK_SHADES.values()]

    assert len({shade.light for shade in shades}) == len(VARIABLES) == len(shades)


def _contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, as WCAG 2.2 defines it."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
