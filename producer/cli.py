"""The producer's command line: options, output and exit code."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from poolbench import format as fmt
from poolbench.broker_client import open_broker
from poolbench.errors import ExitCode, Fault, PoolbenchError, StackError, UsageError
from poolbench.jobs import JOB_KINDS, JobKind, find_kind, parse_parameters
from poolbench.keys import check_name, new_run_name, run_key
from poolbench.pools import available_pools
from poolbench.settings import Settings, load_settings
from producer.arrivals import ARRIVALS, MAX_COUNT
from producer.follow import Ending
from producer.screen import Screen
from producer.submission import ALL, DEFAULT_COUNT, Submission, ordered_pools, schedule_of
from producer.submit import SubmittedRun
from producer.summary import RunSummary, read_summary
from producer.terminal import explain, render_comparison, render_trial
from producer.typer_app import run_app

#: Version of the output of ``--json``.
FORMAT = 1

#: For people: progress and messages go to standard error, results to standard output.
_errors = Console(stderr=True, highlight=False)
_output = Console(highlight=False)

_EXAMPLES = """
[bold]Examples[/]

[dim]A hundred jobs of pure Python, at once, to one pool:[/]
  python -m producer --pool prefork --job cpu.primes --count 100

[dim]A steady load, followed to its last job:[/]
  python -m producer --pool gevent --job io.http --count 500 --rate 100 --wait

[dim]A rising load, from 50 to 200 jobs a second in half a minute:[/]
  python -m producer --pool gevent --job io.http --rate 50 --to-rate 200 --over 30

[dim]The same jobs to every pool, one after the other, compared:[/]
  python -m producer --pool all --job io.sleep --param delay_ms=20 --count 200
