"""Renders a run's report as one HTML page, which works offline and makes no request."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, zip_longest

from poolbench.pools import POOLS
from report import format as fmt
from report.charts.chart import Chart
from report.charts.render import to_svg
from report.legend import describe_control, integrity, legend, marks_of
from report.page.conditions import facts_of, settings_of
from report.page.document import environment, frame
from report.page.headline import headline, trust
from report.page.lead_chart import choose_lead
from report.page.sections import overviews, section_of
from report.palette import shade_name
from report.result import Summary
from report.trials.trial import TrialSummary

#: The most that a page has: it goes by mail.
MOST_BYTES = 1_500_000

#: Most rows that it shows, and so most workloads.
_MOST_ROWS = 400

#: Most rows of the first chart that are drawn for readers without scripts, at about 1 kB a row.
_MOST_STILL_ROWS = 150

#: Most lines of the lists of trials and of workers.
MOST_LINES = 800

#: Replaces a pool's lesson if its Python ran without the GIL.
_NO_GIL = (
    "Its Python runs without the GIL: threads run Python code at the same time, but each of them "
    "may be slower than with the GIL."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLesson:
    """The slots of one of the run's pools, and their properties."""

    name: str
    shade: str
    slot: str
    lesson: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLine:
    """A trial in the list of trials: its start, seconds after the first trial's, and duration."""

    trial: TrialSummary
    after_s: float | None
    lasted_s: float | None
    #: Who spent CPU-seconds, the most first; the largest foreign process with its name.
    spenders: str


def build_page(summary: Summary, *, lanes: Sequence[Chart] = ()) -> str:
    """Return the HTML page of a run, of at most `MOST_BYTES`; with the charts of its lanes, if any.

    A page that would be larger names charts instead of drawing them: of every workload first how
    trials went, and its throughput last. Of very many workloads, trials and workers it shows some,
    and states the total number.
    """
    shown = _shown(summary)
    render = _renderer(summary, shown=shown, lanes=lanes)
    page = render(left_out=())
    if _fits(page):
        return page
    names = [*_least_first(shown), *(chart.name for chart in lanes)]
    sufficient = bisect_left(
        range(len(names)), True, key=lambda count: _fits(render(left_out=names[:count]))
    )
    return render(left_out=names[:sufficient])


def _fits(page: str) -> bool:
    return len(page.encode()) <= MOST_BYTES


def _shown(summary: Summary) -> Summary:
    """Return what the page shows in detail: the first workloads, of at most `_MOST_ROWS` rows."""
    counts = Counter(row.workload for row in summary.rows)
    ends = accumulate(counts[one.name] for one in summary.workloads)
    count = sum(end <= _MOST_ROWS for end in ends) or 1
    names = [one.name for one in summary.workloads[:count]]
    return replace(
        summary,
        workloads=summary.workloads[:count],
        rows=tuple(one for one in summary.rows if one.workload in names),
        verdicts=tuple(one for one in summary.verdicts if one.workload in names),
        sweeps=tuple(one for one in summary.sweeps if one.workload in names),
    )


def _least_first(summary: Summary) -> list[str]:
    """Return the names of the charts that may be left out: the last of every section come first.

    Of alike ones, that of the last workload does. Charts of several workloads come last, and the
    page's first chart is not among them.
    """
    sections = [section_of(summary, verdict=one).figures[::-1] for one in summary.verdicts[::-1]]
    alike = [chart for charts in zip_longest(*sections) for chart in charts if chart]
    charts = [*alike, *(one.chart for one in overviews(summary)[::-1])]
    lead = choose_lead(summary).chart
    return [chart.name for chart in charts if chart.name != lead.name]


def _renderer(summary: Summary, *, shown: Summary, lanes: Sequence[Chart]) -> Callable[..., str]:
    """Return what makes the page without the charts named in ``left_out``."""
    lead = choose_lead(shown)
    is_whole, account = integrity(summary)
    text = headline(summary, answer=lead.answer)
    names = [contender.name for contender in summary.contenders]
    trials, workers = summary.trials, summary.workers
    first_ns = min((one.start_ns for one in trials if one.start_ns), default=0)
    template = environment(names).get_template("report.html.j2")
    is_still = len(lead.chart.rows) <= _MOST_STILL_ROWS
    return partial(
        template.render,
        summary=summary,
        is_whole=is_whole,
        account=account,
        trust=trust(summary),
        about=_about(summary),
        lead=lead.chart,
        lanes=lanes,
        still=to_svg(lead.chart) if is_still else "",
        headline=text,
        has_verdicts=len(summary.verdicts) > 1 or summary.verdicts[0].text != text,
        overviews=[one for one in overviews(shown) if one.chart.name != lead.chart.name],
        rows=shown.rows,
        others=[one.name for one in summary.workloads[len(shown.workloads) :]],
        sections=[section_of(shown, verdict=verdict) for verdict in shown.verdicts],
        controls=_controls(summary),
        pools=_pools(summary),
        marks=marks_of(summary),
        legend=legend(summary),
        settings=settings_of(summary.celery),
        trials=[
            _line(trials[at], first_ns=first_ns) for at in _listed([one.mark for one in trials])
        ],
        workers=[workers[at] for at in _listed([one.exit_code for one in workers])],
        facts=facts_of(summary),
        **frame(),
    )


def _about(summary: Summary) -> list[str]:
    """Return the paragraphs of the question, without the title."""
    paragraphs = [" ".join(text.split()) for text in summary.experiment.question.split("\n\n")]
    return [text for text in paragraphs if text and text != summary.title]


def _controls(summary: Summary) -> list[str]:
    """Return what the A/A control is for, and what it shows in each workload."""
    return [
        f"{describe_control(verdict.equal_pair)} ({verdict.workload})."
        for verdict in summary.verdicts
        if verdict.equal_pair
    ]


def _pools(summary: Summary) -> list[PoolLesson]:
    """Return the pools of the run, in the order of the contenders."""
    found = {(row.pool, row.is_without_gil): row for row in summary.rows}
    return [
        PoolLesson(
            name=f"{pool}, no GIL" if is_without_gil else pool,
            shade=shade_name(row),
            slot=POOLS[pool].slot,
            lesson=_NO_GIL if is_without_gil else POOLS[pool].lesson,
        )
        for (pool, is_without_gil), row in found.items()
        if pool in POOLS
    ]


def _line(trial: TrialSummary, *, first_ns: int) -> TrialLine:
    start_ns, end_ns = trial.start_ns, trial.end_ns
    return TrialLine(
        trial=trial,
        after_s=(start_ns - first_ns) / 1e9 if start_ns else None,
        lasted_s=(end_ns - start_ns) / 1e9 if end_ns and start_ns else None,
        spenders=_spenders(trial),
    )


def _listed(notable: Sequence[object]) -> list[int]:
    """Return which of some lines are listed, at most `MOST_LINES`: rather those that are true."""
    return sorted(sorted(range(len(notable)), key=lambda at: not notable[at])[:MOST_LINES])


def _spenders(trial: TrialSummary) -> str:
    names = {"foreign": f"foreign ({trial.largest_foreign})"} if trial.largest_foreign else {}
    ordered = sorted(trial.cpu_s.items(), key=lambda one: -one[1])
    return ", ".join(f"{names.get(who, who)} {fmt.number(spent_s)}" for who, spent_s in ordered)
