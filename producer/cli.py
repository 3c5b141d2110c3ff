"""The producer's command line: options, output and exit code."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.markup import escape

from poolbench import format as fmt
from poolbench.broker_client import open_broker
from poolbench.errors import ExitCode, Fault, PoolbenchError, StackError, UsageError
from poolbench.jobs import parse_parameters
from poolbench.keys import new_run_name, run_key
from poolbench.settings import Settings, load_settings
from producer import options
from producer.screen import Screen
from producer.submission import ALL, Submission, ordered_pools, schedule_of
from producer.submit import SubmissionResult, submit
from producer.summary import RunSummary, read_summary
from producer.terminal import explain, render_comparison, render_trial

#: Version of the output of ``--json``.
FORMAT = 1

#: For people: progress and messages go to standard error, results to standard output.
_errors = Console(stderr=True)
_output = Console()

_EXAMPLES = """
[bold]Examples[/]

[dim]A hundred jobs of pure Python, at once, to one pool:[/]
  python -m producer --pool prefork --job cpu.primes --count 100

[dim]A steady load, followed to its last job:[/]
  python -m producer --pool gevent --job io.http --count 500 --rate 100 --wait

[dim]More and more jobs, from 50 to 200 a second in half a minute:[/]
  python -m producer --pool gevent --job io.http --rate 50 --to-rate 200 --over 30

[dim]The same jobs to every pool, one after the other, compared:[/]
  python -m producer --pool all --job io.sleep --param delay_ms=20 --count 200
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.command(no_args_is_help=True, epilog=_EXAMPLES)
def produce(
    *,
    pool: options.Pool = None,
    job: options.Job = None,
    count: options.Count = None,
    parameters: options.Parameters = [],  # noqa: B006 -- never changed
    rate: options.Rate = 0,
    arrivals: options.Arrivals = None,
    to_rate: options.ToRate = None,
    over: options.Over = None,
    rates: options.Rates = None,
    step: options.Step = None,
    swing: options.Swing = None,
    period: options.Period = None,
    seed: options.Seed = 1,
    wait: options.Wait = False,
    timeout: options.Timeout = None,
    stall: options.Stall = None,
    as_json: options.AsJson = False,
    run: options.Run = None,
    force: options.Force = False,
    look: options.Look = None,
) -> None:
    """Send jobs to the workers of a running stack, and show how each ended.

    Jobs are sent when they are due, however busy the workers are. Every job is accounted for.
    """
    if look:
        if pool or job:
            remedy = "leave out --pool and --job"
            raise UsageError(Fault(where="--look", problem="sends nothing", remedy=remedy))
        raise typer.Exit(_look(look, as_json=as_json))
    if not (pool and job):
        remedy = "give both, or --look"
        raise UsageError(Fault(where="--pool, --job", problem="missing", remedy=remedy))
    schedule = {
        "count": count,
        "rate_per_s": rate or None,
        "to_rate_per_s": to_rate,
        "over_s": over,
        "rates_per_s": rates,
        "step_s": step,
        "swing": swing,
        "period_s": period,
    }
    submission = Submission(
        run=run or new_run_name(),
        pools=ordered_pools(pool, seed=seed),
        kind=job,
        parameters=parse_parameters(job, dict(word.partition("=")[::2] for word in parameters)),
        schedule=schedule_of(
            {key: value for key, value in schedule.items() if value is not None},
            arrivals=arrivals,
        ),
        seed=seed,
        waits=wait or pool == ALL,
        is_forced=force,
        timeout_s=timeout,
        stall_s=stall,
    )
    raise typer.Exit(_submit(submission, settings=load_settings(), as_json=as_json))


def main() -> int:
    """Run the command line; a failure is a clear line on standard error and its exit code."""
    try:
        app()
    except PoolbenchError as error:
        _complain(str(error))
        return error.exit_code
    return ExitCode.OK


def _submit(submission: Submission, *, settings: Settings, as_json: bool) -> ExitCode:
    with (
        open_broker(settings) as client,
        _stop_on_signal() as should_stop,
        Screen(_errors) as screen,
    ):
        result = submit(
            client, submission, scope=settings.scope, screen=screen, should_stop=should_stop
        )
    if as_json:
        _print_json(_document(result))
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
        raise UsageError(Fault(where="--look", problem="no run of this name", seen=run))
    if summary is None:
        folder = settings.results_dir / run
        raise StackError(
            f"no summary of {run} is published: no collector runs (see: make ps), "
            f"or the run ended more than a day ago (see: {folder})"
        )
    is_over = summary.state.is_over
    if as_json:
        _print_json({"format": FORMAT, "run": run, "summary": summary.raw})
    else:
        _print(f"[dim]run[/] [bold]{run}[/] [dim]{summary.state}[/]")
        is_backlog = any(not plan["rate_per_s"] for plan in json.loads(plans or "[]"))
        _show(summary, is_backlog=is_backlog, is_over=is_over)
    is_whole = all(trial.ledger.is_closed for trial in summary.trials)
    return ExitCode.INVALID if is_over and not is_whole else ExitCode.OK


def _show(summary: RunSummary, *, is_backlog: bool, is_over: bool) -> None:
    trials = [trial for trial in summary.trials if trial.ledger.sent]
    if len(summary.trials) > 1:
        _print(render_comparison(trials, run=summary, is_backlog=is_backlog))
    else:
        for trial in trials:
            _print(render_trial(trial, run=summary, is_backlog=is_backlog, is_over=is_over))


def _conclude(result: SubmissionResult, *, settings: Settings) -> None:
    """Report what went wrong, and where to find more."""
    submission = result.submission
    sent = sum(each.count for each in result.sent.values())
    if any(not each.is_complete for each in result.sent.values()):
        meant = submission.count * len(submission.pools)
        _complain(
            f"stopped: {sent:,} of {fmt.counted(meant, noun='job')} were sent, and will be run"
        )
    for trial, followed in result.followed.items():
        if followed.ending.value != "closed":
            contender = submission.pools[trial]
            text = explain(followed, sent=result.sent[trial].count)
            _complain(f"{contender}: {text}")
    if not submission.waits or result.exit_code:
        _hint("status", f"python -m producer --look {submission.run}")
        _hint("in Flower", f"http://127.0.0.1:{settings.flower_port}")
    folder = settings.results_dir / submission.run
    if folder.is_dir():
        _hint("records", str(folder))


def _document(result: SubmissionResult) -> dict[str, Any]:
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
                "count": submission.count,
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


def _print(what: RenderableType) -> None:
    _output.print(what, highlight=False)


def _print_json(document: dict[str, Any]) -> None:
    _output.print_json(json.dumps(document))


def _hint(what: str, where: str) -> None:
    _errors.print(
        f"[dim]{what}:[/] {escape(where)}", highlight=False, soft_wrap=not _errors.is_terminal
    )


def _complain(text: str) -> None:
    for line in text.splitlines():
        _errors.print(
            f"[bold red]producer:[/] {escape(line)}",
            highlight=False,
            soft_wrap=not _errors.is_terminal,
        )
