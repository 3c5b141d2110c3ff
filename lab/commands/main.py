"""The `poolbench` command: experiments, reports and the stack."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from collector.reasons import Severity
from lab.commands.advise import advise
from lab.commands.check import check
from lab.commands.compare import compare_runs
from lab.commands.conformance import conformance
from lab.commands.exit_status import end_by, failed
from lab.commands.export import export_run
from lab.commands.jobs import jobs
from lab.commands.lanes import Trace, check_trace, write_trace
from lab.commands.profile import profile
from lab.commands.record import record
from lab.commands.run_lookup import RUN_HELP, find_run, output_faults
from lab.commands.stack import down, logs, ps, up
from lab.experiment.app import equip_app, refuse_unsafe, warnings_of
from lab.experiment.control import with_control
from lab.experiment.interpreters import equip
from lab.experiment.stopping_rule import DEFAULT_BUDGET_S, read_until
from lab.experiment_file.loader import load_experiment
from lab.run.conductor import conduct_experiment
from lab.run.duration import expected_s
from lab.run.lanes import only_lanes
from lab.run.progress import RunProgress
from lab.run.trial_sequences import trial_count
from lab.system import environment
from lab.system.signals import interrupt_on_signals, uninterrupted
from poolbench.errors import ExitCode, Fault, PoolbenchError, UsageError
from poolbench.settings import load_settings
from producer.typer_app import run_app
from report.build import has_lanes_only, write_chart, write_lanes, write_reports
from report.result import Summary
from report.terminal.lane_table import render_lanes
from report.terminal.screen import render

app = typer.Typer(
    help="Measure which Celery pool, and how many slots, fit your jobs.",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the versions of all packages that affect results."),
    ] = False,
) -> None:
    """Handle options that come before a command."""
    if version:
        versions = environment.describe_versions()
        versions["python"] = environment.describe_machine().python
        sys.stdout.write("".join(f"{name} {word}\n" for name, word in versions.items()))
        raise typer.Exit


app.command(rich_help_panel="Measure")(check)
app.command(rich_help_panel="Measure")(jobs)
for command in (up, ps, logs, down):
    app.command(rich_help_panel="Stack")(command)
app.command(rich_help_panel="Measure")(conformance)
app.command(
    rich_help_panel="Your app",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(record)
app.command(rich_help_panel="Your app")(profile)
app.command(rich_help_panel="Your app")(advise)
app.command(name="compare", rich_help_panel="Measure")(compare_runs)
app.command(name="export", rich_help_panel="Measure")(export_run)

#: Progress and messages go to standard error, results to standard output.
_errors = Console(stderr=True)
_output = Console()

POOLS_EXPERIMENT = Path("experiments/pools.toml")

AsJson = Annotated[bool, typer.Option("--json", help="Print summary.json instead of the tables.")]
Details = Annotated[
    bool, typer.Option("--details", help="Print every figure, each reason and what to do about it.")
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        "--at-most",
        metavar="TIME",
        help="Add repetitions until this time is used, such as 5m or 1h30m: none starts that would "
        "end later.",
    ),
]


@app.command(rich_help_panel="Measure")
def demo(*, budget: Budget = None, as_json: AsJson = False, details: Details = False) -> None:
    """Compare five pools at equal slots in under two minutes, with five repetitions."""
    run(POOLS_EXPERIMENT, profile="demo", budget=budget, as_json=as_json, details=details)


@app.command(rich_help_panel="Measure")
def bench(*, budget: Budget = None, as_json: AsJson = False, details: Details = False) -> None:
    """Compare the pools at equal and at usual slots for 240 s, with at least seven repetitions."""
    run(POOLS_EXPERIMENT, profile="bench", budget=budget, as_json=as_json, details=details)


@app.command(rich_help_panel="Measure")
def run(
    experiment: Annotated[Path, typer.Argument(help="A TOML file, such as those in experiments/.")],
    *,
    profile: Annotated[str, typer.Option(help="Name of a profile in the file.")] = "demo",
    repetitions: Annotated[
        int | None,
        typer.Option(min=1, max=1_000, help="Number of repetitions (overrides the profile)."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Add repetitions until each interval is at most ± this wide, such as 3%, for "
            f"{DEFAULT_BUDGET_S / 60:.0f}m at most unless --budget is given.",
        ),
    ] = None,
    budget: Budget = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Random seed for the order of trials (overrides the file)."),
    ] = None,
    i_know: Annotated[
        bool,
        typer.Option(
            "--i-know",
            help="Run the tasks of your own app, of the file's \\[app], although what they do is "
            "real: mails, payments, databases.",
        ),
    ] = False,
    lanes: Annotated[
        bool,
        typer.Option(
            "--lanes",
            help="Only draw what each slot does when, with 32 jobs of each workload; compare "
            "nothing.",
        ),
    ] = False,
    trace: Trace = None,
    as_json: AsJson = False,
    details: Details = False,
) -> None:
    """Run your own experiment."""
    began_at_s = time.monotonic()
    rule = read_until(until=until, budget=budget, repetitions=repetitions)
    settings = load_settings()
    cores = environment.usable_cores()
    planned = load_experiment(experiment, profile=profile, cores=cores)
    if rule is not None or repetitions is not None:
        planned = replace(planned, repetitions=repetitions or 1, until=rule)
    if seed is not None:
        planned = replace(planned, seed=seed)
    check_trace(trace, has_lanes=lanes or bool(planned.lanes))
    if lanes and as_json:
        raise _no_json()
    refuse_unsafe(planned, settings=settings, is_known=i_know)
    planned = equip_app(equip(planned, free_threaded=settings.free_threaded))
    planned = only_lanes(planned) if lanes else with_control(planned)
    for skip in planned.skipped:
        _errors.print(f"[yellow]skipped {escape(str(skip))}[/]", highlight=False, soft_wrap=True)
    for text in warnings_of(planned):
        _errors.print(f"[yellow]warning: {escape(text)}[/]", highlight=False, soft_wrap=True)
    interrupt_on_signals(lambda: _errors.print("stopping the workers; results so far are kept"))
    # with a width to reach, only the limit is known
    is_open = planned.until is not None and planned.until.half_width is not None
    progress = RunProgress(
        _errors,
        title=planned.title,
        trials=trial_count(planned),
        blocks=None if planned.until else planned.repetitions,
        lanes=len(planned.lanes) * len(planned.originals),
        at_most_s=planned.until.at_most_s if planned.until else 0.0,
        expected_s=None if is_open else expected_s(planned, cores=cores),
    )
    with progress:
        folder, cut = conduct_experiment(
            planned,
            settings=settings,
            results_dir=settings.results_dir,
            command=shlex.join(["poolbench", *sys.argv[1:]]),
            progress=progress,
        )
    with uninterrupted():
        summary = _report(folder.path, as_json=as_json, has_details=details)
        if cut is None:
            write_trace(trace, run=folder.path)
    _errors.print(f"took {time.monotonic() - began_at_s:.0f} s")
    if isinstance(cut, KeyboardInterrupt):
        _errors.print("Run interrupted; results so far are kept and marked unfinished.")
        raise typer.Exit(ExitCode.INTERRUPTED)
    if cut is not None:
        raise cut
    if summary is not None:
        _end(summary, is_invalid=any(row.mark is Severity.INVALID for row in summary.rows))


@app.command(rich_help_panel="Measure")
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)],
    *,
    chart: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Write this chart of the page alone; lead is its first."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --chart: an .svg or .png file.")
    ] = None,
    pairs: Annotated[
        bool,
        typer.Option("--pairs", help="Compare every pair of contenders; intervals get wider."),
    ] = False,
    trace: Trace = None,
    as_json: AsJson = False,
    details: Details = False,
) -> None:
    """Rebuild a run's summary and HTML report from its raw records; print the comparison."""
    image = _image(chart, output=output)
    path = find_run(run, results_dir=load_settings().results_dir, needs_folder=True)
    if chart is not None and image is not None:
        write_chart(path, name=chart, output=image)
        return
    check_trace(trace, has_lanes=True)
    summary = _report(path, as_json=as_json, has_details=details, is_every_pair=pairs)
    write_trace(trace, run=path)
    if summary is not None:
        _end(summary)