"""

_what = partial(typer.Option, rich_help_panel="What to send")
_when = partial(typer.Option, rich_help_panel="When it is due")
_then = partial(typer.Option, rich_help_panel="Then")
_run = partial(typer.Option, rich_help_panel="The run")

#: Shortest timeout for following a run, seconds.
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
    try:
        return [float(word) for word in text.split(",")]
    except ValueError as error:
        raise ValueError("must be numbers with commas between them") from error


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.command(no_args_is_help=True, epilog=_EXAMPLES)
def produce(
    *,
    pool: Annotated[
        PoolName | None,
        _what(
            metavar="POOL",
            help=f"Send to the workers of this pool: {', '.join(PoolName)} "
            f"({ALL}: one after the other, waiting for each).",
        ),
    ] = None,
    job: Annotated[
        JobKind | None,
        _what(
            parser=find_kind,
            metavar="KIND",
            help=f"Send jobs of this kind: {', '.join(JOB_KINDS)}.",
        ),
    ] = None,
    count: Annotated[
        int | None,
        _what(
            metavar="N",
            help=f"Number of jobs to send, at most {MAX_COUNT:,}.",
            show_default=f"{DEFAULT_COUNT}, or as many as are due within --over, the steps, "
            "or a --period",
        ),
    ] = None,
    parameters: Annotated[
        list[str],
        _what(
            "--param",
            metavar="NAME=VALUE",
            help="Set a parameter of the job; may be repeated. `poolbench jobs` lists them.",
        ),
    ] = [],  # noqa: B006 -- never changed
    rate: Annotated[
        float,
        _when(
            metavar="PER_S",
            help="Set the mean number of jobs per second, or a ramp's first rate "
            "(0: all at once, or a ramp from 0).",
        ),
    ] = 0,
    arrivals: Annotated[
        ArrivalsName | None,
        _when(
            metavar="HOW",
            help=f"Set how jobs arrive: {_ARRIVALS}.",
            show_default="the arrivals of the options below, else constant with a rate, else burst",
        ),
    ] = None,
    to_rate: Annotated[float | None, _shape_option("to_rate_per_s", metavar="PER_S")] = None,
    over: Annotated[float | None, _shape_option("over_s", metavar="S")] = None,
    rates: Annotated[
        Sequence[float] | None, _shape_option("rates_per_s", metavar="PER_S,…", parser=_numbers)
    ] = None,
    step: Annotated[float | None, _shape_option("step_s", metavar="S")] = None,
    swing: Annotated[float | None, _shape_option("swing", metavar="SHARE")] = None,
    period: Annotated[float | None, _shape_option("period_s", metavar="S")] = None,
    seed: Annotated[
        int,
        _when(min=0, metavar="N", help=f"Seed random arrivals and the order of --pool {ALL}."),
    ] = 1,
    wait: Annotated[
        bool,
        _then(
            "--wait/--no-wait",
            help="Follow the run until each job has ended; print its ledger and latencies.",
        ),
    ] = False,
    timeout: Annotated[
        float,
        _then(
            min=_MIN_WAIT_S,
            metavar="S",
            help="Stop following a trial after this number of seconds.",
            show_default="never",
        ),
    ] = math.inf,
    stall: Annotated[
        float | None,
        _then(
            min=_MIN_WAIT_S,
            metavar="S",
            help="Stop following when no job ends for this number of seconds.",
            show_default="60, and more for long jobs",
        ),
    ] = None,
    as_json: Annotated[bool, _then("--json", help="Print the result as JSON.")] = False,
    run: Annotated[
        str | None,
        _run(
            parser=partial(check_name, what="--run"),
            metavar="NAME",
            help="Name the run.",
            show_default="generated from the time",
        ),
    ] = None,
    force: Annotated[bool, _run("--force", help="Send even if no worker listens.")] = False,
    look: Annotated[
        str | None,
        _run(
            parser=partial(check_name, what="--look"),
            metavar="RUN",
            help="Show the current summary of a run, and send nothing.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Send jobs to the workers of a running stack, and show how each ended.

    Jobs are sent when they are due, even if all workers are busy. Every job is in the ledger.
    """
    if look:
        if pool or job:
            remedy = "leave out --pool and --job"
            raise UsageError(Fault(field="--look", problem="sends no jobs", remedy=remedy))
        raise typer.Exit(_look(look, as_json=as_json))
    if not (pool and job):
        problem, remedy = "--pool and --job are required", "give both, or --look"
        raise UsageError(Fault(problem=problem, remedy=remedy))
    submission = Submission(
        run=run or new_run_name(),
        pools=ordered_pools(pool, seed=seed),
        kind=job,
        parameters=parse_parameters(job, dict(word.partition("=")[::2] for word in parameters)),
        schedule=schedule_of(
            {
                "count": count,
                "rate_per_s": rate or None,
                "to_rate_per_s": to_rate,
                "over_s": over,
                "rates_per_s": rates,
                "step_s": step,
                "swing": swing,
                "period_s": period,
            },
            arrivals=arrivals,
        ),
        seed=seed,
        waits=wait or pool == ALL,
        is_forced=force,
        timeout_s=timeout,
        stall_s=stall,
    )
    raise typer.Exit(_submit(submission, as_json=as_json))


def main() -> int:
    """Run the command line; print a failure as one line on standard error, return its exit code."""
    try:
        return run_app(app)
    except PoolbenchError as error:
        _complain(str(error))
        return error.exit_code


def _submit(submission: Submission, *, as_json: bool) -> ExitCode:
    settings = load_settings()
    with (
        open_broker(settings) as client,
        _stop_on_signal() as should_stop,
        Screen(_errors) as screen,
    ):
        result = SubmittedRun(
            client, submission, scope=settings.scope, screen=screen, should_stop=should_stop
        )
        result.carry_out()
    if as_json:
        _output.print_json(data=_document(result))
    elif result.summary:
        _show(
            result.summary,
            is_backlog=not submission.schedule.mean_per_s,
            is_over=not result.is_interrupted,
        )
    _conclude(result, settings=settings)
    return result.exit_code


