"""`poolbench up`, `down`, `ps` and `logs`: start, stop and show the stack."""

from __future__ import annotations

import os
import subprocess
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from lab.commands.stack_tables import status_table, welcome
from lab.stack.controller import StackController
from lab.stack.stack import Stack
from lab.stack.state import LOCAL, stack_lock
from lab.system.paths import ROOT
from poolbench.calibration import COMMAND
from poolbench.errors import ExitCode, StackError, UsageError, unknown

_output = Console()
_messages = Console(stderr=True)


def up(
    *,
    stack: Annotated[
        str,
        typer.Option(
            envvar="STACK",
            metavar="local|docker",
            help="Force this kind. Default: Docker if an engine answers, else local.",
        ),
    ] = "",
) -> None:
    """Start the stack, or those of its services that are down; wait until all are healthy."""
    controller = _controller()
    with stack_lock(controller.state_dir):
        chosen = controller.choose_stack(stack)
        was_up = chosen.up(started_with=controller.public_settings())
        if not was_up:
            _calibrate(chosen)
        changed = controller.changed_settings()
    _output.print(welcome(chosen))
    if was_up:
        _print("The stack was running; services that were down are started.")
    if changed:
        _print(
            f"Settings changed since the stack started: {', '.join(changed)}. "
            "Run `make down up` to apply them."
        )


def down() -> None:
    """Stop the stack with all its processes; keep results, logs and the broker's data."""
    controller = _controller()
    with stack_lock(controller.state_dir):
        stack = controller.saved_stack() or controller.find_unsaved()
        if stack is None:
            _print("no stack is running")
            return
        _print("stopping when running jobs have finished")
        stack.down()
    typer.echo(f"stopped; results are kept in {stack.settings.results_dir}")


def ps() -> None:
    """Show each service's state, process id, uptime and health."""
    stack = _controller().saved_stack()
    if stack is None:
        _print("no stack is running; start it by `poolbench up`")
        return
    statuses = stack.statuses()
    _output.print(status_table(stack.services, statuses=statuses))
    if not stack.is_up():
        _print("the stack was killed, or the machine restarted; start it by `poolbench up`")
    if not all(status.is_healthy for status in statuses):
        raise typer.Exit(ExitCode.STACK)


def logs(
    service: Annotated[str, typer.Argument(help="Name of a service. Default: all.")] = "",
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new lines until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option(min=0, help="Number of lines from the end of each log.")
    ] = 20,
) -> None:
    """Show the services' logs."""
    controller = _controller()
    stack = controller.saved_stack() or controller.stack(LOCAL)
    names = [known.name for known in stack.services]
    if service and service not in names:
        raise UsageError(unknown("service", field="service", seen=service, among=names))
    wanted = [service] if service else names
    width = max(map(len, wanted))
    try:
        for name, line in stack.read_logs(wanted, lines=lines, is_following=follow):
            typer.echo(f"{name:<{width}} | {line}")
    except KeyboardInterrupt:
        return


def _calibrate(stack: Stack) -> None:
    """Measure a unit of work while the workers are idle; print a failure without raising it."""
    try:
        stack.calibrate()
    except (StackError, subprocess.TimeoutExpired) as error:
        _print(f"No calibration, so that work_ms can't be used: {error}. Make one by {COMMAND}")


def _controller() -> StackController:
    return StackController(ROOT, environ=os.environ, notify=_print)


def _print(text: str) -> None:
    _messages.print(Text(text, style="dim"), soft_wrap=True)
