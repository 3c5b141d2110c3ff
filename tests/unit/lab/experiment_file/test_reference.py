"""The reference of an experiment file has every key of every table, with its effect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from lab.experiment.file_table import FileTable
from lab.experiment_file.jobs import JobInput
from lab.experiment_file.reference import TABLES, effects, reference_page
from producer.arrivals import ARRIVALS


def tables(base: type[BaseModel] = FileTable) -> Iterator[type[BaseModel]]:
    """Return every public table of an experiment file."""
    for table in base.__subclasses__():
        yield from tables(table)
        if table.__module__.startswith("lab.") and not table.__name__.startswith("_"):
            yield table


def test_the_page_is_that_of_the_models() -> None:
    """docs/experiment.md: `make schemas` writes it anew."""
    assert Path("docs/experiment.md").read_text(encoding="utf-8") == reference_page()


def test_every_table_is_on_the_page() -> None:
    """A new table needs a heading in `TABLES`."""
    # what workloads and parts of a mix have in common
    assert set(tables()) - {JobInput} == set(TABLES.values())


@pytest.mark.parametrize("table", [*TABLES.values(), *ARRIVALS.values()])
def test_every_key_has_an_effect(table: type[BaseModel]) -> None:
    """A `#:` comment above the field, which the page shows, or the field's description."""
    assert [key for key, effect in effects(table).items() if not effect] == []


def test_a_key_is_shown_with_its_bounds_its_unit_and_its_default() -> None:
    """As a user writes it: words in quotes, numbers with their unit."""
    lines = reference_page().splitlines()

    stall = next(line for line in lines if line.startswith("| `stall_s`"))
    assert "| number; above 0, at most 3,600 | s | 10 |" in stall
    pool = next(line for line in lines if line.startswith("| `pool`"))
    assert 'text; `"prefork"`' in pool
    assert "| required |" in pool