def _look(run: str, *, as_json: bool) -> ExitCode:
    """Show the current summary of a run."""
    settings = load_settings()
    with open_broker(settings) as client:
        plans = client.hget(run_key(run), "trials")
        summary = read_summary(client, run)
    if summary is None and plans is None:
        raise UsageError(Fault(field="--look", seen=run, problem="there is no such run"))
    if summary is None:
        folder = settings.results_dir / run
        raise StackError(
            f"no summary of {run} is published: no collector runs, or the run ended more than a "
            f"day ago. See `make ps` and {folder}."
        )
    is_over = summary.state.is_over
    if as_json:
        _output.print_json(data={"format": FORMAT, "run": run, "summary": summary.raw})
    else:
        _output.print(f"[dim]run[/] [bold]{run}[/] [dim]{summary.state}[/]")
        is_backlog = any(not plan["rate_per_s"] for plan in json.loads(plans or "[]"))
        _show(summary, is_backlog=is_backlog, is_over=is_over)
    is_whole = all(trial.ledger.is_closed for trial in summary.trials)
    return ExitCode.INVALID if is_over and not is_whole else ExitCode.OK


def _show(summary: RunSummary, *, is_backlog: bool, is_over: bool) -> None:
    trials = [trial for trial in summary.trials if trial.ledger.sent]
    if len(summary.trials) > 1:
        _output.print(render_comparison(trials, is_backlog=is_backlog))
    else:
        for trial in trials:
            _output.print(render_trial(trial, is_backlog=is_backlog, is_over=is_over))


def _conclude(result: SubmittedRun, *, settings: Settings) -> None:
    """Print what failed, and where to find more."""
    submission = result.submission
    sent = sum(each.count for each in result.sent.values())
    if any(not each.is_complete for each in result.sent.values()):
        meant = submission.schedule.count * len(submission.pools)
        _complain(
            f"stopped: {sent:,} of {fmt.counted(meant, noun='job')} were sent, and will be run"
        )
    for trial, followed in result.followed.items():
        if followed.ending is not Ending.CLOSED:
            text = explain(followed, sent=result.sent[trial].count)
            _complain(f"{submission.pools[trial]}: {text}")
    if not submission.waits or result.exit_code:
        _note("[dim]status:[/]", f"python -m producer --look {submission.run}")
        _note("[dim]in Flower:[/]", f"http://127.0.0.1:{settings.flower_port}")
    folder = settings.results_dir / submission.run
    if folder.is_dir():
        _note("[dim]records:[/]", str(folder))


def _document(result: SubmittedRun) -> dict[str, Any]:
    """Return the output of ``--json`` for a submission."""
    summary, submission = result.summary, result.submission
    return {
        "format": FORMAT,
        "run": submission.run,
        "trials": [
            {
                "trial": trial,
                "contender": submission.pools[trial],
                "workers": result.groups[submission.pools[trial]].workers,
                "slots": result.groups[submission.pools[trial]].slots,
                "events": result.groups[submission.pools[trial]].has_events,
                "count": submission.schedule.count,
                "sent": sent.count,
                "span_s": sent.span_s,
                "lag_max_s": sent.lag_max_s,
                "ending": result.followed[trial].ending.value if trial in result.followed else None,
            }
            for trial, sent in result.sent.items()
        ],
        "summary": summary.raw if summary else None,
    }


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns True after Ctrl-C or SIGTERM; a second signal interrupts."""
    seen: list[int] = []

    def note(signum: int, _frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(signum)

    before = {each: signal.signal(each, note) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(seen)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _complain(text: str) -> None:
    for line in text.splitlines():
        _note("[bold red]producer:[/]", line)


def _note(what: str, text: str) -> None:
    _errors.print(f"{what} {escape(text)}", soft_wrap=not _errors.is_terminal)
