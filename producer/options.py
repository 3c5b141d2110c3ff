"""The command line's options: each with its help, declared once."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from poolbench.jobs import JOB_KINDS
from poolbench.pools import available_pools
from producer.arrivals import ARRIVALS, MAX_COUNT
from producer.submission import ALL, DEFAULT_COUNT
from producer.ways import option_of

_WHAT, _WHEN, _THEN, _RUN = "What to send", "When it is due", "Then", "The run"

_POOLS = ", ".join(pool.name for pool in available_pools())
_ARRIVALS = "; ".join(f"{each.name}: {each.help}" for each in ARRIVALS.values())


def _shape_option(name: str, *, metavar: str) -> Any:
    """Return the option of a parameter of arrivals, with whose it is."""
    way, parameter = next(
        (way, parameter)
        for way in ARRIVALS.values()
        for parameter in way.parameters
        if parameter.name == name
    )
    if name == way.span:
        rest = " If left out: as long as --count takes."
    else:
        rest = f" If left out: {parameter.default:g}." if parameter.default is not None else ""
    return typer.Option(
        option_of(name),
        metavar=metavar,
        help=f"{way.name}: {parameter.help}.{rest}",
        rich_help_panel=_WHEN,
    )


# numbers come as text, so that all of an input's faults are told at once
Pool = Annotated[
    str,
    typer.Option(
        metavar="POOL",
        help=f"{_POOLS}; or {ALL}: one after the other, waiting for each.",
        rich_help_panel=_WHAT,
    ),
]
Job = Annotated[
    str, typer.Option(metavar="KIND", help=f"{', '.join(JOB_KINDS)}.", rich_help_panel=_WHAT)
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=VALUE",
        help="A parameter of the job; may be repeated. `poolbench jobs` lists them.",
        rich_help_panel=_WHAT,
    ),
]
Count = Annotated[
    str,
    typer.Option(
        metavar="N",
        help=f"Jobs, at most {MAX_COUNT:,}. If left out: {DEFAULT_COUNT}, or as many as are due "
        "within --over, the steps, or a --period.",
        rich_help_panel=_WHAT,
    ),
]
Rate = Annotated[
    str,
    typer.Option(
        metavar="PER_S",
        help="Mean jobs per second, or where a ramp begins; 0: all at once, or from nothing.",
        rich_help_panel=_WHEN,
    ),
]
Arrivals = Annotated[
    str,
    typer.Option(
        metavar="HOW",
        help=f"{_ARRIVALS}. If left out: what the options below belong to, else constant with "
        "a rate, else burst.",
        rich_help_panel=_WHEN,
    ),
]
ToRate = Annotated[str, _shape_option("to_rate_per_s", metavar="PER_S")]
Over = Annotated[str, _shape_option("over_s", metavar="S")]
Rates = Annotated[str, _shape_option("rates_per_s", metavar="PER_S,…")]
Step = Annotated[str, _shape_option("step_s", metavar="S")]
Swing = Annotated[str, _shape_option("swing", metavar="SHARE")]
Period = Annotated[str, _shape_option("period_s", metavar="S")]
Seed = Annotated[
    str,
    typer.Option(
        metavar="N",
        help=f"Decides random arrivals and the order of --pool {ALL}.",
        rich_help_panel=_WHEN,
    ),
]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait/--no-wait",
        help="Follow the run until each job has ended; print its ledger and latencies.",
        rich_help_panel=_THEN,
    ),
]
Timeout = Annotated[
    str,
    typer.Option(
        metavar="S", help="Stop following a trial after so many seconds.", rich_help_panel=_THEN
    ),
]
Stall = Annotated[
    str,
    typer.Option(
        metavar="S",
        help="Stop following when no job ends for so many seconds. "
        "If left out: a minute, and more for long jobs.",
        rich_help_panel=_THEN,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel=_THEN)
]
Run = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Name of the run. If left out: made from the time.",
        rich_help_panel=_RUN,
    ),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Send even if no worker listens.", rich_help_panel=_RUN),
]
Look = Annotated[
    str,
    typer.Option(metavar="RUN", help="Send nothing: show how a run stands.", rich_help_panel=_RUN),
]
