"""What jobs cost without Celery, measured once between two trials of the same jobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from collector.run_manifest import PlannedTrial
from lab.instruments.job_cost import Gauge
from lab.trial.plan import measure_job_cost

PLAN = PlannedTrial(
    trial=0,
    contender="threads-4",
    pool="threads",
    slots=4,
    kind="cpu.primes",
    parameters={"units": 2},
    block=0,
    workload="cpu.primes",
    is_pilot=False,
)


@pytest.fixture
def gauge() -> Iterator[Gauge]:
    """A gauge in this Python."""
    with Gauge() as it:
        yield it


def test_one_measurement_lies_between_two_trials_of_the_same_jobs(gauge: Gauge) -> None:
    """That after a trial is that before the next, and never the one before its own."""
    before = measure_job_cost(gauge, plan=PLAN)
    after = measure_job_cost(gauge, plan=PLAN, is_after=True)
    following = measure_job_cost(gauge, plan=replace(PLAN, contender="other"))
    other = measure_job_cost(gauge, plan=replace(PLAN, parameters={"units": 4}))

    assert before is not after
    assert following is after
    assert other is not after
    assert other.cpu_s


def test_an_old_measurement_is_not_used_again(
    gauge: Gauge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine may have changed."""
    after = measure_job_cost(gauge, plan=PLAN, is_after=True)
    monkeypatch.setattr("lab.instruments.job_cost.RECENT_S", 0.0)

    assert measure_job_cost(gauge, plan=PLAN) is not after
