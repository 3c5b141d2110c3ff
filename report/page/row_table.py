"""The page's table of a workload's rows: its columns and their cells. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from report import format as fmt
from report.legend import SIGNS, describe_ledger
from report.result import Decided, RowSummary, Verdict, find_decided
from report.statistics.percentiles import Tail
from report.statistics.ratios import Median
from report.verdicts.metrics import FIGURES


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of figures."""

    #: The common head of several columns.
    group: str
    head: str
    show: Callable[[RowSummary], str]
    #: Whether its figures are the row's main result.
    is_strong: bool = False
    is_text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The columns that have a figure in any row."""

    columns: tuple[Column, ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The common heads of columns, each with the number of columns that it spans."""
        groups = groupby(column.group for column in self.columns)
        return [(name, len(list(found))) for name, found in groups]


def table_of(rows: Sequence[RowSummary]) -> Table:
    """Return the table of the rows; a column without a figure is left out."""
    return Table(
        columns=tuple(
            column for column in COLUMNS if any(column.show(row) != fmt.NOTHING for row in rows)
        )
    )


def ratios_of(rows: Sequence[RowSummary], *, verdict: Verdict) -> Table:
    """Return the table of the figures that are compared with the baseline, throughput aside."""
    columns = [
        Column(
            group="",
            head=FIGURES[name].title,
            show=partial(_ratio, decisions=decisions, baseline=verdict.baseline),
        )
        for name, decisions in verdict.figures.items()
    ]
    return Table(
        columns=tuple(one for one in columns if any(one.show(row) != fmt.NOTHING for row in rows))
    )


def _ratio(row: RowSummary, *, decisions: Sequence[Decided], baseline: str | None) -> str:
    found = find_decided(decisions, contender=row.contender, against=baseline)
    if found is None:
        return fmt.NOTHING
    times, sign = fmt.times(found.ratio.value), SIGNS[found.decision.finding]
    return f"{sign} {times} {fmt.interval(found.ratio.low, high=found.ratio.high)}"


def _medians(group: str, *, of: Callable[[RowSummary], Median | None]) -> tuple[Column, Column]:
    def median(row: RowSummary) -> str:
        found = of(row)
        return fmt.number(found.median if found else None)

    def span(row: RowSummary) -> str:
        found = of(row)
        return fmt.span(found.low, high=found.high) if found else fmt.NOTHING

    return (
        Column(group=group, head="jobs/s", show=median, is_strong=True),
        Column(group=group, head="range", show=span),
    )


def _percentiles(group: str, *, of: Callable[[RowSummary], Tail | None]) -> tuple[Column, ...]:
    shown: dict[str, Callable[[Tail], float | None]] = {
        "p50": lambda tail: tail.p50,
        "p95": lambda tail: tail.p95,
        "p99": lambda tail: tail.p99,
        "p99.9": lambda tail: tail.p99_9,
    }

    def column(head: str, *, pick: Callable[[Tail], float | None]) -> Column:
        return Column(
            group=group, head=head, show=lambda row: fmt.duration(pick(of(row) or Tail()))
        )

    return tuple(column(head, pick=pick) for head, pick in shown.items())


#: Every column that a table may have, in order.
COLUMNS = (
    Column(group="", head="slots", show=lambda row: fmt.count(row.slots)),
    *_medians("throughput", of=lambda row: row.throughput_per_s),
    Column(group="throughput", head="of ceiling", show=lambda row: fmt.percent(row.ceiling_share)),
    Column(group="throughput", head="peak", show=lambda row: fmt.count(row.peak_in_flight)),
    *_medians("sustained", of=lambda row: row.sustained_per_s),
    Column(group="cost", head="CPU-s /1,000", show=lambda row: fmt.number(row.cpu_s_per_1000_jobs)),
    Column(
        group="cost",
        head="jobs/s per busy core",
        show=lambda row: fmt.number(row.per_busy_core_per_s),
    ),
    Column(group="cost", head="PSS", show=lambda row: fmt.size(row.pss_bytes)),
    Column(group="cost", head="jobs/s per GB", show=lambda row: fmt.number(row.per_gb_per_s)),
    Column(
        group="Redis / job",
        head="commands",
        show=lambda row: fmt.number(row.redis_commands_per_job),
    ),
    Column(group="Redis / job", head="bytes", show=lambda row: fmt.size(row.redis_bytes_per_job)),
    *_percentiles("wait", of=lambda row: row.wait_s),
    *_percentiles("execution", of=lambda row: row.execution_s),
    *_percentiles("response", of=lambda row: row.response_s),
    Column(
        group="priorities",
        head="started in order",
        show=lambda row: fmt.percent(row.start_order.share if row.start_order else None),
    ),
    Column(
        group=" ",
        head="ledger",
        show=lambda row: describe_ledger(row.ledger)[1],
        is_text=True,
    ),
)
