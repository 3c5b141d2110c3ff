"""What a block measures, and that it ends every worker that it started, also after a signal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest

from collector.run_manifest import Contender, Disturbance, TrialEntry, TrialResult, Workload
from lab.run import conductor
from lab.run.state import Run
from lab.run.trial_sequences import Unit

SOLO = Contender(name="solo", pool="solo", slots=1, note="")

CALM = Disturbance(foreign_cpu_share=0.0, stolen_cpu_share=0.0, clock_step_s=0.0)


@pytest.fixture
def _heard() -> Iterator[None]:
    """Let SIGINT raise: a shell makes its background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heard")
def test_a_signal_while_a_worker_starts_leaves_it_among_those_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker that is in no list would keep running."""

    def start(*_: Any, **__: Any) -> str:
        signal.raise_signal(signal.SIGINT)
        return "worker"

    # patched, since the signal must arrive during the start
    monkeypatch.setattr(conductor, "start_worker", start)
    run = cast("Run", SimpleNamespace(workers=[], up={}, databases=None))

    with pytest.raises(KeyboardInterrupt):
        conductor._start(run, SOLO, block=0)

    assert list(run.up) == ["solo"]
    assert len(run.workers) == 1


def unit(name: str, *, measure: str = "capacity") -> Unit:
    """Return a unit that measures a workload of that name."""
    workload = Workload(name=name, kind="io.sleep", parameters={}, measure=measure)
    return Unit(contender=SOLO, workload=workload)


def test_a_trial_disturbed_from_outside_is_measured_once_more_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the order of the first trials and once only; foreign CPU is no cause, nor is a search."""
    stolen, stepped = replace(CALM, stolen_cpu_share=0.3), replace(CALM, clock_step_s=-1.0)
    seen = {
        "calm": CALM,
        "stolen": stolen,
        "busy": replace(CALM, foreign_cpu_share=0.9),
        "unwatched": None,
        "stepped": stepped,
        "search": stolen,
    }
    run = cast("Run", SimpleNamespace(trials=[TrialEntry(plan=Mock())], progress=Mock()))
    measured: list[tuple[str, int | None]] = []

    def measure(run: Run, unit: Unit, *, repeats: int | None = None) -> None:
        measured.append((unit.workload.name, repeats))
        result = TrialResult(disturbance=seen[unit.workload.name])
        run.trials.append(TrialEntry(plan=Mock(), result=result))

    # patched, since no test can make a hypervisor steal
    monkeypatch.setattr(conductor, "_measure", measure)
    searches = {"search": "sustain"}
    units = [unit(name, measure=searches.get(name, "capacity")) for name in seen]
    conductor._measure_units(run, units)

    firsts: list[tuple[str, int | None]] = [(name, None) for name in seen]
    assert measured == [*firsts, ("stolen", 2), ("stepped", 5)]


def test_a_point_without_a_rate_is_not_measured_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves no trial, and the one before it belongs to another."""
    disturbed = TrialEntry(
        plan=Mock(), result=TrialResult(disturbance=replace(CALM, clock_step_s=1.0))
    )
    run = cast("Run", SimpleNamespace(trials=[disturbed], progress=Mock()))
    measure = Mock()
    # patched, since it has nothing to measure
    monkeypatch.setattr(conductor, "_measure", measure)

    conductor._measure_units(run, [replace(unit("bend", measure="curve"), share=0.8)])

    assert measure.call_count == 1
