"""The page's table of a workload's rows: its columns and their cells. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from collector.worker_figures import JOBLESS_MEASURES
from report import format as fmt
from report.legend import (
    SIGNS,
    describe_drift,
    describe_ledger,
    describe_level,
    has_level_findings,
)
from report.result import (
    Decided,
    MixFairness,
    RowSummary,
    TargetSummary,
    Verdict,
    find_decided,
)
from report.rows.worker_columns import WORKER_COLUMNS
from report.statistics.percentiles import Tail
from report.statistics.ratios import Median
from report.trials.groups import GroupSummary
from report.trials.limits import RowLimits
from report.trials.slowdown import Slowdown
from report.verdicts.metrics import COMPARED
from report.verdicts.targets import (
    describe_bound,
    describe_missed,
    describe_seen,
    describe_status,
)

#: Level → the head of its columns.
_LEVEL_GROUPS: Mapping[str, str] = {
    "prefetch_count": "prefetch count",
    "queue_jobs": "in the queue",
    "unacked_jobs": "unacknowledged",
    "reserved_jobs": "reserved",
    "countdown_jobs": "countdowns",
    "connections": "connections",
    "pss_bytes": "PSS, MB",
}


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
    of_workers = [
        Column(group="", head=column.title, show=column.show, is_strong=column.is_lead)
        for column in WORKER_COLUMNS.get(rows[0].measure, ())
    ]
    if rows[0].measure in JOBLESS_MEASURES:
        columns = [COLUMNS[0], *of_workers, COLUMNS[-1]]
    else:
        columns = [COLUMNS[0], *of_workers, *COLUMNS[1:]]
    return _with_figures(columns, rows=rows)


def parts_of(rows: Sequence[RowSummary], *, fairness: Sequence[MixFairness]) -> Table:
    """Return the table of wait, response and slowdown of each part of a mix that has its own."""
    by_contender = {one.contender: one.by_kind for one in fairness}
    columns: list[Column] = []
    for part in dict.fromkeys(part for row in rows for part in row.parts):
        for span in ("wait", "response"):
            columns += [
                Column(
                    group=part,
                    head=f"{span} {percentile}",
                    show=partial(_part_span, part=part, span=span, percentile=percentile),
                    is_strong=(span, percentile) == ("response", "p95"),
                )
                for percentile in _PART_PERCENTILES
            ]
        columns += [
            Column(
                group=part,
                head=f"slowdown {percentile}",
                show=partial(_slowdown, by_contender=by_contender, part=part, name=percentile),
            )
            for percentile in _PART_PERCENTILES
        ]
    return _with_figures(columns, rows=rows)


def groups_of(rows: Sequence[RowSummary]) -> Table:
    """Return the table of the groups of workers of each contender that has several."""
    shown: dict[str, Callable[[GroupSummary], str]] = {
        "jobs/s": lambda one: fmt.number(
            one.throughput_per_s.median if one.throughput_per_s else None
        ),
        "of all executions": lambda one: fmt.percent(one.execution_share),
        "execution p95": lambda one: fmt.duration(one.p95_execution_s),
        "CPU-s /1,000": lambda one: fmt.number(one.cpu_s_per_1000_jobs),
        "PSS": lambda one: fmt.size(one.pss_bytes),
    }
    names = dict.fromkeys(group.name for row in rows for group in row.groups)
    columns = [
        Column(group=name, head=head, show=partial(_of_group, name=name, show=show))
        for name in names
        for head, show in shown.items()
    ]
    return _with_figures(columns, rows=rows)


def _of_group(row: RowSummary, *, name: str, show: Callable[[GroupSummary], str]) -> str:
    found = (show(group) for group in row.groups if group.name == name)
    return next(found, fmt.NOTHING)


def targets_of(rows: Sequence[RowSummary]) -> Table:
    """Return the table of the bounds of an SLO: who meets them, and how many jobs miss them."""
    columns: list[Column] = []
    count = max((len(row.targets) for row in rows), default=0)
    first = next((row.targets for row in rows if row.targets), ())
    for place in range(count):
        one = first[place]
        group = f"{one.part}: {describe_bound(one)}" if one.part else describe_bound(one)
        columns += [
            Column(group=group, head=head, show=partial(_target, place=place, show=show))
            for head, show in _TARGET_COLUMNS.items()
        ]
    return _with_figures(columns, rows=rows)


def ratios_of(rows: Sequence[RowSummary], *, verdict: Verdict) -> Table:
    """Return the table of the figures that are compared with the baseline, throughput aside."""
    columns = [
        Column(
            group="",
            head=COMPARED[name].title,
            show=partial(_ratio, decisions=decisions, baseline=verdict.baseline),
        )
        for name, decisions in verdict.figures.items()
    ]
    return _with_figures(columns, rows=rows)


def _with_figures(columns: Sequence[Column], *, rows: Sequence[RowSummary]) -> Table:
    """Return the table of the columns that have a figure in any row."""
    return Table(
        columns=tuple(one for one in columns if any(one.show(row) != fmt.NOTHING for row in rows))
    )


def _part_span(row: RowSummary, *, part: str, span: str, percentile: str) -> str:
    tail = getattr(row.parts.get(part), f"{span}_s", None)
    return fmt.duration(getattr(tail, percentile, None))


def _slowdown(
    row: RowSummary,
    *,
    by_contender: Mapping[str, Mapping[str, Slowdown]],
    part: str,
    name: str,
) -> str:
    found = by_contender.get(row.contender, {}).get(part)
    return fmt.times(getattr(found.slowdown, name)) if found else fmt.NOTHING


def _target(row: RowSummary, *, place: int, show: Callable[[TargetSummary], str]) -> str:
    return show(row.targets[place]) if row.targets else fmt.NOTHING


def levels_of(rows: Sequence[RowSummary]) -> Table:
    """Return the table of levels over time; without columns if there is no finding about them."""
    if not has_level_findings(rows):
        return Table(columns=())
    columns = [
        Column(group=group, head=head, show=partial(show, name=name))
        for name, group in _LEVEL_GROUPS.items()
        for head, show in {"level": describe_level, "drift": describe_drift}.items()
    ]
    return _with_figures(columns, rows=rows)


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


#: The percentiles of the parts of a mix.
_PART_PERCENTILES = ("p50", "p95", "p99")

#: Head of a column on a bound of an SLO → its text.
_TARGET_COLUMNS: Mapping[str, Callable[[TargetSummary], str]] = {
    "target": describe_status,
    "repetitions": lambda one: f"{one.met} of {one.repetitions}",
    "seen": describe_seen,
    "exceeded by": describe_missed,
}


def _limit(head: str, *, show: Callable[[RowLimits], str]) -> Column:
    return Column(
        group="limits",
        head=head,
        show=lambda row: show(row.limits) if row.limits else fmt.NOTHING,
    )


#: Of rows whose workers have limits, or whose number of processes Celery decides.
_LIMITS = (
    _limit("cores", show=lambda limits: fmt.number(limits.cpus)),
    _limit("throttled", show=lambda limits: fmt.percent(limits.throttled_share)),
    _limit("cores stopped", show=lambda limits: fmt.number(limits.throttled_cores)),
    _limit("memory", show=lambda limits: fmt.size(limits.memory_bytes)),
    _limit("peak", show=lambda limits: fmt.size(limits.memory_peak_bytes)),
    _limit("killed", show=lambda limits: fmt.count(limits.oom_kills)),
    Column(group="limits", head="processes", show=lambda row: fmt.count(row.processes)),
)

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
    *_LIMITS,
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
