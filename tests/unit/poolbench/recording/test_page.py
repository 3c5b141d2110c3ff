"""docs/recording.md follows from the code."""

from __future__ import annotations

from pathlib import Path

from poolbench.records import RECORDED_COLUMNS, Moment

PAGE = Path("docs/recording.md")

_KINDS = {int: "int64", str: "string", bool: "bool"}


def _rows(begin: str) -> list[list[str]]:
    """Return the rows of the first table after a heading, as their cells."""
    part = PAGE.read_text(encoding="utf-8").partition(f"\n## {begin}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_each_column_is_described_in_order() -> None:
    """With its type and meaning, as in the code."""
    columns = [[f"`{name}`", _KINDS[kind], text] for name, (kind, text) in RECORDED_COLUMNS.items()]
    assert _rows("Columns") == columns


def test_each_moment_of_a_recording_is_described() -> None:
    """`published` belongs to runs of a user's app, not to recordings."""
    named = {word.strip("`") for row in _rows("Lines") for word in row[0].split(", ")}
    assert named == set(Moment) - {Moment.PUBLISHED}
