"""What makes a trial unstable, from its numbers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from collector.reasons import Code, Severity
from collector.run_manifest import Disturbance, JobCost, TrialResult
from report.summary import summarize
from report.trials.disturbances import CLOCK_STEP_BOUND_S, FOREIGN_CPU_BOUND, disturbances
from tests.summaries import row_of
from tests.synthetic import DEMO, DISTURBED, WORKLOADS, make_run, spoil

CALM = Disturbance(foreign_cpu_share=0.02, stolen_cpu_share=0.01, clock_step_s=0.00001)


def result(**change: float | None) -> TrialResult:
    """Return the result of a calm trial, but for what is given."""
    cost_after = JobCost(cpu_s=change.pop("after_s", 0.0105))
    disturbance = Disturbance(**{**asdict(CALM), **change})
    return TrialResult(
        cost_before=JobCost(cpu_s=0.0100), cost_after=cost_after, disturbance=disturbance
    )


@pytest.mark.parametrize(
    "calm",
    [
        result(),
        TrialResult(),
        result(foreign_cpu_share=None, stolen_cpu_share=None),
        result(foreign_cpu_share=FOREIGN_CPU_BOUND, clock_step_s=CLOCK_STEP_BOUND_S),
    ],
    ids=["calm", "unknown", "in-part-unknown", "at-the-bounds"],
)
def test_a_calm_trial_raises_no_doubt(calm: TrialResult) -> None:
    """Neither does one of which nothing is known, or one that reaches a bound and is not beyond."""
    assert [*disturbances(calm)] == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"after_s": 0.0114}, Code.CEILING_DRIFT),
        ({"foreign_cpu_share": 0.3}, Code.FOREIGN_CPU),
        ({"foreign_cpu_share": 0.3, "stolen_cpu_share": 0.28}, Code.STOLEN_CPU),
        ({"clock_step_s": -0.25}, Code.CLOCK_STEP),
    ],
)
def test_each_disturbance_has_its_code(change: dict[str, float], code: Code) -> None:
    """With the bound and without the number, so that several trials share a line."""
    seen = set(change.values())
    (doubt,) = disturbances(result(**change))

    assert doubt.code is code
    assert not {*doubt.parameters.values()} & seen


def test_a_disturbed_row_has_its_mark_and_its_reason(tmp_path: Path) -> None:
    """Shown once with its repetitions, whoever saw it; the number is the trial's."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1], contenders=DEMO)
    noisy = asdict(CALM) | {"foreign_cpu_share": 0.41}
    spoil(folder, contender="solo", block=2, disturbance=noisy)
    spoil(folder, contender="solo", block=4, reasons=[DISTURBED])

    summary = summarize(folder)

    row = row_of(summary, "solo")
    assert row.mark is Severity.UNSTABLE
    assert [(one.code, one.repetitions) for one in row.reasons] == [(Code.FOREIGN_CPU, (3, 5))]
    assert 0.41 in {trial.foreign_cpu_share for trial in summary.trials}
