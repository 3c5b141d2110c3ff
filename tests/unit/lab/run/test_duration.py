"""The expected duration of a run, from its plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from collector.run_manifest import ArrivalValue, Part, Until, WorkerGroup, Workload
from lab.experiment.control import with_control
from lab.experiment.model import Experiment
from lab.experiment_file.loader import load_experiment
from lab.run.duration import expected_s
from poolbench.job_options import JobOptions, Retry

#: What whole runs took on two cores, seconds, by file and profile.
TOOK_S = {
    ("pools", "demo"): 111,
    ("pools", "bench"): 275,
    ("cpu", "bench"): 185,
    ("io", "bench"): 334,
    ("mixed", "bench"): 310,
    ("mix", "bench"): 395,
    ("load", "bench"): 1324,
    ("slots", "bench"): 67,
}


def planned(name: str = "pools", *, profile: str = "demo") -> Experiment:
    """Return an experiment as two cores resolve it, with its A/A control."""
    file = Path(f"experiments/{name}.toml")
    return with_control(load_experiment(file, profile=profile, cores=2))


@pytest.mark.parametrize(("name", "profile"), TOOK_S)
def test_it_is_within_a_quarter_of_what_runs_took(name: str, profile: str) -> None:
    """Backlogs, rates, mixes and sweeps; with a budget too."""
    found_s = expected_s(planned(name, profile=profile), cores=2)

    assert found_s == pytest.approx(TOOK_S[name, profile], rel=0.25)


def test_a_budget_bounds_it_unless_the_least_repetitions_take_longer() -> None:
    """No repetition starts that would end after the budget."""
    demo = planned()
    short, long = (replace(demo, until=Until(at_most_s=at_most_s)) for at_most_s in (30.0, 600.0))

    assert expected_s(short, cores=2) == expected_s(demo, cores=2)
    assert 550 < expected_s(long, cores=2) < 620


def test_a_rate_above_the_capacity_lasts_until_the_backlog_is_done() -> None:
    """150 jobs a second, with more to compute than two cores can do: most of them queue."""
    mix = planned("mix")
    (workload,) = mix.workloads
    arrivals: dict[str, ArrivalValue] = {"how": "poisson", "rate_per_s": 150.0, "count": 900}
    overloaded = replace(mix, workloads=(replace(workload, arrivals=arrivals),))

    assert expected_s(overloaded, cores=2) > 3 * expected_s(mix, cores=2)


def test_workers_themselves_take_as_long_as_they_are_measured() -> None:
    """An idle worker its seconds; a start until the ballast is imported and the sleeps are over."""
    demo = planned()
    idle = Workload(
        name="idle", kind="", parameters={}, measure="idle", measure_parameters={"idle_s": 20}
    )
    ballast = {"import_ms": 5_000, "import_mb": 0}
    start = replace(idle, measure="start", measure_parameters=ballast)
    trials = len(demo.contenders) * demo.repetitions
    none_s, idle_s, start_s = (
        expected_s(replace(demo, workloads=(*demo.workloads, *more)), cores=2)
        for more in ((), (idle,), (start,))
    )

    assert idle_s - none_s == pytest.approx(20 * trials, rel=0.1)
    assert 7 * trials < start_s - none_s < 12 * trials


def test_countdowns_and_rate_limits_make_a_trial_longer() -> None:
    """The last retry waits for two countdowns; 81 jobs at two a second take 40 s."""
    (workload,) = planned("mix").workloads
    short, long = workload.mix
    countdowns = JobOptions(countdown_s=30, retry=Retry(share=0.1, countdown_s=10))
    limited = JobOptions(rate_limit="2/s")

    def block_s(part: Part) -> float:
        changed = replace(planned("mix"), workloads=(replace(workload, mix=(part, long)),))
        return expected_s(changed, cores=2) / changed.repetitions / len(changed.contenders)

    plain_s = block_s(short)
    assert block_s(replace(short, options=countdowns)) == pytest.approx(plain_s + 40)
    assert block_s(replace(short, options=limited)) == pytest.approx(plain_s + 40.5 - 6, rel=0.05)


def test_each_worker_of_a_contender_takes_its_time_to_start() -> None:
    """Two groups of two workers boot like four contenders."""
    demo = planned()
    group = WorkerGroup(pool="threads", slots=1, workers=2)
    first, *others = demo.contenders
    several = replace(demo, contenders=(replace(first, groups=(group, group)), *others))

    assert expected_s(several, cores=2) > expected_s(demo, cores=2) + demo.repetitions
