"""Makes the folder of a lab run that never was, from a seed: every job has its record.

The records keep the rules of real ones: as many jobs in flight as the contender has slots, one
clock, latency from the due time. A test spoils the folder afterwards to see what the report says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from collector.reasons import Code, Reason
from collector.run_manifest import MANIFEST_FORMAT, Contender, PlannedTrial, read_manifest
from collector.schema import RECORD_SCHEMA
from collector.store import RunFolder
from poolbench.jobs import complete_parameters, find_kind, ideal_wait_s
from poolbench.records import TrialPlan

START_NS = 1_760_000_000_000_000_000
CORES = 2
S = 1_000_000_000

_POOL_SEEN = {
    "threads": "celery.concurrency.thread:TaskPool",
    "asyncio": "poolbench.asyncio_pool.pool:TaskPool",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Jobs of one kind, and how many of them each contender does a second."""

    name: str
    kind: str
    per_s: Mapping[str, float]
    parameters: Mapping[str, int | float] = field(default_factory=dict)


DEMO = (
    Contender(name="prefork-4", pool="prefork", slots=4, note="equal slots"),
    Contender(name="threads-4", pool="threads", slots=4, note="equal slots"),
    Contender(name="gevent-4", pool="gevent", slots=4, note="equal slots"),
    Contender(name="solo", pool="solo", slots=1, note="always one slot"),
)
BENCH = (
    *DEMO,
    Contender(name="prefork-cores", pool="prefork", slots=CORES, note="usual size"),
    Contender(name="threads-50", pool="threads", slots=50, note="usual size"),
    Contender(name="gevent-100", pool="gevent", slots=100, note="usual size"),
)


#: Why a trial is invalid and why it is unstable, where any reason will do.
BROKER_LOST = Reason.of(Code.BROKER_LOST)
DISTURBED = Reason.of(Code.FOREIGN_CPU, bound=0.1)

_PLAN_KEYS = {one.name for one in fields(PlannedTrial)}

#: What the Python of a contender with ``interpreter="free-threaded"`` says of itself.
FREE_THREADED = {
    "path": "/checkout/.venv-free-threaded/bin/python",
    "python": "CPython 3.14.2",
    "is_free_threaded": True,
    "gil_enabled": False,
    "gil_turned_on_by": [],
    "versions": {"celery": "5.7.0", "redis": "8.1.0"},
}
#: How many times the CPU a job takes there, alone.
FREE_THREADED_COST = 1.25


def _per_s(*rates: float) -> dict[str, float]:
    return dict(zip((contender.name for contender in BENCH), rates, strict=True))


#: What two cores do, roughly: the textbook's picture.
WORKLOADS = (
    Workload(
        name="cpu.primes",
        kind="cpu.primes",
        per_s=_per_s(224.0, 112.0, 115.0, 116.0, 229.0, 101.0, 114.0),
    ),
    Workload(
        name="cpu.sha256",
        kind="cpu.sha256",
        per_s=_per_s(218.0, 204.0, 113.0, 115.0, 224.0, 193.0, 112.0),
    ),
    Workload(
        name="io.sleep", kind="io.sleep", per_s=_per_s(77.1, 76.8, 77.2, 19.1, 38.9, 611.0, 744.0)
    ),
    Workload(
        name="io.http", kind="io.http", per_s=_per_s(73.2, 72.6, 73.0, 18.3, 37.2, 402.0, 498.0)
    ),
)


