"""A chart as data: text, rows with named fields, and Vega-Lite specifications."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from report import format as fmt
from report.palette import POOL_SHADES, shade_name
from report.result import RowSummary, Summary
from report.statistics.ratios import Median
from report.verdicts.naming import label

#: A part of a Vega-Lite specification, or a row of a chart.
Spec = dict[str, Any]

#: Dashes of the first, second, … series of one colour.
_DASHES = ((1, 0), (6, 3), (2, 3), (9, 3, 2, 3))

_PALE = " Pale: the A/A control, a contender measured a second time. The difference is noise."


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One entry of a legend: all marks of one contender."""

    #: The field ``series`` of its rows.
    name: str
    #: A CSS variable, which the page defines for light and dark backgrounds.
    colour: str
    dash: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One entry of a legend that explains colours and hides nothing."""

    name: str
    meaning: str
    #: A CSS variable, as of `Series`.
    colour: str
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One of a chart's plots; a row with the field ``panel`` belongs to the panel of that title."""

    #: Vega-Lite, without the data.
    spec: Spec
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart: its panels, its text, and its data as a table."""

    #: Unique in a report: the name for `poolbench report --chart`.
    name: str
    title: str
    #: Explanation of the marks.
    caption: str
    #: The data of the panels, from `of_row`.
    rows: Sequence[Spec]
    #: Columns of the table and lines of tooltips: field → title.
    titles: Mapping[str, str]
    panels: Sequence[Panel]
    #: Maximum number of panels side by side.
    columns: int = 1
    #: What a series is, as the title of its names.
    of: str = "contender"
    #: Sentences below it.
    notes: tuple[str, ...] = ()
    #: Its legend on a page, where the specifications have none.
    keys: tuple[Key, ...] = ()
    #: Whether its time axis can be zoomed and moved, with a cursor across all panels.
    is_zoomable: bool = False

    @property
    def series(self) -> tuple[Series, ...]:
        """The entries of its legend."""
        return series_of(self.rows)

    @property
    def reading(self) -> str:
        """The caption, with an explanation of the A/A control if there is one."""
        return self.caption + (_PALE if any("is_pale" in row for row in self.rows) else "")

    @property
    def header(self) -> list[str]:
        """The titles of its table's columns."""
        return [self.of, *self.titles.values()]

    @property
    def cells(self) -> list[list[str]]:
        """The cells of its table: the rows that have the first field in `titles`."""
        first = next(name for name in self.titles if name != "panel")
        return [
            [str(row.get(name, fmt.NOTHING)) for name in ("series", *self.titles)]
            for row in self.rows
            if first in row
        ]

    def rows_of(self, panel: Panel) -> list[Spec]:
        """Return the rows of a panel."""
        return [row for row in self.rows if row.get("panel", panel.title) == panel.title]


def of_row(row: RowSummary, *, name: str = "", **fields: Any) -> Spec:
    """Return a row of a chart.

    Args:
        row: determines the name and the colour of the series.
        name: name of the series, if it isn't the row's contender.
        fields: values to draw and texts to show; fields that are None are left out.
    """
    known = {key: value for key, value in fields.items() if value is not None}
    pale = {"is_pale": True} if row.is_twin else {}
    return {"series": name or named(row), "shade": shade_name(row), **pale, **known}


def series_of(rows: Iterable[Spec]) -> tuple[Series, ...]:
    """Return the series of a chart's rows, in order; series of one colour have different dashes."""
    shades = {row["series"]: row["shade"] for row in rows}
    turns: dict[str, int] = {}
    found: list[Series] = []
    for name, shade in shades.items():
        turns[shade] = turn = turns.get(shade, -1) + 1
        colour = f"var(--pool-{shade if shade in POOL_SHADES else 'other'})"
        found.append(Series(name=name, colour=colour, dash=_DASHES[turn % len(_DASHES)]))
    return tuple(found)


def panels_of(rows: Iterable[Spec], *, draw: Callable[[list[Spec]], Spec]) -> list[Panel]:
    """Return a panel for each value of the field ``panel``; ``draw`` returns its specification."""
    groups: dict[str, list[Spec]] = {}
    for row in rows:
        groups.setdefault(row.get("panel", ""), []).append(row)
    return [Panel(title=title, spec=draw(found)) for title, found in groups.items()]


def row_of(summary: Summary, *, contender: str, workload: str) -> RowSummary:
    """Return a contender's row in the workload, or else in another one, for name and colour."""
    elsewhere = (row for row in summary.rows if row.contender == contender)
    return summary.row(contender, workload=workload) or next(elsewhere)


def named(row: RowSummary) -> str:
    """Return the name of a row's contender in charts."""
    name = label(row)
    # the lab's default name of an A/A control
    is_clear = not row.is_twin or name.endswith("-twin")
    return name if is_clear else f"{name}, A/A"


def marked(text: str, *, mark: str) -> str:
    """Return a figure as text, with its row's mark if there is one."""
    return f"{text} {mark}" if mark else text


def values_of(rows: Iterable[Spec], *, fields: Sequence[str]) -> list[float]:
    """Return the numbers in some fields."""
    found = (row[name] for row in rows for name in fields if name in row)
    return [value for value in found if not isinstance(value, str)]


def largest(rows: Iterable[Spec], *, fields: Sequence[str]) -> float:
    """Return the largest number in some fields, or 1."""
    return max(values_of(rows, fields=fields), default=0.0) or 1.0


def median_fields(found: Median | None) -> Spec:
    """Return the fields of a median and its range, and the range as text."""
    if found is None:
        return {"reach": fmt.NOTHING}
    reach = fmt.span(found.low, high=found.high)
    return {"median": found.median, "low": found.low, "high": found.high, "reach": reach}
