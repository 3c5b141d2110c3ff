"""`poolbench profile`: prints what the jobs of a recorded app are, or writes it as a page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from collector.files import write_whole
from collector.recording import read_recording
from lab.commands.lanes import Trace, check_trace, write_lanes_as_trace
from lab.commands.run_lookup import output_faults
from lab.conformance.kept import kept_verdicts
from poolbench.errors import UsageError
from report.analyses.slot_lanes import lanes_of
from report.profile.document import to_json
from report.profile.measure import measure_profile
from report.profile.page import build_page
from report.profile.terminal import render

_output = Console()


def profile(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Recordings of one app; each may be of one worker."),
    ],
    *,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write an HTML page to this file.")
    ] = None,
    trace: Trace = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Print every figure, and what each pool does.")
    ] = False,
) -> None:
    """Print what a recorded app's jobs are, and what its worker's settings did to them."""
    if faults := output_faults(output, option="--output"):
        raise UsageError(*faults)
    recording = read_recording(*files)
    found = measure_profile(recording, verdicts=kept_verdicts())
    lanes = lanes_of(recording, name="worker") if recording.steps else None
    check_trace(trace, has_lanes=lanes is not None)
    if trace is not None and lanes is not None:
        write_lanes_as_trace(trace, lanes=[lanes])
    if output is not None:
        page = build_page(found, lanes=lanes).encode()
        write_whole(output, page)
    if as_json:
        sys.stdout.write(f"{to_json(found)}\n")
        return
    _output.print(render(found, has_details=details))
    if output is not None:
        _output.print(f"\npage  [link={output.resolve().as_uri()}]{output}[/link]", highlight=False)
