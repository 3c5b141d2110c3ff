"""The page's table of a workload's rows: which columns there are, and what stands in them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from report import format as fmt
from report.legend import describe_ledger

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of figures."""

    #: Stands above several columns.
    group: str
    head: str
    show: Callable[[Row], str]
    #: Whether its figures are what the row is about.
    is_strong: bool = False
    is_text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The columns that have a figure in any row."""

    columns: tuple[Column, ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The heads above the heads, each with how many columns it spans."""
        return [(name, len(list(found))) for name, found in groupby(self.columns, _group)]


def table_of(rows: Sequence[Row]) -> Table:
    """Return the table of some rows; a column without a figure is left out."""
    return Table(
        columns=tuple(
            column for column in COLUMNS if any(column.show(row) != fmt.NOTHING for row in rows)
        )
    )


def _group(column: Column) -> str:
    return column.group


def _of(name: str, *, show: Callable[[Any], str]) -> Callable[[Row], str]:
    return lambda row: show(row.get(name))


def _part(name: str, *, key: str, show: Callable[[Any], str]) -> Callable[[Row], str]:
    return lambda row: show((row.get(name) or {}).get(key))


def _range(name: str) -> Callable[[Row], str]:
    def show(row: Row) -> str:
        found = row.get(name) or {}
        return fmt.span(found.get("low"), high=found.get("high"))

    return show


def _percentiles(group: str, *, column: str, names: Sequence[str]) -> tuple[Column, ...]:
    return tuple(
        Column(
            group=group,
            head=name.replace("_", "."),
            show=_part(column, key=name, show=fmt.duration),
        )
        for name in names
    )


#: Every column that a table may have, in order.
COLUMNS = (
    Column(group="", head="slots", show=_of("slots", show=fmt.count)),
    Column(
        group="throughput",
        head="jobs/s",
        show=_part("throughput_per_s", key="median", show=fmt.number),
        is_strong=True,
    ),
    Column(group="throughput", head="range", show=_range("throughput_per_s")),
    Column(group="throughput", head="of ceiling", show=_of("ceiling_share", show=fmt.percent)),
    Column(group="throughput", head="peak", show=_of("peak_in_flight", show=fmt.count)),
    Column(
        group="held",
        head="jobs/s",
        show=_part("sustained_per_s", key="median", show=fmt.number),
        is_strong=True,
    ),
    Column(group="held", head="range", show=_range("sustained_per_s")),
    Column(group="cost", head="CPU-s /1,000", show=_of("cpu_s_per_1000_jobs", show=fmt.number)),
    Column(
        group="cost", head="jobs/s a busy core", show=_of("per_busy_core_per_s", show=fmt.number)
    ),
    Column(group="cost", head="PSS", show=_of("pss_bytes", show=fmt.size)),
    Column(group="cost", head="jobs/s a GB", show=_of("per_gb_per_s", show=fmt.number)),
    Column(
        group="Redis, a job", head="commands", show=_of("redis_commands_per_job", show=fmt.number)
    ),
    Column(group="Redis, a job", head="bytes", show=_of("redis_bytes_per_job", show=fmt.size)),
    *_percentiles("wait", column="wait_s", names=("p50", "p95", "p99", "p99_9")),
    *_percentiles("execution", column="execution_s", names=("p50", "p95", "p99", "p99_9")),
    *_percentiles("response", column="response_s", names=("p50", "p95", "p99", "p99_9")),
    Column(
        group=" ",
        head="ledger",
        show=lambda row: describe_ledger(row["ledger"])[1],
        is_text=True,
    ),
)
