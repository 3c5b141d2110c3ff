"""Writes a run's report as one HTML file that opens offline: no script, no request, no font."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from poolbench.jobs import JOB_KINDS
from poolbench.pools import POOLS
from report import format as fmt
from report import pictures
from report.account import describe_ledger, integrity, legend, marks_of
from report.limits import SIGN
from report.naming import label
from report.palette import INK_SHADES, OTHER_SHADE, POOL_SHADES, shade_name
from report.pictures import Picture

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


def build_page(summary: Mapping[str, Any], *, manifest: Mapping[str, Any]) -> str:
    """Return the page of a summary; ``manifest`` tells the conditions."""
    template = _environment().get_template("report.html.j2")
    is_whole, account = integrity(summary)
    return template.render(
        summary=summary,
        manifest=manifest,
        is_whole=is_whole,
        account=account,
        about=_about(summary),
        hero=pictures.advantage(summary),
        crossovers=[
            {**found, "picture": pictures.crossover(summary, found=found)}
            for found in summary["crossovers"]
        ],
        sections=[_section(summary, verdict=verdict) for verdict in summary["verdicts"]],
        pools=_pools(summary),
        pool_names=list(POOL_SHADES),
        marks=marks_of(summary),
        legend=legend(summary),
        light=_variables("light"),
        dark=_variables("dark"),
        settings=_settings(manifest.get("celery") or {}),
        trials=_trials(summary),
        facts=_facts(manifest),
        ledger_columns=_LEDGER_COLUMNS,
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("report"),
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


def _section(summary: Mapping[str, Any], *, verdict: Mapping[str, Any]) -> dict[str, Any]:
    name = verdict["workload"]
    workload = next(one for one in summary["workloads"] if one["name"] == name)
    rows = [row for row in summary["rows"] if row["workload"] == name]
    kind = JOB_KINDS.get(workload["kind"])
    parameters = [f"{key} {value:.12g}" for key, value in workload["parameters"].items()]
    return {
        "name": name,
        "kind": workload["kind"],
        "about": kind.summary if kind else "",
        "work_class": str(kind.work_class) if kind else "",
        "parameters": ", ".join(parameters),
        "verdict": verdict,
        "rows": rows,
        "throughput": pictures.throughput(summary, workload=name),
        "pairs": _pairs(summary, workload=name),
        "reasons": _reasons(rows),
    }


def _pairs(summary: Mapping[str, Any], *, workload: str) -> list[Picture]:
    latency = partial(pictures.latency, summary, workload=workload)
    cost = partial(pictures.cost, summary, workload=workload)
    return [
        latency(span="wait", title="Wait, from due to started"),
        latency(span="execution", title="Execution, from started to finished"),
        cost(
            column="cpu_s_per_1000_jobs",
            title="CPU for 1,000 jobs",
            unit="CPU-seconds for 1,000 jobs",
            show=fmt.number,
        ),
        cost(
            column="pss_bytes",
            title="Memory after the last job",
            unit="PSS: its share of memory, MB",
            show=fmt.size,
            scale=1e-6,
        ),
    ]


def _reasons(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return each reason once, with those it holds for."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        told = [(row["mark"], reason) for reason in row["reasons"]]
        told += [(SIGN, limit) for limit in row["limits"]]
        told += [("", row["blocking"]["text"])] if row["blocking"] else []
        for mark, reason in told:
            found.setdefault((mark, reason), []).append(row["contender"])
    return [
        {
            "mark": mark,
            "who": "all" if len(names) == len(rows) > 1 else fmt.listed(names),
            "text": reason,
        }
        for (mark, reason), names in found.items()
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


def _settings(celery: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings that all contenders share, and those that differ, by name."""
    names = sorted({name for settings in celery.values() for name in settings})
    every = {name: [settings.get(name) for settings in celery.values()] for name in names}
    alike = {
        name for name, values in every.items() if all(one == two for one, two in pairwise(values))
    }
    return {
        "contenders": list(celery),
        "shared": [(name, every[name][0]) for name in names if name in alike],
        "different": [(name, every[name]) for name in names if name not in alike],
    }


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


def _facts(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the conditions of the run in a few words each; what isn't known is left out."""
    machine = manifest["machine"]
    broker = manifest.get("broker") or {}
    cgroup = manifest.get("cgroup") or {}
    ceilings = manifest.get("ceilings") or {}
    memory_bytes = machine.get("memory_bytes")
    facts = [
        ("processor", machine.get("cpu_model")),
        ("cores", machine.get("cores")),
        ("memory", fmt.size(memory_bytes) if memory_bytes else None),
        ("system", machine.get("os")),
        ("Python", machine.get("python")),
        *_interpreters(manifest),
        ("cgroup", ", ".join(f"{name} {value}" for name, value in cgroup.items() if value)),
        ("broker", " ".join(str(value) for value in broker.values() if value)),
        ("producer alone", _per_s(ceilings.get("producer_per_s"))),
        ("upstream alone", _each_per_s(ceilings.get("upstream_per_s"))),
        ("Redis alone", _each_per_s(ceilings.get("redis_per_s"))),
        ("empty jobs", _each_per_s(ceilings.get("noop_per_s"))),
    ]
    return [(name, str(value)) for name, value in facts if value]


def _interpreters(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the Pythons of contenders are that have one of their own."""
    found = manifest.get("interpreters") or {}
    return [
        (f"Python of {contender['name']}", _interpreter(found[contender["interpreter"]]))
        for contender in manifest["contenders"]
        if contender.get("interpreter") in found
    ]


def _interpreter(found: Mapping[str, Any]) -> str:
    culprits = fmt.listed([*found["gil_turned_on_by"]])
    gil = "GIL off" if not found["gil_enabled"] else "GIL on"
    said = f"{gil}, turned on by {culprits}" if culprits else gil
    packages = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return f"{found['python']}, {said}; {packages}; {found['path']}"


def _each_per_s(found: Mapping[str, float | None] | None) -> str:
    return ", ".join(f"{name} {_per_s(per_s)}" for name, per_s in (found or {}).items() if per_s)


def _per_s(value: float | None) -> str:
    return f"{fmt.number(value)}/s" if value else ""
