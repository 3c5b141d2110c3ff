"""Renders a run's report as one HTML page, which works offline and makes no request."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from poolbench.pools import POOLS
from report import format as fmt
from report.charts.render import VARIABLES, figure_json, packed, to_json, to_svg, vega_script
from report.charts.style import CONFIG
from report.legend import describe_control, describe_ledger, integrity, legend, marks_of
from report.page.conditions import facts_of, settings_of
from report.page.headline import headline, trust
from report.page.lead_chart import choose_lead
from report.page.sections import overviews, section_of
from report.palette import POOL_SHADES, shade_name
from report.result import Summary
from report.trials.trial import TrialSummary
from report.verdicts.naming import label

#: Units that stay on the same line as their number.
_UNITS = ("×", "%", "ms", "µs", "slots", "MB", "GB", "kB")

#: Replaces a pool's lesson if its Python ran without the GIL.
_NO_GIL = (
    "Its Python runs without the GIL: threads run Python code at the same time, but each of them "
    "may be slower than with the GIL."
)

_TEMPLATES = Path(__file__).parent / "templates"


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


def build_page(summary: Summary) -> str:
    """Return the HTML page of a run."""
    lead = choose_lead(summary)
    is_whole, account = integrity(summary)
    text = headline(summary, answer=lead.answer)
    vega, script = vega_script(), _TEMPLATES.joinpath("report.js").read_text(encoding="utf-8")
    names = [contender.name for contender in summary.contenders]
    template = _environment(names).get_template("report.html.j2")
    return template.render(
        summary=summary,
        is_whole=is_whole,
        account=account,
        trust=trust(summary),
        about=_about(summary),
        lead=lead.chart,
        still=to_svg(lead.chart),
        headline=text,
        has_verdicts=len(summary.verdicts) > 1 or summary.verdicts[0].text != text,
        overviews=[one for one in overviews(summary) if one.chart.name != lead.chart.name],
        sections=[section_of(summary, verdict=verdict) for verdict in summary.verdicts],
        controls=_controls(summary),
        pools=_pools(summary),
        pool_names=list(POOL_SHADES),
        marks=marks_of(summary),
        legend=legend(summary),
        light=_variables("light"),
        dark=_variables("dark"),
        settings=settings_of(summary.celery),
        trials=_trials(summary),
        facts=facts_of(summary),
        # the page's own legends replace Vega's
        config=to_json({**CONFIG, "legend": {"disable": True}}),
        vega=packed(vega),
        script=script,
        hashes=[_hash(vega), _hash(script)],
    )


def _hash(script: str) -> str:
    """Return a script's hash in the format of a content security policy."""
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"


def _environment(names: Sequence[str] = ()) -> Environment:
    environment = Environment(
        loader=PackageLoader("report.page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        prose=partial(prose, names=names),
        count=fmt.count,
        number=fmt.number,
        duration=fmt.duration,
        size=fmt.size,
        shade_name=shade_name,
        called=partial(label, has_slots=False),
        percent=fmt.percent,
        moment=fmt.moment,
        account=lambda ledger: describe_ledger(ledger)[1],
        counts=asdict,
        figure_json=figure_json,
    )
    return environment


def prose(text: str, strong: str = "", *, names: Iterable[str] = ()) -> Markup:
    """Return sentences as HTML: backticks become code, names and numbers with units don't wrap.

    ``strong`` is a sentence among them to print in bold.
    """
    kept = str(escape(text))
    if strong:
        kept = kept.replace(str(escape(strong)), f"<b>{escape(strong)}</b>")
    for name in sorted({str(escape(name)) for name in names if "-" in name}, key=len, reverse=True):
        kept = kept.replace(name, f'<span class="keep">{name}</span>')
    for unit in _UNITS:
        kept = kept.replace(f" {unit}", f"\N{NO-BREAK SPACE}{unit}")
    plain, *parts = kept.split("`")
    rest = [f"<code>{part}</code>" if place % 2 == 0 else part for place, part in enumerate(parts)]
    return Markup("".join([plain, *rest]))  # noqa: S704 -- escaped above


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


def _variables(scheme: str) -> str:
    return " ".join(f"--{name}: {getattr(shade, scheme)};" for name, shade in VARIABLES.items())


def _trials(summary: Summary) -> list[TrialLine]:
    first_ns = min((one.start_ns for one in summary.trials if one.start_ns), default=0)
    return [
        TrialLine(
            trial=one,
            after_s=(one.start_ns - first_ns) / 1e9 if one.start_ns else None,
            lasted_s=(one.end_ns - one.start_ns) / 1e9 if one.end_ns and one.start_ns else None,
        )
        for one in summary.trials
    ]
