"""`poolbench up`, `down`, `ps` and `logs`: start, stop and show the stack."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from lab.commands.stack_tables import status_table, welcome
from lab.stack.controller import Desk, Stack
from lab.stack.docker import DockerStack
from lab.stack.local import LocalStack
from lab.stack.logs import AddedLines, last_lines
from lab.stack.state import held
from lab.system.paths import ROOT
from poolbench.calibration import COMMAND
from poolbench.errors import ExitCode, Fault, StackError, UsageError, nearest

#: Compose's prefix of a log line: service, number of the container, bar. The first one follows a
#: code that clears the terminal's line, with any value of --ansi.
_COMPOSE_PREFIX = re.compile(r"^(?:\x1b\[\dK)?(?P<name>[a-z-]+?)(?:-\d+)?\s+\| ?(?P<line>.*)$")

_NOTHING_UP = "no stack is running; start it by `poolbench up`"

_output = Console()
_messages = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the stack's commands to a command line."""
    for command in (up, ps, logs, down):
        app.command(rich_help_panel="Stack")(command)


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
    desk = _desk()
    with held(desk.layout.state_dir):
        chosen = desk.choose(stack)
        before = desk.memory if isinstance(chosen, LocalStack) else None
        was_up = chosen.up(started_with=before.settings if before else desk.plain_values())
        if not was_up:
            _calibrate(chosen)
        changed = _changed_settings(desk)
    where = "local processes" if isinstance(chosen, LocalStack) else "Docker"
    _output.print(welcome(chosen.services, where=where, settings=desk.settings()))
    if was_up:
        _print("The stack was already running; services that were down are started.")
    if changed:
        _print(
            f"Settings changed since the stack started: {', '.join(changed)}. "
            "Run `make down up` to apply them."
        )


def down() -> None:
    """Stop the stack with all its processes; keep results, logs and the broker's data."""
    desk = _desk()
    with held(desk.layout.state_dir):
        stack = desk.running() or desk.find_forgotten()
        if stack is None:
            _print("no stack is running")
            return
        _print("stopping; running jobs finish first")
        stack.down()
    typer.echo(f"stopped; results are kept in {desk.layout.results_dir}")


def ps() -> None:
    """Show each service's state, process id, uptime and health."""
    desk = _desk()
    stack = desk.running()
    if stack is None:
        _print(_NOTHING_UP)
        return
    statuses = stack.statuses()
    _output.print(status_table(statuses))
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
    desk = _desk()
    stack = desk.running() or desk.stack("local")
    names = [known.name for known in stack.services]
    if service and service not in names:
        remedy = nearest(service, among=names)
        raise UsageError(Fault(problem="unknown service", seen=service, remedy=remedy))
    wanted = [service] if service else names
    width = max(map(len, wanted))
    try:
        for name, line in _log_lines(stack, names=wanted, lines=lines, is_following=follow):
            typer.echo(f"{name:<{width}} | {line}")
    except KeyboardInterrupt:
        return


def _log_lines(
    stack: Stack, *, names: list[str], lines: int, is_following: bool
) -> Iterator[tuple[str, str]]:
    """Yield each log line with its service, for both kinds of stack."""
    if isinstance(stack, DockerStack):
        for printed in stack.follow_logs(names, lines=lines, is_following=is_following):
            found = _COMPOSE_PREFIX.match(printed)
            yield (found["name"], found["line"]) if found else ("", printed)
        return
    paths = {name: stack.log_of(name) for name in names}
    with contextlib.closing(AddedLines(paths)) as added:
        for name, path in paths.items():
            for line in last_lines(path, count=lines):
                yield name, line
        if is_following:
            yield from added


def _calibrate(stack: Stack) -> None:
    """Measure a unit of work while the workers are idle; a failure is only reported."""
    try:
        stack.calibrate()
    except (StackError, subprocess.TimeoutExpired) as error:
        _print(f"No calibration, so that work_ms can't be used: {error}. Make one by {COMMAND}")


def _changed_settings(desk: Desk) -> list[str]:
    """Return the names of the settings that changed since the stack started."""
    memory = desk.memory
    now = desk.plain_values()
    return [name for name in now if memory and memory.settings.get(name) != now[name]]


def _desk() -> Desk:
    return Desk(ROOT, environ=os.environ, tell=_print)


def _print(text: str) -> None:
    _messages.print(f"[dim]{escape(text)}[/dim]", highlight=False, soft_wrap=True)
