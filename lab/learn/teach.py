"""Runs a lesson: its programs, or its experiment, and what their lanes show."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from collector.recording import read_recording
from collector.store import RunFolder
from lab.experiment.control import with_control
from lab.experiment.interpreters import equip
from lab.experiment_file.loader import load_experiment
from lab.learn.lessons import Lesson, Outcome
from lab.run.conductor import conduct_experiment
from lab.run.lanes import only_lanes
from lab.run.progress import RunProgress
from lab.system import environment
from lab.system.paths import ROOT
from poolbench.errors import StackError
from poolbench.settings import load_settings
from report.analyses.slot_lanes import SlotLanes, lanes_of
from report.build import write_lanes, write_reports
from report.charts.chart import Chart
from report.charts.slots import slot_chart
from report.page.sections import LEAD, charts_of
from report.result import Summary

#: How long a program may take, seconds.
_AT_MOST_S = 60.0


def run_lesson(name: str, lesson: Lesson, *, console: Console) -> tuple[Outcome, Chart]:
    """Run a lesson; return what happened, and its picture.

    Raises:
        PoolbenchError: if a program or a worker fails, or if jobs don't end.
    """
    if lesson.programs:
        found = _run_programs(lesson.programs)
        return found, slot_chart(list(found.lanes.values()), name=name, title=lesson.title)
    folder = _conduct(lesson, console=console)
    if not lesson.has_lanes:
        summary = write_reports(folder.path)
        return _starts(summary), charts_of(summary)[LEAD]
    drawn = write_lanes(folder.path)
    if not drawn or drawn[0].notes:
        raise StackError(f"{lesson.experiment}: not all of its jobs ended (folder: {folder.path})")
    chart = replace(drawn[0].chart, name=name, title=lesson.title)
    return Outcome(lanes={one.name: one for one in drawn[0].lanes}), chart


def _conduct(lesson: Lesson, *, console: Console) -> RunFolder:
    """Run an experiment; return its folder.

    Raises:
        PoolbenchError, KeyboardInterrupt: if it was interrupted.
    """
    settings, cores = load_settings(), environment.usable_cores()
    planned = load_experiment(ROOT / lesson.experiment, profile="demo", cores=cores)
    planned = equip(planned, free_threaded=settings.free_threaded)
    for skip in planned.skipped:
        console.print(f"skipped {skip}", style="yellow", highlight=False, soft_wrap=True)
    planned = only_lanes(planned) if lesson.has_lanes else with_control(planned)
    progress = RunProgress(Console(quiet=True), title="", trials=1, blocks=1)
    folder, cut = conduct_experiment(
        planned,
        settings=settings,
        results_dir=settings.results_dir,
        command="python -m lab.learn",
        progress=progress,
    )
    if cut is not None:
        raise cut
    return folder


def _starts(summary: Summary) -> Outcome:
    return Outcome(starts={row.contender: row.start for row in summary.rows if row.start})


def _run_programs(names: Sequence[str]) -> Outcome:
    lanes: dict[str, SlotLanes] = {}
    results: dict[str, int] = {}
    for name in names:
        lanes[name], found = _run_program(name)
        if found is not None:
            results[name] = found
    return Outcome(lanes=lanes, results=results)


def _run_program(name: str) -> tuple[SlotLanes, int | None]:
    """Run a program in a new process; return what its recorder has seen, and its number.

    Raises:
        StackError: if it fails, or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="poolbench-") as folder:
        path = Path(folder) / f"{name}.pbrec"
        command = [sys.executable, "-m", "lab.learn", "--record", name, str(path)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_AT_MOST_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{name} didn't end within {_AT_MOST_S:.0f} s") from error
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise StackError(f"{name} ended with exit code {done.returncode}: {last}")
        lanes = lanes_of(read_recording(path), name=name)
    assert lanes is not None, "a program has functions that have ended"
    return lanes, json.loads(done.stdout)
