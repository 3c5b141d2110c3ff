"""Finds a run by its id, its folder or a kept summary."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from collector.files import storage_errors
from collector.store import RunFolder
from poolbench.errors import Fault, StorageError, UsageError, nearest
from report.result import SUMMARY_FORMAT, Summary, from_json
from report.summary import summarize

#: Word for the newest run in the results folder.
LATEST = "latest"

#: Help text of an argument that `find_run` reads.
RUN_HELP = f"A run's id, its folder, or {LATEST}: the newest run."

#: Help text of an argument that may also be a summary.
SUMMARY_HELP = f"A run's id, its folder, a kept summary.json, or {LATEST}: the newest run."


def find_run(
    word: str, *, results_dir: Path, argument: str = "run", needs_folder: bool = False
) -> Path:
    """Return the folder of a run, or the summary file that ``word`` names.

    With ``needs_folder`` a summary file is refused: it has no records.

    Raises:
        UsageError: if there is none, with the nearest id, or if this user can't read it.
    """
    runs = sorted(path.parent for path in results_dir.glob("*/manifest.json"))
    if word == LATEST and runs:
        return max(runs, key=_made_at)
    names = f"a run's id, its folder, {'' if needs_folder else 'a summary.json, '}or {LATEST}"
    places = (Path(word), results_dir / word) if word else ()
    path = next((one for one in places if _is_there(one, argument=argument)), None)
    if path is not None and (path.is_dir() or not needs_folder):
        return path
    problem, remedy = "there is no such run", f"name {names}"
    close = nearest(word, among=[LATEST, *(run.name for run in runs)])
    if path is not None:
        problem = "must be a run's folder"
    elif not runs:
        problem = f"there is no run in {results_dir}"
        remedy = "make one with `poolbench run`"
    elif close.startswith("did"):
        remedy = close
    raise UsageError(Fault(field=argument, seen=word or '""', problem=problem, remedy=remedy))


def _is_there(path: Path, *, argument: str) -> bool:
    """Return whether a path exists.

    Raises:
        UsageError: if this user has no permission to check it.
    """
    try:
        return path.exists()
    except PermissionError as error:
        problem = f"can't be read ({error.strerror})"
        remedy = f"give this user access to {path.parent}"
        fault = Fault(field=argument, seen=path.name, problem=problem, remedy=remedy)
        raise UsageError(fault) from error
    except OSError:
        # the system accepts no such path, for example because it is too long
        return False


def output_faults(path: Path | None, *, option: str) -> list[Fault]:
    """Return a fault if a file can't be written there."""
    if path is None or path.parent.is_dir():
        return []
    problem, remedy = f"there is no folder {path.parent}", "create it, or name another"
    return [Fault(field=option, seen=str(path), problem=problem, remedy=remedy)]


def read_summary(path: Path) -> Summary:
    """Return the summary of a run, computed from its records, or the one in a file.

    Raises:
        StorageError: if it can't be read, is of another format version, or is no summary.
    """
    kept = path / "summary.json"
    if path.is_dir() and ((path / "jobs.parquet").exists() or not kept.exists()):
        return summarize(RunFolder(path))
    file = kept if path.is_dir() else path
    with storage_errors(file):
        text = file.read_text(encoding="utf-8", errors="replace")
    try:
        return from_json(text)
    except ValidationError as error:
        faults = {".".join(map(str, one["loc"])): one["input"] for one in error.errors()}
        field = "its text" if "" in faults else next(iter(faults))
        if "format" in faults:
            field = f"format = {faults['format']!r}"
        raise StorageError(
            f"{file}: {field} is invalid: this version reads summaries of format {SUMMARY_FORMAT}. "
            "Name a run: its summary is made anew from its records."
        ) from error


def _made_at(run: Path) -> tuple[int, str]:
    """Return a sort key: when a run was made, Unix ns, and its id.

    The time comes from the manifest, since a run may have any name; 0 if that can't be read.
    """
    try:
        manifest = json.loads((run / "manifest.json").read_bytes())
        return int(manifest["created_ns"]), run.name
    except (OSError, ValueError, TypeError, KeyError):
        return 0, run.name
