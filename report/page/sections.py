"""What the page shows below its first screen: overviews, and a section a workload. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from poolbench.jobs import JOB_KINDS
from report import format as fmt
from report.charts import capacity, course, load, scaling, waits
from report.charts.picture import Picture, Summary, rows_of
from report.page.lead_chart import Answer
from report.page.row_table import table_of
from report.rows.reasons import tell

#: The costs that a section draws, and those of them that it draws without a figure too.
_COSTS: tuple[dict[str, Any], ...] = (
    {
        "column": "cpu_s_per_1000_jobs",
        "title": "CPU for 1,000 jobs",
        "unit": "CPU-seconds for 1,000 jobs",
        "show": fmt.number,
    },
    {
        "column": "pss_bytes",
        "title": "Memory after the last job",
        "unit": "PSS: its share of memory, MB",
        "show": fmt.size,
        "scale": 1e-6,
    },
    {
        "column": "redis_commands_per_job",
        "title": "Redis commands for a job",
        "unit": "commands for a job",
        "show": fmt.number,
    },
    {
        "column": "redis_bytes_per_job",
        "title": "Bytes to and from Redis for a job",
        "unit": "bytes for a job",
        "show": fmt.size,
    },
)
#: Where throughput is the rate that was sought, and drawn as that.
_SEARCHED = ("sustain", "curve")

_ALWAYS = ("cpu_s_per_1000_jobs", "pss_bytes")


def overviews(summary: Summary, *, first: Answer) -> list[dict[str, Any]]:
    """Return what tells of several workloads at once, without what is on the first screen."""
    crossovers = list(enumerate(summary["crossovers"], start=1))
    sweeps = list(enumerate(scaling.sweep_groups(summary), start=1))
    found = [
        {
            "id": f"crossover-{number}",
            "title": f"{one['kind']}: how much of a job may compute?",
            "text": one["text"],
            "mark": one["mark"],
            "picture": scaling.crossover(summary, found=one),
        }
        for number, one in crossovers[1 if first is Answer.CROSSOVER else 0 :]
    ]
    found += [
        _overview(f"sweep-{number}", picture=scaling.sweep(summary, group=group))
        for number, group in sweeps[1 if first is Answer.SWEEP else 0 :]
    ]
    if first is not Answer.SUSTAINED and any(row.get("sustained_per_s") for row in summary["rows"]):
        found.append(_overview("sustained", picture=load.sustained(summary)))
    has_capacity = any(row["is_backlog"] and row["throughput_per_s"] for row in summary["rows"])
    if first is not Answer.ADVANTAGE and has_capacity and len(summary["contenders"]) > 1:
        found.append(_overview("advantage", picture=capacity.advantage(summary)))
    return found


def section_of(
    summary: Summary, *, verdict: Mapping[str, Any], shown: Picture | None = None
) -> dict[str, Any]:
    """Return what the page tells of a verdict's workload, without the picture shown before."""
    name = verdict["workload"]
    workload = next(one for one in summary["workloads"] if one["name"] == name)
    rows = rows_of(summary, workload=name)
    kind = JOB_KINDS.get(workload.get("kind") or "")
    return {
        "name": name,
        "kind": workload.get("kind") or name,
        "about": kind.summary if kind else "",
        "work_class": str(kind.work_class) if kind else "",
        "parameters": _parameters(workload),
        "verdict": verdict,
        "rows": rows,
        "table": table_of(rows),
        "pictures": [one for one in _pictures(summary, workload=name) if one != shown],
        "costs": _costs(summary, workload=name),
        "course": course.course(summary, workload=name),
        "reasons": tell(rows),
    }


def _overview(name: str, *, picture: Picture) -> dict[str, Any]:
    return {"id": name, "title": picture.title, "text": "", "mark": "", "picture": picture}


def _parameters(workload: Mapping[str, Any]) -> str:
    """Return the parameters of a workload's jobs in a line; of a mix, those of each part."""
    parts = workload.get("mix") or []
    if not parts:
        return _listed(workload.get("parameters") or {})
    told = [f"{part['name']} ({fmt.percent(part['share'])}): {part['kind']}" for part in parts]
    return "; ".join(
        f"{start}, {_listed(part['parameters'])}" for start, part in zip(told, parts, strict=True)
    )


def _listed(parameters: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {value:.12g}" for key, value in parameters.items())


def _pictures(summary: Summary, *, workload: str) -> list[Picture]:
    """Return the pictures across the page, in order."""
    has_curve = any(one["workload"] == workload for one in summary.get("curves") or [])
    is_fair = any(one["workload"] == workload for one in summary.get("fairness") or [])
    lag = waits.lag_histogram(summary, workload=workload)
    rows = rows_of(summary, workload=workload)
    is_searched = all(row.get("measure") in _SEARCHED for row in rows)
    return [
        *([] if is_searched else [capacity.throughput(summary, workload=workload)]),
        *([load.load_curve(summary, workload=workload)] if has_curve else []),
        *([load.fairness(summary, workload=workload)] if is_fair else []),
        waits.split(summary, workload=workload),
        *([lag] if lag else []),
    ]


def _costs(summary: Summary, *, workload: str) -> list[Picture]:
    """Return the pictures that stand beside each other."""
    rows = rows_of(summary, workload=workload)
    found = [
        capacity.cost(summary, workload=workload, **how)
        for how in _COSTS
        if how["column"] in _ALWAYS or any(row.get(how["column"]) for row in rows)
    ]
    if any(one["workload"] == workload for one in summary.get("curves") or []):
        found += [
            load.load_curve(summary, workload=workload, percentile=name, is_half=True)
            for name in ("p50", "p99")
        ]
    return found
