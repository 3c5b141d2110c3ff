"""Recomputes a run's figures from its exported CSV files as docs/columns.md says.

Python's csv module and nothing of ours, so that an error of ours can't be in both.
"""

from __future__ import annotations

import csv
import statistics
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Record = dict[str, str]

ENDED_BADLY = {"failed", "revoked", "ignored", "timed-out"}
CAME_TO_AN_END = {"done", "failed", "timed-out"}


def read(path: Path) -> list[Record]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def by_trial(rows: Iterable[Record]) -> dict[int, list[Record]]:
    """Return the rows of each trial."""
    found: dict[int, list[Record]] = defaultdict(list)
    for row in rows:
        found[int(row["trial"])].append(row)
    return found


def ledger(records: list[Record]) -> dict[str, int]:
    """Return the account of one trial."""
    records = [row for row in records if row["seq"]]
    sent = {row["seq"] for row in records}
    done = {row["seq"] for row in records if row["outcome"] == "done"}
    badly = [row for row in records if row["outcome"] in ENDED_BADLY]
    planned = {row["seq"] for row in badly if row["error"].startswith("PlannedError")}
    others = {row["seq"] for row in badly if not row["error"].startswith("PlannedError")}
    expired = {row["seq"] for row in records if row["outcome"] == "expired"}
    failed = others - done
    planned -= done | failed
    expired -= done | failed | planned
    ends: dict[tuple[str, str], int] = defaultdict(int)
    for row in records:
        if row["outcome"] in CAME_TO_AN_END:
            ends[row["seq"], row["attempt"]] += 2 if row["finished_again_ns"] else 1
    return {
        "sent": len(sent),
        "done": len(done),
        "failed": len(failed),
        "failed_as_planned": len(planned),
        "expired": len(expired),
        "retried": sum(row["outcome"] == "retried" for row in records),
        "lost": len(sent - done - failed - planned - expired),
        "duplicated": sum(count - 1 for count in ends.values()),
    }


def throughput_per_s(records: list[Record]) -> float | None:
    """Return jobs done a second of one trial."""
    slots = int(records[0]["slots"])
    finishes = sorted(int(row["finished_ns"]) for row in records if row["outcome"] == "done")
    if records[0]["arrivals"] != "burst":
        first_due = min(int(row["due_ns"]) for row in records if row["due_ns"])
        return len(finishes) / (finishes[-1] - first_due) * 1e9
    filling = max(1, min(slots, peak_in_flight(records)))
    if len(finishes) < 5 * filling:
        return None
    return (len(finishes) - filling) / (finishes[-1] - finishes[filling - 1]) * 1e9


def peak_in_flight(records: list[Record]) -> int:
    """Return the most executions at one instant; one that ends as another starts is over."""
    known = [row for row in records if row["started_ns"] and row["finished_ns"]]
    moments = [(int(row["started_ns"]), 1) for row in known]
    moments += [(int(row["finished_ns"]), -1) for row in known]
    peak = depth = 0
    for _, change in sorted(moments):
        depth += change
        peak = max(peak, depth)
    return peak


def percentile_s(values_ns: list[int], per_mille: int) -> float:
    """Return the value at place ceil(per mille · n / 1000), from 1, of the values in order."""
    place = (per_mille * len(values_ns) + 999) // 1_000
    return sorted(values_ns)[place - 1] / 1e9


def spans_s(times_ns: list[int]) -> dict[str, float | None]:
    """Return p50, p95 and p99 in seconds, and p90 and p99.9 where there are values enough."""
    found = {"p50": 500, "p95": 950, "p99": 990}
    return tail_s(times_ns) | {
        name: percentile_s(times_ns, per_mille) for name, per_mille in found.items()
    }


def tail_s(times_ns: list[int]) -> dict[str, float | None]:
    """Return each percentile in seconds where there are values enough for it."""
    needed = {"p50": (500, 5), "p90": (900, 29), "p95": (950, 59), "p99": (990, 299)}
    needed |= {"p99_9": (999, 2_995)}
    return {
        name: percentile_s(times_ns, per_mille) if len(times_ns) >= count else None
        for name, (per_mille, count) in needed.items()
    }


