"""`poolbench check`: checks experiment files, and prints what a run of each profile takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.experiment.control import with_control
from lab.experiment.interpreters import equip
from lab.experiment.model import Experiment
from lab.experiment_file.loader import load_profiles
from lab.run.duration import expected_s
from lab.run.trial_sequences import trial_count
from lab.system import environment
from poolbench.errors import Fault, UsageError
from poolbench.settings import load_settings
from report import format as fmt

_output = Console()


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Experiment files.")],
) -> None:
    """Check experiment files: report every fault, or what a run measures and how long it takes."""
    faults: list[Fault] = []
    free_threaded, cores = load_settings().free_threaded, environment.usable_cores()
    for file in files:
        try:
            profiles = {
                name: with_control(equip(planned, free_threaded=free_threaded))
                for name, planned in load_profiles(file, cores=cores).items()
            }
        except UsageError as error:
            faults += error.faults
        else:
            _output.print(render(profiles, cores=cores), highlight=False)
    if faults:
        raise UsageError(*faults)


def render(profiles: Mapping[str, Experiment], *, cores: int) -> RenderableType:
    """Return what a valid file measures in each of its profiles, for a terminal."""
    any_profile = next(iter(profiles.values()))
    app = any_profile.app
    table = Table(box=None, pad_edge=False)
    for column in ("profile", "repetitions", "trials in each", "expected", "contenders"):
        table.add_column(column, overflow="fold")
    for name, planned in profiles.items():
        table.add_row(
            Text(name),
            f"{planned.repetitions} or more" if planned.until else str(planned.repetitions),
            str(trial_count(planned)),
            fmt.minutes(expected_s(planned, cores=cores)),
            Text(", ".join(one.name for one in planned.contenders)),
        )
    skipped = {str(one) for planned in profiles.values() for one in planned.skipped}
    workloads = " · ".join(one.name for one in any_profile.workloads)
    return Group(
        Text.assemble(any_profile.file, "  ", (any_profile.title, "bold")),
        Padding(table, (0, 0, 0, 2)),
        Text(f"  workloads: {workloads}"),
        *([Text(f"  app: {app.module} in {app.directory}; a run asks it first")] if app else ()),
        *(Text(f"  skipped {one}", style="yellow") for one in sorted(skipped)),
    )
