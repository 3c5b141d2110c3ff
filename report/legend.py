"""Words on a run as a whole, shared by terminal and page: its account, and what its marks mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from report import format as fmt
from report.rows.harness_ceilings import MEANING, SIGN
from report.statistics.ratios import CLAIM_BLOCKS, UNSTABLE_SPREAD

#: Mark → meaning.
MARKS: Mapping[str, str] = {
    "!": "invalid: a ledger that does not close, or broken conditions",
    "~": f"unstable: repetitions over {UNSTABLE_SPREAD * 100:.0f} % apart or drifting, or the "
    "machine was disturbed",
    "?": f"fewer than {CLAIM_BLOCKS} repetitions: no claim",
}


def marks_of(summary: Mapping[str, Any]) -> dict[str, str]:
    """Return the marks that this run's tables may show, each with its meaning."""
    is_near = any(row["limits"] for row in summary["rows"])
    return {**MARKS, **({SIGN: MEANING} if is_near else {})}


def integrity(summary: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether every job of the run is accounted for, and that in words."""
    ledger = summary["ledger"]
    if not ledger["sent"]:
        return False, "No job was measured."
    is_whole, text = describe_ledger(ledger)
    marked = sum(row["mark"] == "!" for row in summary["rows"])
    if is_whole and not marked:
        return True, f"All {fmt.counted(ledger['sent'], noun='job')} accounted for."
    start = f"All {fmt.counted(ledger['sent'], noun='job')} accounted for" if is_whole else text
    rows = f"; {fmt.counted(marked, noun='row')} invalid" if marked else ""
    return False, f"{start}{rows}."


def describe_ledger(ledger: Mapping[str, int]) -> tuple[bool, str]:
    """Return whether an account closes without duplicates, and its counts in words."""
    others = [
        f"{ledger[name]:,} {name}"
        for name in ("failed", "retried", "lost", "duplicated")
        if ledger[name]
    ]
    is_whole = not ledger["lost"] and not ledger["duplicated"]
    start = f"{ledger['done']:,} of {ledger['sent']:,} done"
    if ledger["done"] == ledger["sent"] > 0:
        start = f"all {ledger['sent']:,} done"
    return is_whole, ", ".join([start, *others])


def legend(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the words for this run's figures, each with its meaning."""
    words = [("jobs/s", "median of the repetitions, with their range")]
    if any(verdict["smallest_difference"] is not None for verdict in summary["verdicts"]):
        meaning = (
            "geometric mean of the paired repetitions' ratios, with its 95 % interval "
            "(Student's t on their logarithms)"
        )
        words.append(("1.94 × solo [1.90–1.99]", meaning))
    ceiling = (
        "what the workload allows without Celery: for work that computes, cores ÷ CPU-seconds "
        "a job, measured beside each trial; for waits, slots ÷ wait; for a job that does both, the "
        "lesser of cores ÷ CPU-seconds and slots ÷ (wait + CPU-seconds)"
    )
    pss = (
        "its share of memory after the last job; pages shared with other processes are divided "
        "among them"
    )
    return [
        *words,
        ("ceiling", ceiling),
        ("CPU-s /1,000", "CPU-seconds of all the worker's processes for 1,000 jobs"),
        ("PSS", pss),
        ("wait", "from due to started; in a backlog it is the job's place in the queue"),
        ("execution", "from started to finished, result stored"),
    ]
