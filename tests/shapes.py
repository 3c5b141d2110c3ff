"""Summaries of every shape of run: what each kind of experiment leaves, from a run that never was.

Their figures follow simple laws, so that a picture of them can be judged by eye.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from collector.run_manifest import Manifest
from collector.store import RunFolder
from report.statistics.scalability import Scaling, fit_scaling
from report.summary import summarize
from tests.crossing import make_crossing
from tests.synthetic import (
    BENCH,
    WORKLOADS,
    Contender,
    Workload,
    edit_manifest,
    edit_trials,
    flat_manifest,
    make_run,
)

Summary = dict[str, Any]

#: What a contender holds of what it can do, and where a curve is measured.
_HELD, SHARES = 0.8, (0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.05)

_SIZES = (1, 2, 4, 8, 16, 32)

#: Contention and coherency of the sweep.
_SIGMA, _KAPPA = 0.06, 0.002


def capacity(path: Path) -> tuple[Summary, Manifest]:
    """Seven contenders and a second prefork-4 on four workloads, with all that a row can tell."""
    twin = Contender(name="prefork-4-again", pool="prefork", slots=4, note="the noise")
    workloads = [
        Workload(
            name=one.name, kind=one.kind, per_s={**one.per_s, twin.name: one.per_s["prefork-4"]}
        )
        for one in WORKLOADS
    ]
    folder = make_run(path, contenders=(*BENCH, twin), workloads=workloads)
    contenders = flat_manifest(folder)["contenders"]
    contenders[-1]["twin_of"] = "prefork-4"
    edit_manifest(folder, contenders=contenders)
    return _told(folder)


def rate(path: Path) -> tuple[Summary, Manifest]:
    """Four contenders to which jobs come at a rate, and how late the producer was."""
    folder = make_run(path, workloads=WORKLOADS[2:], jobs=300)
    edit_trials(folder, change=lambda trial: trial.update(arrivals="poisson", measure="rate"))
    folder.write_jobs(_come_at_a_rate(folder.read_jobs()))
    summary, manifest = _told(folder)
    bounds_s = [1e-5 * 2**step for step in range(10)]
    for row in summary["rows"]:
        row["measure"] = "rate"
        row["lag_histogram"] = [
            {"from_s": low, "to_s": high, "jobs": round(900 * math.exp(-((step - 3) ** 2) / 4))}
            for step, (low, high) in enumerate(pairwise(bounds_s))
        ]
    return summary, manifest


def sustain(path: Path) -> tuple[Summary, Manifest]:
    """Seven contenders of whom the highest rate was sought that they hold."""
    summary, manifest = _told(make_run(path, contenders=BENCH, workloads=WORKLOADS[2:]))
    summary["slo"] = {"p95_wait_s": 1.0}
    for row in summary["rows"]:
        sustained_per_s = _HELD * row["throughput_per_s"]["median"]
        row["measure"] = "sustain"
        row["sustained_per_s"] = {
            "median": sustained_per_s,
            "low": 0.95 * sustained_per_s,
            "high": 1.04 * sustained_per_s,
        }
    return summary, manifest


def curve(path: Path) -> tuple[Summary, Manifest]:
    """The same, and latency at shares of the rate held."""
    summary, manifest = sustain(path)
    summary["curves"] = [
        {
            "workload": row["workload"],
            "contender": row["contender"],
            "pool": row["pool"],
            "points": [
                _unmeasured(share=1.2),
                *(_loaded(row, share=share) for share in SHARES),
            ],
        }
        for row in summary["rows"]
    ]
    return summary, manifest


def sweep(path: Path) -> tuple[Summary, Manifest]:
    """Two pools at six sizes each, with the law; and Celery's events on and off."""
    contenders = [
        Contender(name=f"{pool}-{slots}", pool=pool, slots=slots)
        for pool in ("threads", "gevent")
        for slots in _SIZES
    ]
    per_s = {one.name: _law(one.slots, pool=one.pool) for one in contenders}
    workload = Workload(name="io.http", kind="io.http", per_s=per_s)
    summary, manifest = _told(make_run(path, contenders=contenders, workloads=[workload]))
    summary["sweeps"] = [_swept(summary, pool=pool) for pool in ("threads", "gevent")]
    summary["sweeps"].append(
        {
            "setting": "events",
            "of": "threads-4",
            "workload": "io.http",
            "pool": "threads",
            "points": [
                {"value": value, "contender": "threads-4", "median": figure, "mark": ""}
                | {"low": 0.97 * figure, "high": 1.02 * figure}
                for value, figure in ((False, 96.0), (True, 61.0))
            ],
            "usl": None,
            "usl_reason": "",
        }
    )
    return summary, manifest


