"""`poolbench run --lanes` and `--trace`: what they refuse, and what they write."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab.commands.lanes import check_trace
from lab.experiment_file.loader import load_experiment
from lab.run.duration import expected_s
from lab.run.lanes import only_lanes
from poolbench.errors import ExitCode, UsageError
from tests.recordings import RecordedApp, jobs_of, write_recording
from tests.unit.lab.commands.test_profile import run


def test_only_lanes_measures_nothing() -> None:
    """No trial, no threshold, no A/A control; it takes longer with more workloads."""
    file = Path("experiments/gil.toml")
    planned = only_lanes(load_experiment(file, profile="bench", cores=2))

    assert planned.workloads == ()
    assert planned.fail_on == ()
    assert not planned.makes_claims
    assert [one.name for one in planned.lanes] == ["cpu.primes", "cpu.sha256", "io.sleep"]
    shorter = replace(planned, lanes=planned.lanes[:1])
    assert 1 < expected_s(shorter, cores=2) < expected_s(planned, cores=2) < 60


def test_workloads_without_jobs_have_no_lanes() -> None:
    """A start has none that anybody wants to see."""
    planned = load_experiment(Path("experiments/learn/start.toml"), profile="demo", cores=2)
    with pytest.raises(UsageError, match="no workload has jobs that lanes can show"):
        only_lanes(planned)


def test_a_trace_is_checked_before_anything_starts(tmp_path: Path) -> None:
    """All faults at once."""
    check_trace(None, has_lanes=False)
    check_trace(tmp_path / "t.json", has_lanes=True)
    with pytest.raises(UsageError) as caught:
        check_trace(tmp_path / "none" / "t.txt", has_lanes=False)
    problems = [fault.problem for fault in caught.value.faults]
    assert len(problems) == 3
    assert "must end in .json" in problems
    assert "there are no lanes" in problems


def test_a_recording_with_lanes_is_drawn_and_traced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`poolbench profile` writes both; without lanes it draws none, and refuses a trace."""
    jobs = jobs_of("shop.mail", [0.0, 0.1], {"core": 0.02, "gil_wait": 0.03})
    file = write_recording(tmp_path / "a.pbrec", jobs, app=RecordedApp(has_lanes=True))
    page, trace = tmp_path / "page.html", tmp_path / "t.json"

    assert run(monkeypatch, file, "--output", page, "--trace", trace) == ExitCode.OK
    assert "What each slot did" in page.read_text(encoding="utf-8")
    names = {one["name"] for one in json.loads(trace.read_text())["traceEvents"]}
    assert {"job 1", "on a core", "waits for the GIL"} <= names

    plain = write_recording(tmp_path / "b.pbrec", jobs)
    assert run(monkeypatch, plain, "--trace", trace) == ExitCode.USAGE
    assert run(monkeypatch, plain, "--output", page) == ExitCode.OK
    assert "What each slot did" not in page.read_text(encoding="utf-8")
