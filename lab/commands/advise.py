"""`poolbench advise`: which pool, slots and settings fit a recorded app."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import PydanticCustomError
from rich.console import Console

from collector.recording import read_recording
from lab.advise.decision import Outcome
from lab.advise.demand import read_demand
from lab.advise.model import Limits
from lab.advise.run import advise as find_advice
from lab.advise.screen import render
from lab.conformance.kept import kept_verdicts
from lab.experiment.model import Experiment
from lab.experiment.stopping_rule import read_budget_s
from lab.experiment_file.contenders import as_bytes
from lab.experiment_file.slo import parse_slo
from lab.run.conductor import conduct_experiment
from lab.run.duration import expected_s
from lab.run.progress import RunProgress
from lab.run.trial_sequences import trial_count
from lab.system import environment
from lab.system.signals import interrupt_on_signals, uninterrupted
from poolbench.errors import ExitCode, Fault, UsageError
from poolbench.settings import load_settings
from report.build import write_reports
from report.profile.measure import measure_profile
from report.result import Summary

_errors = Console(stderr=True)
_output = Console()

#: Exit code by what the advice is.
EXIT_CODES = {
    Outcome.CHANGE: ExitCode.OK,
    Outcome.STAY: ExitCode.OK,
    Outcome.NONE: ExitCode.MISSED,
    Outcome.ABSTAIN: ExitCode.INVALID,
}


def advise(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Recordings by poolbench record, one a worker."),
    ],
    *,
    slo: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BOUND",
            help='Latency to keep at the recorded rate, such as "p95_wait < 2s"; repeat the option '
            "for more. Without it, a setting only has to keep up.",
        ),
    ] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Most memory of all workers, such as 1G.")
    ] = None,
    connections: Annotated[
        int | None, typer.Option(min=1, help="Most connections of all workers.")
    ] = None,
    budget: Annotated[
        str, typer.Option(metavar="TIME", help="How long to measure, such as 5m or 1h30m.")
    ] = "5m",
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the order of trials.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the advice as JSON.")] = False,
) -> None:
    """Advise on pool, slots and settings for a recorded app: by rules, then by measuring.

    Measures today's setting and three others with stand-ins of the recorded jobs. Nothing is sent
    to the app's broker, and nothing of the app runs or changes.
    """
    limits = Limits(memory_bytes=_memory_bytes(memory), connections=connections)
    bounds, budget_s = parse_slo(slo or ()), read_budget_s(budget)
    recording = read_recording(*files)
    profile = measure_profile(recording, verdicts=kept_verdicts())
    demand = read_demand(profile, recording=recording, cores=environment.usable_cores())
    interrupt_on_signals(lambda: _errors.print("stopping the workers"))
    try:
        advice = find_advice(
            demand,
            recording=recording,
            paths=files,
            limits=limits,
            slo=bounds,
            budget_s=budget_s,
            seed=seed,
            measure=_measure,
        )
    except KeyboardInterrupt:
        _errors.print("Interrupted; there is no advice.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if as_json:
        sys.stdout.write(advice.to_json())
    else:
        _output.print(render(advice), highlight=False)
    if code := EXIT_CODES[advice.decision.outcome]:
        raise typer.Exit(code)


def _memory_bytes(memory: str | None) -> int | None:
    """Return the bytes of a size.

    Raises:
        UsageError: if it is none.
    """
    if memory is None:
        return None
    try:
        return as_bytes(memory)
    except PydanticCustomError as error:
        context = error.context or {}
        remedy = 'write a number and K, M or G, such as "512M"'
        fault = Fault(field="--memory", seen=memory, problem=context["problem"], remedy=remedy)
        raise UsageError(fault) from None


def _measure(experiment: Experiment) -> tuple[Summary, Path]:
    """Conduct the experiment into a folder of its own, with its report."""
    until = experiment.until
    progress = RunProgress(
        _errors,
        title=experiment.title,
        trials=trial_count(experiment),
        blocks=None,
        at_most_s=until.at_most_s if until else 0.0,
        expected_s=expected_s(experiment, cores=environment.usable_cores()),
    )
    with progress:
        folder, cut = conduct_experiment(
            experiment,
            settings=load_settings(),
            results_dir=load_settings().results_dir,
            command=shlex.join(["poolbench", *sys.argv[1:]]),
            progress=progress,
        )
    if cut is not None:
        raise cut
    with uninterrupted():
        return write_reports(folder.path), folder.path
