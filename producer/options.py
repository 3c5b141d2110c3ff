"""The command line's options: each with its type, bounds, default and help, declared once."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import typer

from poolbench.jobs import JOB_KINDS, JobKind, find_kind
from poolbench.keys import check_name
from poolbench.pools import available_pools
from producer.arrivals import ARRIVALS, MAX_COUNT
from producer.submission import ALL, DEFAULT_COUNT

_what = partial(typer.Option, rich_help_panel="What to send")
_when = partial(typer.Option, rich_help_panel="When it is due")
_then = partial(typer.Option, rich_help_panel="Then")
_run = partial(typer.Option, rich_help_panel="The run")

#: Shortest limit to following a run, seconds.
_MIN_WAIT_S = 0.001

_ARRIVALS = "; ".join(f"{kind.how}: {kind.help}" for kind in ARRIVALS.values())

PoolName = StrEnum("PoolName", [*(pool.name for pool in available_pools()), ALL])  # type: ignore[misc]  # by the table
ArrivalsName = StrEnum("ArrivalsName", list(ARRIVALS))  # type: ignore[misc]  # by the table


def _shape_option(key: str, *, metavar: str, **kinds: Any) -> Any:
    """Return the option of a parameter of arrivals; its bounds are checked with the schedule's."""
    kind = next(kind for kind in ARRIVALS.values() if key in kind.model_fields)
    field = kind.model_fields[key]
    default = "as long as --count takes" if key == kind.span_key else field.default
    return _when(
        metavar=metavar,
        help=f"Set {field.description} ({kind.how}).",
        show_default=False if field.is_required() else str(default),
        **kinds,
    )


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split(",")]


Pool = Annotated[
    PoolName | None,
    _what(
        metavar="POOL",
        help=f"Send to the workers of this pool: {', '.join(PoolName)} "
        f"({ALL}: one after the other, waiting for each).",
    ),
]
Job = Annotated[
    JobKind | None,
    _what(
        parser=find_kind, metavar="KIND", help=f"Send jobs of this kind: {', '.join(JOB_KINDS)}."
    ),
]
Parameters = Annotated[
    list[str],
    _what(
        "--param",
        metavar="NAME=VALUE",
        help="Set a parameter of the job; may be repeated. `poolbench jobs` lists them.",
    ),
]
Count = Annotated[
    int | None,
    _what(
        metavar="N",
        help=f"Send so many jobs, at most {MAX_COUNT:,}.",
        show_default=f"{DEFAULT_COUNT}, or as many as are due within --over, the steps, "
        "or a --period",
    ),
]
Rate = Annotated[
    float,
    _when(
        metavar="PER_S",
        help="Set the mean number of jobs per second, or where a ramp begins "
        "(0: all at once, or from nothing).",
    ),
]
Arrivals = Annotated[
    ArrivalsName | None,
    _when(
        metavar="HOW",
        help=f"Set how jobs arrive: {_ARRIVALS}.",
        show_default="what the options below belong to, else constant with a rate, else burst",
    ),
]
ToRate = Annotated[float | None, _shape_option("to_rate_per_s", metavar="PER_S")]
Over = Annotated[float | None, _shape_option("over_s", metavar="S")]
Rates = Annotated[
    Sequence[float] | None, _shape_option("rates_per_s", metavar="PER_S,…", parser=_numbers)
]
Step = Annotated[float | None, _shape_option("step_s", metavar="S")]
Swing = Annotated[float | None, _shape_option("swing", metavar="SHARE")]
Period = Annotated[float | None, _shape_option("period_s", metavar="S")]
Seed = Annotated[
    int,
    _when(min=0, metavar="N", help=f"Seed random arrivals and the order of --pool {ALL}."),
]
Wait = Annotated[
    bool,
    _then(
        "--wait/--no-wait",
        help="Follow the run until each job has ended; print its ledger and latencies.",
    ),
]
Timeout = Annotated[
    float | None,
    _then(
        min=_MIN_WAIT_S,
        metavar="S",
        help="Stop following a trial after so many seconds.",
        show_default="never",
    ),
]
Stall = Annotated[
    float | None,
    _then(
        min=_MIN_WAIT_S,
        metavar="S",
        help="Stop following when no job ends for so many seconds.",
        show_default="60, and more for long jobs",
    ),
]
AsJson = Annotated[bool, _then("--json", help="Print the result as JSON.")]
Run = Annotated[
    str | None,
    _run(
        parser=partial(check_name, what="run"),
        metavar="NAME",
        help="Name the run.",
        show_default="made from the time",
    ),
]
Force = Annotated[
    bool,
    _run("--force", help="Send even if no worker listens."),
]
Look = Annotated[
    str | None,
    _run(
        parser=partial(check_name, what="run"),
        metavar="RUN",
        help="Show the current summary of a run, and send nothing.",
        show_default=False,
    ),
]
