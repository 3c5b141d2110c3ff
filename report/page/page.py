"""Writes a run's report as one HTML file that opens offline: no script, no request, no font."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from collector.run_manifest import Manifest
from poolbench.pools import POOLS
from report import format as fmt
from report.charts.convert import Converter
from report.charts.drawing import converted_by
from report.legend import describe_ledger, integrity, legend, marks_of
from report.page.conditions import facts_of, settings_of
from report.page.headline import headline, trust
from report.page.lead_chart import choose_hero
from report.page.sections import overviews, section_of
from report.palette import INK_SHADES, OTHER_SHADE, POOL_SHADES, shade_name
from report.verdicts.naming import label

_CODE = re.compile(r"`([^`]*)`")

#: A number and its unit stay on one line.
_UNIT = re.compile(r"(?<=\d) (?=(?:×|%|ms|s|µs|slots|[kMG]?B)(?:\W|$))")

#: A contender's name with a dash in it.
_NAME = re.compile(r"\b[a-z][a-z0-9.]*-[a-z0-9.-]*[a-z0-9]")

#: A range of ratios.
_RANGE = re.compile(r"[\d.,]+–[\d.,]*\d\N{NO-BREAK SPACE}×")

#: A ratio with its interval: what a verdict comes to.
_FIGURE = re.compile(r"[\d.,]+\N{NO-BREAK SPACE}× (?:[\w.]+|<span[^>]*>[^<]*</span>) \[[\d.,–]+\]")

#: What stands for a pool's lesson where its Python ran without the GIL.
_NO_GIL = (
    "Its Python runs without the GIL: threads run Python code at the same time, each of them "
    "perhaps more slowly than with it."
)

_LEDGER_COLUMNS = ("sent", "done", "failed", "retried", "lost", "duplicated")


def build_page(
    summary: Mapping[str, Any],
    *,
    manifest: Manifest,
    converter: Converter | None = None,
) -> str:
    """Return the page of a summary.

    Args:
        summary: of the run.
        manifest: tells the conditions.
        converter: draws the charts meanwhile; without one this process does.
    """
    if converter is None:
        return _render(summary, manifest=manifest)
    with converted_by(converter.later):
        page = _render(summary, manifest=manifest)
    return converter.fill(page)


def _render(summary: Mapping[str, Any], *, manifest: Manifest) -> str:
    template = _environment().get_template("report.html.j2")
    is_whole, account = integrity(summary)
    hero = choose_hero(summary)
    said = headline(summary, answer=hero.answer)
    return template.render(
        summary=summary,
        manifest=manifest,
        is_whole=is_whole,
        account=account,
        trust=trust(summary),
        about=_about(summary),
        hero=hero.picture,
        headline=said,
        has_verdicts=len(summary["verdicts"]) > 1 or summary["verdicts"][0]["text"] != said,
        overviews=overviews(summary, first=hero.answer),
        sections=[
            section_of(summary, verdict=verdict, shown=hero.picture)
            for verdict in summary["verdicts"]
        ],
        twins=_twins(summary),
        pools=_pools(summary),
        pool_names=list(POOL_SHADES),
        marks=marks_of(summary),
        legend=legend(summary),
        light=_variables("light"),
        dark=_variables("dark"),
        settings=settings_of(manifest.celery),
        trials=_trials(summary),
        facts=facts_of(manifest),
        ledger_columns=_LEDGER_COLUMNS,
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("report.page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        prose=prose,
        count=fmt.count,
        number=fmt.number,
        duration=fmt.duration,
        size=fmt.size,
        shade_name=shade_name,
        called=partial(label, has_slots=False),
        percent=fmt.percent,
        moment=fmt.moment,
        account=lambda ledger: describe_ledger(ledger)[1],
    )
    return environment


def prose(text: str) -> Markup:
    """Return a sentence as HTML: code in backticks, its figure strong, nothing torn apart."""
    kept = _UNIT.sub("\N{NO-BREAK SPACE}", str(escape(text)))
    named = _NAME.sub(r'<span class="keep">\g<0></span>', kept)
    named = _RANGE.sub(r'<span class="keep">\g<0></span>', named)
    told = _FIGURE.sub(r'<b class="keep">\g<0></b>', named)
    return Markup(_CODE.sub(r"<code>\1</code>", told))  # noqa: S704 -- escaped above


def _about(summary: Mapping[str, Any]) -> list[str]:
    """Return the paragraphs of the question, without the title that it may begin with."""
    paragraphs = [" ".join(text.split()) for text in summary["question"].split("\n\n")]
    return [text for text in paragraphs if text and text != summary["title"]]


def _twins(summary: Mapping[str, Any]) -> list[str]:
    """Return what each second contender is for, with the noise that it found."""
    floors = summary.get("noise_floor") or {}
    found = ", ".join(
        f"{fmt.percent(floor)} on {workload}"
        for workload, floor in floors.items()
        if floor is not None
    )
    told = f": up to {found}" if found else ""
    return [
        f"{one['name']} is {one['twin_of']} a second time, alike in everything. What sets the two "
        f"apart is the noise of this run{told}; no lesser difference is called one."
        for one in summary["contenders"]
        if one.get("twin_of")
    ]


def _pools(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the pools of the run with what a slot is in each, in the order of the contenders."""
    found = {(row["pool"], row["is_without_gil"]): row for row in summary["rows"]}
    return [
        {
            "name": f"{pool}, no GIL" if is_without_gil else pool,
            "shade": shade_name(row),
            "slot": POOLS[pool].slot,
            "lesson": _NO_GIL if is_without_gil else POOLS[pool].lesson,
        }
        for (pool, is_without_gil), row in found.items()
        if pool in POOLS
    ]


def _variables(scheme: str) -> str:
    shades = {f"pool-{pool}": shade for pool, shade in POOL_SHADES.items()}
    shades |= {"pool-other": OTHER_SHADE, **INK_SHADES}
    return " ".join(f"--{name}: {getattr(shade, scheme)};" for name, shade in shades.items())


def _trials(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the trials with their start, seconds after the first one's."""
    starts_ns = [trial["start_ns"] for trial in summary["trials"] if trial["start_ns"]]
    first_ns = min(starts_ns, default=0)
    return [
        {
            **trial,
            "after_s": (trial["start_ns"] - first_ns) / 1e9 if trial["start_ns"] else None,
            "lasted_s": (
                (trial["end_ns"] - trial["start_ns"]) / 1e9
                if trial["end_ns"] and trial["start_ns"]
                else None
            ),
        }
        for trial in summary["trials"]
    ]
