"""`poolbench run --lanes`: draws what each slot does when, instead of comparing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from collector.files import write_whole
from collector.store import RunFolder
from lab.commands.run_lookup import output_faults
from poolbench.errors import Fault, UsageError
from report.analyses.slot_lanes import SlotLanes
from report.lanes import read_lanes
from report.trace import to_trace

Trace = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        metavar="FILE",
        help="Also write the lanes for Perfetto (ui.perfetto.dev), as .json.",
    ),
]


def check_trace(path: Path | None, *, has_lanes: bool) -> None:
    """Check that a trace can be written there, if one is asked for.

    Raises:
        UsageError: if it can't.
    """
    if path is None:
        return
    option, seen = "--trace", str(path)
    faults = output_faults(path, option=option)
    if path.suffix != ".json":
        remedy = "add --trace FILE.json"
        faults.append(Fault(field=option, seen=seen, problem="must end in .json", remedy=remedy))
    if not has_lanes:
        faults.append(Fault(field=option, problem="there are no lanes", remedy="add --lanes"))
    if faults:
        raise UsageError(*faults)


def write_trace(path: Path | None, *, run: Path) -> None:
    """Write the lanes of a run as a trace for Perfetto, if that is asked for.

    Raises:
        UsageError: if it has none.
        StorageError: if its folder can't be read, or the trace can't be written.
    """
    if path is None:
        return
    folder = RunFolder(run)
    found = read_lanes(folder, manifest=folder.read_manifest())
    if not found:
        problem, remedy = "this run has no lanes", "run the experiment with --lanes"
        raise UsageError(Fault(field="--trace", problem=problem, remedy=remedy))
    lanes = [
        replace(one, name=f"{workload.workload} · {one.name}")
        for workload in found
        for one in workload.lanes
    ]
    write_lanes_as_trace(path, lanes=lanes)


def write_lanes_as_trace(path: Path, *, lanes: Sequence[SlotLanes]) -> None:
    """Write lanes as a trace for Perfetto.

    Raises:
        StorageError: if it can't be written.
    """
    text = json.dumps(to_trace(lanes), ensure_ascii=False, separators=(",", ":"))
    write_whole(path, text)