def differences_ns(
    records: list[Record], end: str, *, less: str, outcome: str = "", attempt: str = ""
) -> list[int]:
    """Return one stamp less another, by record that has both."""
    return [
        int(row[end]) - int(row[less])
        for row in records
        if row[end]
        and row[less]
        and outcome in ("", row["outcome"])
        and attempt in ("", row["attempt"])
    ]


def waits_ns(records: list[Record], end: str) -> list[int]:
    """Return by job the first ``end`` less the first due."""
    jobs: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for row in records:
        if row["due_ns"] and row[end]:
            jobs[row["trial"], row["seq"]].append(row)
    return [
        min(int(row[end]) for row in rows) - min(int(row["due_ns"]) for row in rows)
        for rows in jobs.values()
    ]


def cpu_s(samples: list[Record], contender: str) -> float | None:
    """Return what a contender's worker spent in one trial."""
    mine = _during(samples, contender)
    return float(mine[-1]["cpu_s"]) - float(mine[0]["cpu_s"]) if len(mine) > 1 else None


def pss_bytes(samples: list[Record], contender: str) -> int | None:
    """Return the last PSS of a contender's worker in one trial."""
    known = [row["pss_bytes"] for row in _during(samples, contender)]
    return next((int(value) for value in reversed(known) if value), None)


def _during(samples: list[Record], contender: str) -> list[Record]:
    """Return the samples of a contender's worker in one trial, in order, without that after it."""
    mine = [row for row in samples if row["contender"] == contender and row["is_after"] != "true"]
    return sorted(mine, key=lambda row: int(row["t_ns"]))


def row_figures(jobs: list[Record], samples: list[Record]) -> dict[str, Any]:
    """Return the figures of a row: one contender × workload, over all its trials."""
    trials = by_trial(row for row in jobs if row["is_pilot"] == "false")
    accounts = {trial: ledger(records) for trial, records in trials.items()}
    valid = {key: rows for key, rows in trials.items() if rows[0]["is_valid"] == "true"}
    sampled = by_trial(samples)
    contender = jobs[0]["contender"]
    records = [row for rows in valid.values() for row in rows]
    per_s = [found for rows in valid.values() if (found := throughput_per_s(rows))]
    costs = [
        1_000 * spent / accounts[trial]["done"]
        for trial in valid
        if (spent := cpu_s(sampled[trial], contender)) is not None
    ]
    memory = [found for trial in valid if (found := pss_bytes(sampled[trial], contender))]
    executions_ns = differences_ns(records, "finished_ns", less="started_ns", outcome="done")
    return {
        "ledger": {name: sum(one[name] for one in accounts.values()) for name in ledger([])},
        "throughput_per_s": {
            "median": statistics.median(per_s), "low": min(per_s), "high": max(per_s),
        },
        "wait_s": spans_s(waits_ns(records, "started_ns")),
        "lag_s": spans_s(waits_ns(records, "sent_ns")),
        "execution_s": spans_s(executions_ns),
        "response_s": spans_s(
            differences_ns(records, "finished_ns", less="due_ns", outcome="done")
        ),
        "wait_parts_s": {
            "lag": tail_s(waits_ns(records, "sent_ns")),
            "broker": tail_s(differences_ns(records, "received_ns", less="sent_ns", attempt="0")),
            "prefetch": tail_s(differences_ns(records, "started_ns", less="received_ns")),
            "execution": tail_s(executions_ns),
        },
        "per_busy_core_per_s": statistics.median(1_000 / cost for cost in costs),
        "per_gb_per_s": statistics.median(
            found / memory_of * 1e9
            for trial, rows in valid.items()
            if (found := throughput_per_s(rows))
            and (memory_of := pss_bytes(sampled[trial], contender))
        ),
        "cpu_s_per_1000_jobs": statistics.median(costs),
        "pss_bytes": round(statistics.median(memory)),
    }  # fmt: skip