def make_run(
    path: Path,
    *,
    seed: int = 1,
    blocks: int = 5,
    contenders: Sequence[Contender] = DEMO,
    workloads: Sequence[Workload] = WORKLOADS,
    jobs: int = 0,
    noise: float = 0.01,
) -> RunFolder:
    """Write a finished lab run into ``path`` and return its folder.

    ``jobs`` is the count of each trial; 0 takes six a slot and at least 40. ``noise`` is the
    standard deviation of a trial's rate, as a share; blocks drift by 5 % on top, all alike.
    """
    rng = np.random.default_rng(seed)
    folder = RunFolder(path)
    freed = {contender.name for contender in contenders if contender.interpreter}
    plans = list(_plans(rng, blocks=blocks, contenders=contenders, workloads=workloads, jobs=jobs))
    drifts = np.exp(rng.normal(0, 0.05, blocks))
    records, samples, trials = [], [], []
    start_ns = START_NS
    cpu_s: dict[tuple[int, str], float] = {}
    for plan, workload, block in plans:
        speed = float(drifts[block] * np.exp(rng.normal(0, noise)))
        per_s = workload.per_s[plan.contender] * speed
        frame = _records(rng, run=path.name, plan=plan, per_s=per_s, start_ns=start_ns)
        frame = frame.with_columns(gil_enabled=pl.lit(plan.contender not in freed))
        end_ns = int(frame["finished_ns"].max())  # type: ignore[arg-type]  # a column of integers
        before_s = cpu_s.get((block, plan.contender), 0.5)
        samples.append(_samples(plan, start_ns=start_ns, end_ns=end_ns, before_s=before_s))
        cpu_s[block, plan.contender] = before_s + plan.count * _cpu_s_per_job(plan.kind)
        cost = FREE_THREADED_COST if plan.contender in freed else 1.0
        facts = _facts(workload, block=block, drift=float(drifts[block]) / cost)
        trials.append(
            asdict(plan) | facts | {"start_ns": start_ns, "end_ns": end_ns, "sent": plan.count}
        )
        records.append(frame)
        start_ns = end_ns + S // 10
    write_flat(
        folder,
        _manifest(path.name, blocks=blocks, contenders=contenders, workloads=workloads)
        | {"seed": seed, "finished_ns": start_ns, "trials": trials},
    )
    folder.write_jobs(pl.concat(records))
    folder.write_samples(pl.concat(samples))
    return folder


def _facts(workload: Workload, *, block: int, drift: float) -> dict[str, Any]:
    """Return what the lab knows of a trial beside its plan and its times."""
    kind = find_kind(workload.kind)
    gauge_s = None
    if kind.computes:
        share = workload.parameters.get("cpu_share")
        total_ms = workload.parameters.get("total_ms", 0.0)
        gauge_s = (0.0083 if share is None else share * total_ms / 1_000) / drift
    return {
        "block": block,
        "workload": workload.name,
        "is_pilot": False,
        "workers_up": 7,
        "cost_before": {"cpu_s": gauge_s},
        "cost_after": {"cpu_s": gauge_s},
        "ideal_wait_s": ideal_wait_s(kind, complete_parameters(kind, workload.parameters)),
        "reasons": [],
    }


def flat_manifest(folder: RunFolder) -> dict[str, Any]:
    """Return the content of the manifest, with each trial's plan and result as one table."""
    content: dict[str, Any] = json.loads(folder.manifest_path.read_text(encoding="utf-8"))
    trials = [trial["plan"] | trial["result"] for trial in content["trials"]]
    return content | {"trials": trials}


