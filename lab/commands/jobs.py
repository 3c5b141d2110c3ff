"""`poolbench jobs`: lists the kinds of job."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from poolbench.jobs import JOB_KINDS, JobKind, Parameter

#: Version of the JSON format.
FORMAT = 1

_output = Console()


def jobs(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print the catalogue as JSON.")] = False
) -> None:
    """List the kinds of job, with their effect on a slot and their parameters."""
    if as_json:
        sys.stdout.write(json.dumps(document(), indent=1) + "\n")
        return
    _output.print(render(JOB_KINDS.values()), highlight=False)


def document() -> dict[str, Any]:
    """Return the catalogue as JSON contains it."""
    return {
        "format": FORMAT,
        "kinds": [
            {
                "name": kind.name,
                "class": kind.work_class.value,
                "summary": kind.summary,
                "has_async_form": kind.has_async_form,
                "parameters": [_describe(parameter) for parameter in kind.parameters],
                "instead": [_describe(parameter) for parameter in kind.calibrated],
            }
            for kind in JOB_KINDS.values()
        ],
    }


def render(kinds: Iterable[JobKind]) -> RenderableType:
    """Return the catalogue for a terminal."""
    shown: list[RenderableType] = [Text()]
    for kind in kinds:
        shown += [_title(kind), Padding(_parameters(kind), (0, 0, 1, 2))]
    return Group(*shown, _HINT)


def _title(kind: JobKind) -> Text:
    form = " · a coroutine in the asyncio pool" if kind.has_async_form else ""
    work = (f"  {kind.work_class.value}", "yellow")
    return Text.assemble((kind.name, "bold cyan"), work, (form, "dim"), f"\n  {kind.summary}")


def _parameters(kind: JobKind) -> Table:
    """Return a table with equal column widths for every kind."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(min_width=13, no_wrap=True)
    table.add_column(min_width=12, justify="right", no_wrap=True)
    table.add_column(min_width=18, no_wrap=True, style="dim")
    table.add_column()
    for parameter in kind.parameters:
        default = " ".join(filter(None, (_number(parameter.default), parameter.unit)))
        table.add_row(Text(parameter.name, "bold"), default, _bounds(parameter), parameter.help)
    for index, parameter in enumerate(kind.calibrated):
        name = Text.assemble("    " if index else ("or: ", "dim"), (parameter.name, "bold"))
        table.add_row(name, Text(parameter.unit, "dim"), _bounds(parameter), parameter.help)
    return table


def _bounds(parameter: Parameter) -> str:
    return f"{_number(parameter.low)} to {_number(parameter.high)}"


def _describe(parameter: Parameter) -> dict[str, Any]:
    return {
        **asdict(parameter),
        "type": parameter.type.__name__,
        "low": parameter.type(parameter.low),
        "high": parameter.type(parameter.high),
    }


def _number(value: float) -> str:
    return f"{value:,g}" if abs(value) < 1 else f"{value:,.0f}"


_HINT = Text.assemble(
    ("Each parameter with its default, bounds and meaning.\nFor the producer:  ", "dim"),
    "--param work_ms=20\n",
    ("In an experiment:  ", "dim"),
    "parameters = { work_ms = 20 }\n",
)
