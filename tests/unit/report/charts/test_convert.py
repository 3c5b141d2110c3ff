"""The converter: the same drawings whoever makes them, whatever becomes of the other process."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from report.charts import convert
from report.charts.convert import Converter, to_svg


def chart(count: int) -> str:
    """Return a chart of so many points."""
    points = {"x": {"field": "x", "type": "quantitative"}}
    values = [{"x": value} for value in range(count)]
    return json.dumps({"data": {"values": values}, "mark": "point", "encoding": points})


def test_another_process_draws_the_same() -> None:
    """Each drawing stands where its place was, and is what this process draws."""
    with Converter() as converter:
        places = [converter.later(chart(count)) for count in (3, 5)]
        page = converter.fill(f"<p>{places[1]}</p><p>{places[0]}</p>")

    assert page == f"<p>{to_svg(chart(5))}</p><p>{to_svg(chart(3))}</p>"


def test_a_chart_that_is_asked_for_twice_is_drawn_once() -> None:
    """Equal charts have one place, so that a page can tell that it has shown one before."""
    with Converter() as converter:
        assert converter.later(chart(3)) == converter.later(chart(3)) != converter.later(chart(4))


def test_a_converter_that_is_killed_costs_no_drawing() -> None:
    """What it had not drawn, this process draws."""
    with Converter() as converter:
        place = converter.later(chart(3))
        converter.fill(place)
        os.kill(converter.pid, signal.SIGKILL)
        places = place + converter.later(chart(6))

        assert converter.fill(places) == to_svg(chart(3)) + to_svg(chart(6))


def test_what_lies_about_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads a report has a file of that name, perhaps, where they stand."""
    (tmp_path / "report.py").write_text("import pathlib; pathlib.Path('ran').touch()")
    monkeypatch.chdir(tmp_path)

    with Converter() as converter:
        converter.fill(converter.later(chart(3)))

    assert not (tmp_path / "ran").exists()


def test_what_cannot_be_drawn_is_an_error_here() -> None:
    """A chart that makes no sense is not left out of the page in silence."""
    with Converter() as converter:
        place = converter.later("{}")

        with pytest.raises(ValueError, match="Vega-Lite"):
            converter.fill(place)


def test_it_ends_with_its_page() -> None:
    """Nothing is left behind, though nobody waited for its drawing."""
    with Converter() as converter:
        converter.later(chart(3))

    with pytest.raises(ProcessLookupError):
        os.kill(converter.pid, 0)


def test_colours_become_variables_of_the_page() -> None:
    """So that a page decides on light and dark."""
    shade, name = next(iter(convert.VARIABLES.items()))
    mark = {"type": "point", "color": shade}

    assert f"var({name})" in to_svg(json.dumps({"data": {"values": [{}]}, "mark": mark}))
