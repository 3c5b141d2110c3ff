"""`poolbench conformance`: tries what each pool does, and shows or writes what was found."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import MutableMapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from collector.files import write_atomically
from lab.conformance.interpreter import Interpreter, inspect_interpreter, this_interpreter
from lab.conformance.markdown import write_markdown
from lab.conformance.promise import Row
from lab.conformance.promises import ROWS
from lab.conformance.runner import Results, conduct
from lab.conformance.survey import Entry, Survey, read_survey
from lab.conformance.terminal import render
from lab.system.environment import describe_machine
from lab.system.signals import ENDING
from poolbench.errors import ExitCode, Fault, UsageError, nearest
from poolbench.pools import POOLS, Pool, find_pool

_output = Console()
_messages = Console(stderr=True)

#: Variables by which Celery takes another broker, or SIGTERM for SIGQUIT, whatever it is told.
_FOREIGN_PREFIX = "CELERY_"
_FOREIGN = ("REMAP_SIGTERM",)

#: What of the machine stands in a survey.
_MACHINE = ("os", "architecture", "cores")


def register(app: typer.Typer) -> None:
    """Add the command to a command line."""
    app.command(rich_help_panel="Measure")(conformance)


def conformance(
    *,
    pool: Annotated[
        list[str] | None,
        typer.Option(help="Try this pool; repeat the option for more. Default: all."),
    ] = None,
    row: Annotated[
        list[str] | None,
        typer.Option(help="Try this row, by name or title; repeat the option for more."),
    ] = None,
    tries: Annotated[
        int, typer.Option(min=1, help="Number of tries of each row; a cell shows the worst result.")
    ] = 1,
    celery_python: Annotated[
        Path | None, typer.Option(help="Run workers on this Python, for another version of Celery.")
    ] = None,
    beside: Annotated[
        Path | None, typer.Option(help="Show where the results differ from this JSON file.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write Markdown to this file, and JSON next to it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    list_rows: Annotated[
        bool, typer.Option("--list", help="Print the rows' names and titles; try nothing.")
    ] = False,
) -> None:
    """Try on real workers what each pool ignores and what it breaks, in under 4 minutes."""
    if list_rows:
        sys.stdout.write(_listed())
        return
    rows, pools = _chosen_rows(row or ()), _chosen_pools(pool or ())
    _check_target(write)
    forget_foreign_variables(os.environ)
    other = read_survey(beside) if beside else None
    interpreter = inspect_interpreter(celery_python) if celery_python else this_interpreter()
    survey = _conduct(rows, pools=pools, interpreter=interpreter, tries=tries)
    if write:
        _write(survey, target=write, other=other)
    if as_json:
        sys.stdout.write(survey.to_json())
    else:
        _output.print(render(survey, other=other))
        _messages.print(f"took {survey.took_s:.0f} s")


def _conduct(
    rows: Sequence[Row], *, pools: Sequence[Pool], interpreter: Interpreter, tries: int
) -> Survey:
    for number in ENDING:
        signal.signal(number, _interrupt)
    made_at, began_at_s = datetime.now(UTC), time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    try:
        with Progress(*columns, TimeElapsedColumn(), console=_messages, transient=True) as progress:
            bar = progress.add_task("trying", total=len(rows) * len(pools) * tries)
            results = conduct(
                rows,
                pools=pools,
                interpreter=interpreter,
                tries=tries,
                advance=lambda: progress.advance(bar),
            )
    except KeyboardInterrupt:
        _messages.print("stopped: nothing is kept of a survey that was cut")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    machine = asdict(describe_machine())
    return Survey(
        made_at=made_at.isoformat(timespec="seconds"),
        command=shlex.join(["poolbench", *sys.argv[1:]]),
        took_s=round(time.monotonic() - began_at_s, 1),
        versions=interpreter.versions,
        broker=results.broker,
        machine={name: machine[name] for name in _MACHINE},
        pools=tuple(pool.name for pool in pools),
        entries=tuple(_entry(row, pools=pools, results=results) for row in rows),
    )


def _entry(row: Row, *, pools: Sequence[Pool], results: Results) -> Entry:
    return Entry(
        name=row.name,
        title=row.title,
        question=row.question,
        expected=row.expected,
        verdicts={pool.name: results.verdicts[row.name, pool.name] for pool in pools},
    )


def _write(survey: Survey, *, target: Path, other: Survey | None) -> None:
    beside = target.with_suffix(".json")
    text = write_markdown(survey, json_name=beside.name, other=other)
    _write_text(target, text=text)
    _write_text(beside, text=survey.to_json())


def _write_text(path: Path, *, text: str) -> None:
    write_atomically(path, write=lambda file: file.write(text.encode()))
    _messages.print(f"wrote {path}", highlight=False)


def _chosen_pools(names: Sequence[str]) -> tuple[Pool, ...]:
    return tuple(find_pool(name) for name in names) or tuple(POOLS.values())


def _chosen_rows(names: Sequence[str]) -> tuple[Row, ...]:
    known = {key: row for row in ROWS for key in (_plain(row.title), row.name)}
    faults = [
        Fault(
            problem="unknown row", seen=name, remedy=nearest(name, among=[one.name for one in ROWS])
        )
        for name in names
        if _plain(name) not in known
    ]
    if faults:
        raise UsageError(*faults)
    return tuple(dict.fromkeys(known[_plain(name)] for name in names)) or ROWS


def _plain(name: str) -> str:
    """Return a row's name or title without what people leave out."""
    return name.replace("`", "").strip().casefold()


def _listed() -> str:
    """Return the rows, a line each: name and title."""
    width = max(len(row.name) for row in ROWS)
    return "".join(f"{row.name:<{width}}  {row.title.replace('`', '')}\n" for row in ROWS)


def forget_foreign_variables(environ: MutableMapping[str, str]) -> None:
    """Remove what Celery would obey before any setting of ours, here and in the workers."""
    for name in list(environ):
        if name.startswith(_FOREIGN_PREFIX) or name in _FOREIGN:
            del environ[name]


def _check_target(target: Path | None) -> None:
    """Refuse a target that can't be written, before minutes are spent on it."""
    if target is None:
        return
    if target.suffix != ".md":
        problem, remedy = "no Markdown file", "end it in .md; the JSON gets the same name"
    elif not target.parent.is_dir():
        problem, remedy = "no such folder", f"make {target.parent} first"
    else:
        return
    raise UsageError(Fault(where="--write", problem=problem, seen=str(target), remedy=remedy))


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 -- signal's signature
    """End the workers and the server; a second signal doesn't hurry that."""
    for one in ENDING:
        signal.signal(one, signal.SIG_IGN)
    _messages.print("stopping: workers end")
    raise KeyboardInterrupt
