"""Runs a Typer app whose faults read like those of all other commands."""

from __future__ import annotations

import typer
from pydantic import ValidationError

from poolbench.constraints import constraint
from poolbench.errors import ExitCode, Fault, UsageError


def run_app(app: typer.Typer) -> int:
    """Run a command line; return its exit code.

    Raises:
        UsageError: for a missing, unknown or invalid option, argument or command.
    """
    try:
        return app(standalone_mode=False) or ExitCode.OK
    except typer.TyperException as error:
        # without words Typer has printed the help, and the message is empty
        if error.format_message():
            raise UsageError(_fault(error)) from error
        return ExitCode.USAGE


def _fault(error: typer.TyperException) -> Fault:
    cause = error.__cause__
    if isinstance(error, typer.BadParameter) and error.param and isinstance(cause, ValidationError):
        first = cause.errors()[0]
        field, seen = error.param.opts[0], str(first["input"])
        problem = constraint(first).replace(f"{seen!r} is not one of", "must be one of").rstrip(".")
        return Fault(field=field, seen=seen, problem=problem)
    problem, _, advice = error.format_message().partition(". ")
    problem = problem[0].lower() + problem[1:].rstrip(".")
    return Fault(problem=problem, remedy=advice or "see --help")
