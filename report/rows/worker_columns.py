"""The columns of tables about workers themselves, for the terminal and the page. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from report import format as fmt
from report.result import RowSummary
from report.trials.worker_figures import PingFigures

#: Returns a cell's text.
Show = Callable[[RowSummary], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerColumn:
    """One column of figures."""

    title: str
    show: Show
    #: Whether its figure is the one that verdicts compare.
    is_lead: bool = False
    #: Whether a narrow terminal leaves it out.
    is_wide: bool = False


def answer_time(answer_s: float | None, *, ping: PingFigures | None) -> str:
    """Return the time to the answer to a ping; > and the limit if it is that of missed pings."""
    is_missed = ping and ping.missed and answer_s is not None and answer_s >= ping.timeout_s
    return f"> {fmt.duration(answer_s)}" if is_missed else fmt.duration(answer_s)


def _lead(title: str, *, show: Callable[[float | None], str]) -> tuple[WorkerColumn, WorkerColumn]:
    def shown(row: RowSummary, value: float | None) -> str:
        return answer_time(value, ping=row.ping) if row.ping else show(value)

    def median(row: RowSummary) -> str:
        return shown(row, row.lead.median if row.lead else None)

    def span(row: RowSummary) -> str:
        if row.lead is None:
            return fmt.NOTHING
        low, high = shown(row, row.lead.low), shown(row, row.lead.high)
        # a common unit is written once
        number, _, unit = low.partition(" ")
        return f"{number if unit == high.partition(' ')[2] else low}–{high}"

    return (
        WorkerColumn(title=title, show=median, is_lead=True),
        WorkerColumn(title="range", show=span, is_wide=True),
    )


def _column(title: str, show: Show) -> WorkerColumn:
    return WorkerColumn(title=title, show=show)


#: The columns of each measure, in order.
WORKER_COLUMNS: Mapping[str, tuple[WorkerColumn, ...]] = {
    "start": (
        *_lead("all slots", show=fmt.duration),
        _column(
            "first job", lambda row: fmt.duration(row.start.first_job_s if row.start else None)
        ),
        _column("PSS", lambda row: fmt.size(row.start.pss_bytes if row.start else None)),
        _column("processes", lambda row: fmt.count(row.start.processes if row.start else None)),
    ),
    "idle": (
        *_lead("commands/s", show=fmt.number),
        _column("connections", lambda row: fmt.count(row.idle.connections if row.idle else None)),
        _column(
            "CPU-ms/min", lambda row: fmt.number(row.idle.cpu_ms_per_minute if row.idle else None)
        ),
        _column("children", lambda row: fmt.count(row.idle.children if row.idle else None)),
        _column("PSS", lambda row: fmt.size(row.idle.pss_bytes if row.idle else None)),
    ),
    "ping": (
        *_lead("p95", show=fmt.duration),
        _column(
            "p50", lambda row: answer_time(row.ping.p50_s if row.ping else None, ping=row.ping)
        ),
        _column(
            "max", lambda row: answer_time(row.ping.max_s if row.ping else None, ping=row.ping)
        ),
        _column("pings", lambda row: fmt.count(row.ping.pings if row.ping else None)),
        _column("missed", lambda row: fmt.percent(row.ping.missed_share if row.ping else None)),
        _column(
            "jobs/s",
            lambda row: fmt.number(row.throughput_per_s.median if row.throughput_per_s else None),
        ),
    ),
}