def nested(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a content such as `flat_manifest` returns as that of a manifest."""
    trials = [
        {
            "plan": {key: value for key, value in trial.items() if key in _PLAN_KEYS},
            "result": {key: value for key, value in trial.items() if key not in _PLAN_KEYS},
        }
        for trial in content["trials"]
    ]
    return {**content, "format": MANIFEST_FORMAT, "trials": trials}


def write_flat(folder: RunFolder, content: Mapping[str, Any]) -> None:
    """Write a manifest from a content such as `flat_manifest` returns."""
    folder.write_manifest(read_manifest(nested(content), where=str(folder.path)))


def spoil(
    folder: RunFolder,
    *,
    contender: str = "",
    workload: str = "",
    block: int | None = None,
    **values: Any,
) -> None:
    """Set keys of the manifest's trials that are of all that is named."""
    manifest = flat_manifest(folder)
    for trial in manifest["trials"]:
        is_of = contender in ("", trial["contender"]) and workload in ("", trial["workload"])
        if is_of and block in (None, trial["block"]):
            trial.update(values)
    write_flat(folder, manifest)


def measure_again(folder: RunFolder, *, trial: int, by: int) -> None:
    """Let the trial ``by`` be one that replaced ``trial``, in its block."""
    manifest = flat_manifest(folder)
    manifest["trials"][by] |= {"block": manifest["trials"][trial]["block"], "repeats": trial}
    write_flat(folder, manifest)


def edit_manifest(folder: RunFolder, **values: Any) -> None:
    """Set keys of the manifest; trials are flat."""
    write_flat(folder, flat_manifest(folder) | values)


def find_trial(folder: RunFolder, *, contender: str, workload: str, block: int = 0) -> int:
    """Return the index of a trial."""
    return next(
        one.plan.trial
        for one in folder.read_manifest().trials
        if (one.plan.contender, one.plan.workload, one.plan.block) == (contender, workload, block)
    )


def _plans(
    rng: np.random.Generator,
    *,
    blocks: int,
    contenders: Sequence[Contender],
    workloads: Sequence[Workload],
    jobs: int,
) -> Iterator[tuple[TrialPlan, Workload, int]]:
    cells = [(contender, workload) for contender in contenders for workload in workloads]
    for block in range(blocks):
        for place, index in enumerate(rng.permutation(len(cells))):
            contender, workload = cells[index]
            kind = find_kind(workload.kind)
            plan = TrialPlan(
                trial=block * len(cells) + place,
                contender=contender.name,
                pool=contender.pool,
                slots=contender.slots,
                kind=kind.name,
                parameters=complete_parameters(kind, workload.parameters),
                count=jobs or max(40, 6 * contender.slots),
            )
            yield plan, workload, block


def _records(
    rng: np.random.Generator, *, run: str, plan: TrialPlan, per_s: float, start_ns: int
) -> pl.DataFrame:
    """Return a burst of jobs of which ``slots`` are always in flight (Little's law)."""
    seq = np.arange(plan.count)
    execution_ns = (plan.slots / per_s * np.exp(rng.normal(0, 0.03, plan.count)) * S).astype(int)
    finished_ns = start_ns + ((seq + plan.slots) / per_s * S).astype(int)
    started_ns = np.maximum(finished_ns - execution_ns, start_ns + 1_000_000)
    pids = 4_000 + (seq % plan.slots if plan.pool == "prefork" else seq * 0)
    given = pl.DataFrame(
        {
            "trial": seq * 0 + plan.trial,
            "seq": seq,
            "attempt": seq * 0,
            "nonce": rng.bytes(8 * plan.count).hex(" ", 8).split(),
            "due_ns": seq * 0 + start_ns,
            "sent_ns": seq * 0 + start_ns + 400_000,
            "received_ns": np.maximum(started_ns - int(4 * S / per_s), start_ns + 500_000),
            "started_ns": started_ns,
            "finished_ns": finished_ns,
            "work_ns": execution_ns,
            "pid": pids,
        }
    )
    seen = _POOL_SEEN.get(plan.pool, f"celery.concurrency.{plan.pool}:TaskPool")
    constant: dict[str, Any] = {
        "run": run,
        "contender": plan.contender,
        "kind": plan.kind,
        "outcome": "done",
        "host": "bench",
        "boot_id": "5d1c",
        "pool_seen": seen,
        "sockets_patched": plan.pool == "gevent",
        "gil_enabled": True,
        "finished_again_ns": None,
        "cpu_ns": None,
        "part": None,
        "worker": f"{plan.contender}@bench",
        "eta_ns": None,
        "error": None,
        "blocked_ns": 0 if plan.pool == "asyncio" else None,
    }
    return given.with_columns(
        *(pl.lit(value, dtype=RECORD_SCHEMA[name]).alias(name) for name, value in constant.items()),
        pl.format("{}-{}", pl.lit(plan.contender), "nonce").alias("task_id"),
        pl.format("{}-{}", "pid", pl.col("seq") % plan.slots).alias("slot"),
    ).select(pl.col(name).cast(type_) for name, type_ in RECORD_SCHEMA.items())


def _samples(plan: TrialPlan, *, start_ns: int, end_ns: int, before_s: float) -> pl.DataFrame:
    """Return three samples: before the first message, in the middle, after the last finish."""
    spent_s = plan.count * _cpu_s_per_job(plan.kind)
    pss_bytes = {"prefork": 42 + 21 * plan.slots, "gevent": 58}.get(plan.pool, 46) * 1_000_000
    return pl.DataFrame(
        {
            "trial": [plan.trial] * 3,
            "contender": [plan.contender] * 3,
            "t_ns": [start_ns - 1_000_000, (start_ns + end_ns) // 2, end_ns + 1_000_000],
            "cpu_s": [before_s, before_s + spent_s / 2, before_s + spent_s],
            "recorder_cpu_s": [0.1, 0.1 + spent_s / 200, 0.1 + spent_s / 100],
            "pss_bytes": [None, None, pss_bytes],
            "rss_bytes": [pss_bytes * 2] * 3,
            "connections": [None, None, 3 + plan.slots],
            "processes": [1 + plan.slots if plan.pool == "prefork" else 1] * 3,
        },
        schema_overrides={"pss_bytes": pl.Int64, "connections": pl.Int64},
    )


def _cpu_s_per_job(kind: str) -> float:
    return {"io.sleep": 0.0012, "io.http": 0.0021}.get(kind, 0.0091)


def _manifest(
    run: str, *, blocks: int, contenders: Sequence[Contender], workloads: Sequence[Workload]
) -> dict[str, Any]:
    question = "Which pool, for which kind of work?"
    settings = {"task_acks_late": False, "worker_prefetch_multiplier": 4}
    return {
        "run": run,
        "created_ns": START_NS,
        "state": "finished",
        "command": "poolbench run experiments/pools.toml --profile bench",
        "profile": "bench" if blocks >= 5 else "demo",
        "experiment": {
            "file": "experiments/pools.toml",
            "sha256": "9f" * 32,
            "title": question,
            "question": f"{question}\n\nFour pools do the same\nkinds of job.",
            "text": f'title = "{question}"\n',
        },
        "repetitions": blocks,
        "contenders": [asdict(contender) for contender in contenders],
        "interpreters": {one.interpreter: FREE_THREADED for one in contenders if one.interpreter},
        "skipped": [],
        "workloads": [
            {
                "name": workload.name,
                "kind": workload.kind,
                "parameters": complete_parameters(find_kind(workload.kind), workload.parameters),
            }
            for workload in workloads
        ],
        "versions": {"celery": "5.7.0", "kombu": "5.7.0", "poolbench": "0.1.0", "redis": "8.1.0"},
        "celery": {
            contender.name: settings | {"worker_concurrency": contender.slots}
            for contender in contenders
        },
        "machine": {
            "cpu_model": "Example CPU @ 2.4 GHz",
            "cores": CORES,
            "memory_bytes": 16_000_000_000,
            "os": "Linux 6.12",
            "python": "CPython 3.13.1",
        },
        "cgroup": {"cpu_max": "max 100000", "memory_max": "max"},
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "is_dirty": False},
        "broker": {"server": "valkey", "version": "9.1.2", "origin": "embedded Valkey"},
        "workers": [
            {"block": block, "contender": contender.name, "ready_s": 1.9, "exit_code": 0}
            | {"log": f"logs/{block}-{contender.name}.log"}
            for block in range(blocks)
            for contender in contenders
        ],
        "ceilings": {
            "producer_per_s": 61_000.0,
            "upstream_per_s": {
                workload.name: 2_600.0 for workload in workloads if workload.kind == "io.http"
            },
            "redis_per_s": {contender.name: 9_000.0 for contender in contenders},
            "noop_per_s": {contender.name: 830.0 for contender in contenders},
        },
    }


def speed_up(folder: RunFolder) -> None:
    """Let the jobs of each block come to their ends a sixth sooner than those of the one before."""
    trials = {one["trial"]: one for one in flat_manifest(folder)["trials"]}
    start_ns = pl.col("trial").replace_strict({at: one["start_ns"] for at, one in trials.items()})
    factor = pl.col("trial").replace_strict(
        {at: 1.16 ** -one["block"] for at, one in trials.items()}
    )
    folder.write_jobs(
        folder.read_jobs().with_columns(
            (start_ns + (pl.col(name) - start_ns) * factor).cast(pl.Int64).alias(name)
            for name in ("received_ns", "started_ns", "finished_ns")
        )
    )
