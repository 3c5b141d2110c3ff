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

ENDED_BADLY = {"failed", "revoked", "ignored", "expired", "timed-out"}
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
    failed = {row["seq"] for row in records if row["outcome"] in ENDED_BADLY} - done
    ends: dict[tuple[str, str], int] = defaultdict(int)
    for row in records:
        if row["outcome"] in CAME_TO_AN_END:
            ends[row["seq"], row["attempt"]] += 2 if row["finished_again_ns"] else 1
    return {
        "sent": len(sent),
        "done": len(done),
        "failed": len(failed),
        "retried": sum(row["outcome"] == "retried" for row in records),
        "lost": len(sent) - len(done) - len(failed),
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


def percentile(values: list[int], percent: int) -> int:
    """Return the value at place ceil(percent · n / 100), from 1, of the values in order."""
    place = (percent * len(values) + 99) // 100
    return sorted(values)[place - 1]


def spans_s(times_ns: list[int]) -> dict[str, float]:
    """Return p50, p95 and p99 in seconds."""
    return {f"p{percent}": percentile(times_ns, percent) / 1e9 for percent in (50, 95, 99)}


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


def executions_ns(records: list[Record]) -> list[int]:
    """Return how long each done execution took."""
    return [
        int(row["finished_ns"]) - int(row["started_ns"])
        for row in records
        if row["outcome"] == "done" and row["started_ns"]
    ]


def cpu_s(samples: list[Record], contender: str) -> float | None:
    """Return what a contender's worker spent in one trial."""
    mine = [row for row in samples if row["contender"] == contender and row["cpu_s"]]
    mine.sort(key=lambda row: int(row["t_ns"]))
    return float(mine[-1]["cpu_s"]) - float(mine[0]["cpu_s"]) if len(mine) > 1 else None


def pss_bytes(samples: list[Record], contender: str) -> int | None:
    """Return the largest PSS of a contender's worker in one trial."""
    known = [row["pss_bytes"] for row in samples if row["contender"] == contender]
    return max((int(value) for value in known if value), default=None)


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
    return {
        "ledger": {name: sum(one[name] for one in accounts.values()) for name in ledger([])},
        "throughput_per_s": {
            "median": statistics.median(per_s), "low": min(per_s), "high": max(per_s),
        },
        "wait_s": spans_s(waits_ns(records, "started_ns")),
        "lag_s": spans_s(waits_ns(records, "sent_ns")),
        "execution_s": spans_s(executions_ns(records)),
        "cpu_s_per_1000_jobs": statistics.median(costs),
        "pss_bytes": round(statistics.median(memory)),
    }  # fmt: skip