def _report(
    path: Path, *, as_json: bool, has_details: bool, is_every_pair: bool = False
) -> Summary | None:
    """Write a run's page and print its result; return it, None for a run that has lanes only.

    Raises:
        UsageError: if JSON of lanes is asked for.
    """
    if not has_lanes_only(path):
        summary = write_reports(path, is_every_pair=is_every_pair)
        _show(summary, path=path, as_json=as_json, has_details=has_details)
        return summary
    if as_json:
        raise _no_json()
    if found := write_lanes(path):
        _output.print(render_lanes(found))
        _name_page(path)
    return None


def _no_json() -> UsageError:
    problem, remedy = "lanes are not written as JSON", "use --trace FILE.json"
    return UsageError(Fault(field="--json", problem=problem, remedy=remedy))


def _image(chart: str | None, *, output: Path | None) -> Path | None:
    """Return where a chart is to be written.

    Raises:
        UsageError: if one of the two options lacks the other, or the file can't be such an image.
    """
    if chart is None and output is None:
        return None
    if chart is None:
        raise UsageError(
            Fault(field="--output", problem="needs --chart", remedy="add --chart lead")
        )
    if output is None or output.suffix not in {".svg", ".png"}:
        seen, remedy = str(output or ""), "add --output FILE.svg or FILE.png"
        problem = "must end in .svg or .png" if output else "--chart needs it"
        raise UsageError(Fault(field="--output", seen=seen, problem=problem, remedy=remedy))
    if faults := output_faults(output, option="--output"):
        raise UsageError(*faults)
    return output


def main() -> int:
    """Run the command line; print a failure as one line on standard error, return its exit code."""
    try:
        return run_app(app)
    except PoolbenchError as error:
        _errors.print(f"[bold red]poolbench:[/] {escape(str(error))}", highlight=False)
        return error.exit_code


def _end(summary: Summary, *, is_invalid: bool = False) -> None:
    """Print missed and unchecked thresholds; exit with their code or that of an invalid run."""
    for one in sorted(failed(summary.thresholds), key=lambda one: one.status):
        line = f"[bold red]{one.status}:[/] {escape(one.text)}"
        _errors.print(line, highlight=False, soft_wrap=True)
    end_by(summary.thresholds, is_invalid=is_invalid)


def _show(summary: Summary, *, path: Path, as_json: bool, has_details: bool) -> None:
    if as_json:
        sys.stdout.write((path / "summary.json").read_text(encoding="utf-8"))
        return
    _output.print(render(summary, has_details=has_details))
    _name_page(path)


def _name_page(path: Path) -> None:
    page = path / "report.html"
    _output.print(f"\nreport  [link={page.resolve().as_uri()}]{page}[/link]", highlight=False)
