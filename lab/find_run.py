"""Finds a run by the words that a person has for it: its id, its folder, a kept summary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from collector.files import check_format, storage_errors
from collector.store import RunFolder
from poolbench.errors import Fault, StorageError, UsageError, nearest
from report.compare import SUMMARY_KEYS
from report.summary import summarize

#: Stands for the newest run of the results folder.
LATEST = "latest"


def find_run(word: str, *, results_dir: Path, where: str = "") -> Path:
    """Return the folder of a run, or the summary file that ``word`` names.

    Raises:
        UsageError: if there is none, with the nearest id.
    """
    runs = _runs(results_dir)
    if word == LATEST and runs:
        return runs[-1]
    for path in (Path(word), results_dir / word):
        if path.exists():
            return path
    remedy = f"name a run's id, its folder, a summary.json, or {LATEST}"
    close = nearest(word, among=[LATEST, *(run.name for run in runs)])
    if not runs:
        remedy = f"there is none in {results_dir}; `poolbench run` makes one"
    elif close.startswith("did"):
        remedy = close
    raise UsageError(Fault(problem="no such run", seen=word, remedy=remedy, where=where))


def output_faults(path: Path | None, *, where: str) -> list[Fault]:
    """Return what forbids to write a file there."""
    if path is None or path.parent.is_dir():
        return []
    return [
        Fault(
            problem="no such folder",
            seen=str(path.parent),
            remedy="make it first, or name another",
            where=where,
        )
    ]


def read_summary(path: Path) -> dict[str, Any]:
    """Return the summary of a run's folder, anew from its records, or that of a kept file.

    Raises:
        StorageError: if it can't be read, is of another format version, or holds too little.
    """
    kept = path / "summary.json"
    if path.is_dir() and ((path / "jobs.parquet").exists() or not kept.exists()):
        return summarize(RunFolder(path))
    file = kept if path.is_dir() else path
    with storage_errors(file):
        text = file.read_text(encoding="utf-8", errors="replace")
    try:
        summary = json.loads(text)
    except ValueError as error:
        raise StorageError(f"{file}: no JSON: {error}; name a run or its summary.json") from error
    if not isinstance(summary, dict):
        raise StorageError(f"{file}: no summary; name a run or its summary.json")
    check_format(summary.get("format"), path=file)
    missing = [key for key in SUMMARY_KEYS if key not in summary]
    if missing:
        raise StorageError(
            f"{file}: a summary without {', '.join(missing)}; "
            "make it anew: poolbench report RUN --json"
        )
    return summary


def _runs(results_dir: Path) -> list[Path]:
    """Return the folders of runs, oldest first: their ids begin with the time."""
    if not results_dir.is_dir():
        return []
    return sorted(path.parent for path in results_dir.glob("*/manifest.json"))