def mix(path: Path) -> tuple[Summary, Manifest]:
    """Short jobs beside long ones, at a rate."""
    summary, manifest = rate(path)
    parts = [
        {"name": name, "kind": "io.sleep", "parameters": {"delay_ms": delay_ms}, "share": share}
        for name, delay_ms, share in (("short", 10, 0.9), ("long", 1_000, 0.1))
    ]
    for workload in summary["workloads"][:1]:
        workload.update(mix=parts)
    summary["fairness"] = [
        {
            "workload": row["workload"],
            "contender": row["contender"],
            "pool": row["pool"],
            "by_kind": {
                "short": _slowed(0.01, by=40.0 / row["slots"]),
                "long": _slowed(1.0, by=2.0),
            },
            "unfairness": 20.0 / row["slots"],
        }
        for row in summary["rows"]
        if row["workload"] == summary["workloads"][0]["name"]
    ]
    return summary, manifest


def mixed_share(path: Path) -> tuple[Summary, Manifest]:
    """Six contenders at six shares of computing."""
    return _told(make_crossing(path))


def empty(path: Path) -> tuple[Summary, Manifest]:
    """A run that was stopped before its first trial."""
    folder = make_run(path)
    edit_manifest(folder, state="unfinished", trials=[])
    return summarize(folder), folder.read_manifest()


#: What a run may be → its summary and its manifest, from a folder to be made.
SHAPES: Mapping[str, Callable[[Path], tuple[Summary, Manifest]]] = {
    "capacity": capacity,
    "rate": rate,
    "sustain": sustain,
    "curve": curve,
    "sweep": sweep,
    "mix": mix,
    "mixed.share": mixed_share,
}


def _told(folder: RunFolder) -> tuple[Summary, Manifest]:
    """Return a folder's summary, with the columns that only some runs have."""
    summary = summarize(folder)
    for row in summary["rows"]:
        row["redis_commands_per_job"] = 5.2
        row["redis_bytes_per_job"] = 2_950.0
    return summary, folder.read_manifest()


def _come_at_a_rate(jobs: pl.DataFrame) -> pl.DataFrame:
    """Return the records as of jobs that were due shortly before each was started."""
    waits_ns = np.random.default_rng(3).exponential(5e6, jobs.height).astype(int)
    due_ns = pl.col("started_ns") - 1_500_000 - pl.Series(waits_ns)
    return jobs.with_columns(due_ns=due_ns, sent_ns=due_ns + 80_000, received_ns=due_ns + 900_000)


def _loaded(row: Mapping[str, Any], *, share: float) -> dict[str, Any]:
    """Return a point of a curve, as of a queue with one server; beyond what is held it grows."""
    spare = max(1 - share * _HELD, 0.08)
    wait_s = {"p50": 0.004 / spare, "p95": 0.02 / spare**2, "p99": 0.04 / spare**2}
    return {
        "share": share,
        "rate_per_s": share * row["sustained_per_s"]["median"],
        "held": share <= 1,
        "wait_s": wait_s,
        "response_s": {name: value + 0.1 for name, value in wait_s.items()},
        "repetitions": 5,
        "mark": "",
    }


def _unmeasured(*, share: float) -> dict[str, Any]:
    """Return a point whose trials are all invalid."""
    nothing = {"rate_per_s": None, "held": None, "wait_s": None, "response_s": None}
    return {"share": share, **nothing, "repetitions": 0, "mark": "!"}


def _law(slots: float, *, pool: str) -> float:
    sigma = _SIGMA if pool == "threads" else _SIGMA / 4
    return 10 * slots / (1 + sigma * (slots - 1) + _KAPPA * slots * (slots - 1))


def _swept(summary: Summary, *, pool: str) -> dict[str, Any]:
    rows = [row for row in summary["rows"] if row["pool"] == pool]
    found = {
        row["slots"]: {
            trial["block"]: trial["throughput_per_s"]
            for trial in summary["trials"]
            if trial["contender"] == row["contender"]
        }
        for row in rows
    }
    law = fit_scaling(found)
    return {
        "setting": "slots",
        "of": pool,
        "workload": "io.http",
        "pool": pool,
        "points": [
            {"value": row["slots"], "contender": row["contender"], "mark": row["mark"]}
            | row["throughput_per_s"]
            for row in rows
        ],
        "usl": _law_told(law) if isinstance(law, Scaling) else None,
        "usl_reason": "" if isinstance(law, Scaling) else law.reason,
    }


def _law_told(law: Scaling) -> dict[str, Any]:
    sizes = np.geomspace(law.slots[0] / 2, law.slots[-1] * 2, 40)
    return {
        **asdict(law),
        "curve": [{"slots": float(size), "per_s": law.per_s(float(size))} for size in sizes],
    }


def _slowed(ideal_s: float, *, by: float) -> dict[str, Any]:
    slowdown = {"p50": by, "p90": 1.5 * by, "p95": 2 * by, "p99": 3 * by, "p99_9": None}
    return {"ideal_s": ideal_s, "jobs": 900, "unfinished": 0, "slowdown": slowdown}
