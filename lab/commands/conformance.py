"""`poolbench conformance`: tests each pool on real workers, and prints or writes the results."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from collector.files import write_whole
from lab.commands.run_lookup import output_faults
from lab.conformance.interpreter import inspect_python
from lab.conformance.markdown import write_markdown
from lab.conformance.promise import Promise
from lab.conformance.promises import PROMISES
from lab.conformance.runner import conduct
from lab.conformance.survey import read_survey
from lab.conformance.terminal import render
from lab.system.signals import interrupt_on_signals
from poolbench.errors import ExitCode, Fault, UsageError, unknown
from poolbench.pools import POOLS, find_pool

_output = Console()
_messages = Console(stderr=True)

#: Prefixes of variables that override settings of the tried workers, such as the broker.
_FOREIGN = ("CELERY_", "REMAP_SIGTERM")


def conformance(
    *,
    pool: Annotated[
        list[str] | None,
        typer.Option(help="Try this pool; repeat the option for more. Default: all."),
    ] = None,
    row: Annotated[
        list[str] | None,
        typer.Option(
            help="Try this row, by name or title; repeat the option for more. Default: all."
        ),
    ] = None,
    tries: Annotated[
        int, typer.Option(min=1, help="Number of tries of each row; a cell shows the worst result.")
    ] = 1,
    celery_python: Annotated[
        Path | None, typer.Option(help="Run workers on this Python, for another version of Celery.")
    ] = None,
    beside: Annotated[
        Path | None, typer.Option(help="Compare with this JSON file of an earlier survey.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write Markdown to this file, and JSON next to it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    list_rows: Annotated[
        bool, typer.Option("--list", help="Print the names and titles of the rows, and exit.")
    ] = False,
) -> None:
    """Test on real workers which of Celery's promises each pool keeps, in under 4 minutes."""
    if list_rows:
        sys.stdout.write(_listed())
        return
    promises, pools = _chosen_promises(row or ()), tuple(map(find_pool, pool or POOLS))
    _check_target(write)
    forget_foreign_variables(os.environ)
    other = read_survey(beside) if beside else None
    interrupt_on_signals(lambda: _messages.print("stopping the workers"))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    try:
        with Progress(*columns, TimeElapsedColumn(), console=_messages, transient=True) as progress:
            bar = progress.add_task("trying", total=len(promises) * len(pools) * tries)
            survey = conduct(
                promises,
                pools=pools,
                interpreter=inspect_python(celery_python or Path(sys.executable)),
                tries=tries,
                command=shlex.join(["poolbench", *sys.argv[1:]]),
                advance=lambda: progress.advance(bar),
            )
    except KeyboardInterrupt:
        _messages.print("Survey interrupted; its results are discarded.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if write:
        json_file = write.with_suffix(".json")
        _write(write, text=write_markdown(survey, json_name=json_file.name, other=other))
        _write(json_file, text=survey.to_json())
    if as_json:
        sys.stdout.write(survey.to_json())
    else:
        _output.print(render(survey, other=other))
        _messages.print(f"took {survey.took_s:.0f} s")


def _write(path: Path, *, text: str) -> None:
    write_whole(path, text)
    _messages.print(f"wrote {path}", highlight=False)


def _chosen_promises(names: Sequence[str]) -> tuple[Promise, ...]:
    known = {key: one for one in PROMISES for key in (_plain(one.title), one.name)}
    faults = []
    for name in names:
        if _plain(name) not in known:
            among = [one.name for one in PROMISES]
            faults.append(unknown("row", field="--row", seen=name, among=among))
    if faults:
        raise UsageError(*faults)
    return tuple(dict.fromkeys(known[_plain(name)] for name in names)) or PROMISES


def _plain(text: str) -> str:
    """Return a name or title without backticks, outer blanks and capitals."""
    return text.replace("`", "").strip().casefold()


def _listed() -> str:
    """Return the rows' names and titles, one line each."""
    width = max(len(one.name) for one in PROMISES)
    return "".join(f"{one.name:<{width}}  {one.title.replace('`', '')}\n" for one in PROMISES)


def forget_foreign_variables(environ: MutableMapping[str, str]) -> None:
    """Remove the variables that override settings of the workers, which inherit ``environ``."""
    for name in [one for one in environ if one.startswith(_FOREIGN)]:
        del environ[name]


def _check_target(target: Path | None) -> None:
    """Refuse a file that can't be written, before the survey runs for minutes.

    Raises:
        UsageError: if it is no Markdown file, or its folder does not exist.
    """
    faults = output_faults(target, option="--write")
    if target and target.suffix != ".md":
        problem, remedy = "must end in .md", "rename it; the JSON file gets the same name"
        faults += [Fault(field="--write", seen=str(target), problem=problem, remedy=remedy)]
    if faults:
        raise UsageError(*faults)
