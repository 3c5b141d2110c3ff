"""Servers that never were: what the records of jobs that came at a rate would be, exactly.

`serve` is a queue with equal slots, first come first served, whose figures can be worked out.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from collector.run_manifest import Contender
from collector.schema import RECORD_SCHEMA, conform
from collector.store import RunFolder
from tests.synthetic import START_NS, Workload, flat_manifest, make_run, write_flat

S = 1_000_000_000


def serve(
    *,
    rate_per_s: float,
    job_s: float,
    jobs: float,
    slots: float = 1,
    stall_at_s: float = 0.0,
    stall_s: float = 0.0,
    trial: int = 0,
    start_ns: int = START_NS,
    jobs_s: Sequence[float] = (),
    parts: Sequence[str] = (),
) -> pl.DataFrame:
    """Return the records of evenly spaced jobs that all take ``job_s``, or what ``jobs_s`` says.

    From ``stall_at_s`` on the worker stands still for ``stall_s``: no job starts meanwhile.
    """
    free_ns = [start_ns] * int(slots)
    rows: list[dict[str, Any]] = []
    for seq in range(int(jobs)):
        due_ns = start_ns + round(seq / rate_per_s * S)
        begun_ns = max(due_ns, heapq.heappop(free_ns))
        stalled_ns = start_ns + round(stall_at_s * S)
        if stalled_ns <= begun_ns < stalled_ns + round(stall_s * S):
            begun_ns = stalled_ns + round(stall_s * S)
        ended_ns = begun_ns + round((jobs_s[seq] if jobs_s else job_s) * S)
        heapq.heappush(free_ns, ended_ns)
        rows.append(
            {
                "trial": trial,
                "seq": seq,
                "attempt": 0,
                "nonce": f"{trial:08x}{seq:08x}",
                "due_ns": due_ns,
                "sent_ns": due_ns,
                "received_ns": due_ns,
                "started_ns": begun_ns,
                "finished_ns": ended_ns,
                "outcome": "done",
                "boot_id": "5d1c",
                "pid": 1,
                "part": parts[seq] if parts else None,
            }
        )
    return conform(pl.DataFrame(rows, infer_schema_length=None), schema=RECORD_SCHEMA)


def make_load_run(
    path: Path,
    *,
    trials: Sequence[tuple[dict[str, Any], pl.DataFrame]],
    contenders: Sequence[Contender],
    workload: dict[str, Any],
    slo: dict[str, float] | None = None,
) -> RunFolder:
    """Write a finished run of one workload from plans and their records.

    A plan holds what differs from one trial to the next: ``contender``, ``block``, ``rate_per_s``,
    ``step``, ``load_share``, ``held``, ``parts``.
    """
    stand_in = Workload(
        name=workload["name"],
        kind="io.sleep",
        per_s=dict.fromkeys((one.name for one in contenders), 10.0),
    )
    folder = make_run(path, blocks=1, contenders=contenders, workloads=[stand_in], jobs=40)
    manifest = flat_manifest(folder)
    template = {trial["contender"]: trial for trial in manifest["trials"]}
    plans = []
    for index, (plan, records) in enumerate(trials):
        known = template[plan["contender"]]
        plans.append(
            known
            | {"arrivals": "poisson", "measure": workload["measure"], "workload": workload["name"]}
            | {"trial": index, "count": records.height, "sent": records.height, "parts": []}
            | {"step": None, "load_share": None, "held": None}
            | plan
        )
    samples = folder.read_samples().with_columns(pl.col("trial").clip(upper_bound=len(plans) - 1))
    write_flat(
        folder,
        manifest
        | {"workloads": [workload], "trials": plans, "slo": slo or {}}
        | {"repetitions": 1 + max(plan["block"] for plan in plans)},
    )
    folder.write_jobs(
        pl.concat(
            [
                records.with_columns(trial=pl.lit(index, pl.Int64))
                for index, (_, records) in enumerate(trials)
            ]
        )
    )
    folder.write_samples(samples)
    return folder
