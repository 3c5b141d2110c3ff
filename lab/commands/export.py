"""`poolbench export`: writes a run's raw records."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from collector.files import storage_errors, write_atomically
from collector.store import RunFolder
from lab.commands.run_lookup import RUN_HELP, find_run, output_faults
from poolbench.errors import Fault, StorageError, UsageError
from poolbench.settings import load_settings
from report.export import Format, Table, export


def export_run(
    run: Annotated[str, typer.Argument(help=RUN_HELP)],
    *,
    form: Annotated[Format, typer.Option("--format", help="Format of the output.")] = Format.CSV,
    table: Annotated[
        Table, typer.Option(help="What to export: records of jobs, or samples of CPU and memory.")
    ] = (Table.JOBS),
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write to this file instead of standard output."),
    ] = None,
) -> None:
    """Export a run's raw records; docs/columns.md describes the columns."""
    faults = output_faults(output, option="--output")
    path = Path()
    try:
        path = find_run(run, results_dir=load_settings().results_dir, needs_folder=True)
    except UsageError as error:
        faults += error.faults
    if form is Format.PARQUET and output is None and sys.stdout.isatty():
        problem, remedy = "can't be printed to a terminal", "add --output FILE"
        faults.append(Fault(field="--format", seen=form, problem=problem, remedy=remedy))
    if faults:
        raise UsageError(*faults)
    folder = RunFolder(path)
    if output is not None:
        write_atomically(output, write=lambda file: export(folder, file, table=table, form=form))
        return
    _to_standard_output(folder, table=table, form=form)


def _to_standard_output(folder: RunFolder, *, table: Table, form: Format) -> None:
    """Write to standard output; a pipe that closes early, as in `| head`, is no fault."""
    try:
        with storage_errors(Path("standard output")):
            export(folder, sys.stdout.buffer, table=table, form=form)
            sys.stdout.flush()
    except StorageError as error:
        # polars raises an OSError without an errno, so that only its text has the reason
        if os.strerror(errno.EPIPE) not in str(error):
            raise
        # discard what is still buffered: the interpreter's last flush must not fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
