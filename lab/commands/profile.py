"""`poolbench profile`: prints what the jobs of a recorded app are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter
from rich.console import Console

from collector.recording import read_recording
from lab.conformance.kept import kept_verdicts
from report.profile.measure import measure_profile
from report.profile.model import Profile
from report.profile.terminal import render

_output = Console()


def profile(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Recordings of one app; each may be of one worker."),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Print every figure, and what each pool does.")
    ] = False,
) -> None:
    """Print what a recorded app's jobs are, and what its worker's settings did to them."""
    found = measure_profile(read_recording(*files), verdicts=kept_verdicts())
    if as_json:
        text = TypeAdapter(Profile).dump_json(found, indent=1).decode()
        sys.stdout.write(f"{text}\n")
        return
    _output.print(render(found, has_details=details))
