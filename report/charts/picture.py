"""A chart with everything a reader may need of it, and what all pictures have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from report import format as fmt
from report.charts.lanes import FULL, HALF, PHONE
from report.verdicts.naming import label

Summary = Mapping[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart: two drawings of the same, the words beside it, and its data."""

    title: str
    #: How to read it.
    caption: str
    #: SVG for a wide screen and for a phone; the one for a phone is empty where one serves both.
    wide: str
    narrow: str
    #: What it shows, in words, for those who can't see it.
    label: str
    #: Its data as a table.
    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    #: What is to be said below it, in sentences.
    notes: tuple[str, ...] = ()


class Drawings(TypedDict):
    """The same chart for a wide screen and for a phone."""

    wide: str
    #: Empty where the wide one serves both.
    narrow: str


def both(draw: Callable[[float], str]) -> Drawings:
    """Return what ``draw`` makes of a wide screen's pixels and of a phone's."""
    return Drawings(wide=draw(FULL), narrow=draw(PHONE))


def half(draw: Callable[[float], str]) -> Drawings:
    """Return what ``draw`` makes of half a page's pixels; a phone shrinks it, but for its words."""
    return Drawings(wide=draw(HALF), narrow="")


def rows_of(summary: Summary, *, workload: str) -> list[Row]:
    """Return the rows of a workload, in the order of the contenders."""
    return [row for row in summary["rows"] if row["workload"] == workload]


def row_of(summary: Summary, *, found: Mapping[str, Any]) -> Row:
    """Return the row of what has a workload and a contender, or of the contender elsewhere.

    What has no row at all stands for itself.
    """
    own = [row for row in summary["rows"] if row["contender"] == found["contender"]]
    here = [row for row in own if row["workload"] == found.get("workload")]
    alone = {"slots": 1, "is_without_gil": False, "pool": "", **found}
    return next(iter(here or own), alone)


def named(row: Row) -> str:
    """Return what a row's contender is called in a chart."""
    name = label(row)
    # one that the lab added is called so
    is_said = not row.get("is_twin") or name.endswith("-twin")
    return name if is_said else f"{name}, twin"


def marked(text: str, *, row: Row) -> str:
    """Return a figure with its row's mark: a doubtful number never stands without it."""
    return f"{text} {row['mark']}" if row.get("mark") else text


def twins_told(rows: Sequence[Row]) -> str:
    """Return what a muted contender means, where there is one."""
    if not any(row.get("is_twin") for row in rows):
        return ""
    return " Pale: a contender measured a second time; what sets the two apart is noise."


def share(value: float | None) -> str:
    """Return a share as the captions say it."""
    return fmt.percent(value)
