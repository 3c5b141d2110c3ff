"""The experiment that measures candidates."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.recording import read_recording
from lab.advise.demand import read_demand
from lab.advise.experiment import TODAY, Case, busiest_part, plan_experiment
from lab.advise.model import Setting
from lab.experiment.model import Experiment
from lab.run.duration import expected_s
from poolbench.errors import UsageError
from report.profile.measure import measure_profile
from tests.recordings import RecordedApp, jobs_of, poisson, write_recording

CANDIDATES = (
    Setting(pool="threads", slots=12, prefetch_multiplier=1),
    Setting(pool="gevent", slots=6, workers=2),
    Setting(pool="threads", slots=24),
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the recording of a small shop; it is busiest around its 80th second."""
    fetch = {"core_held": 0.002, "io_wait": 0.048}
    times = [*poisson(per_s=9, duration_s=120), *(80 + number / 50 for number in range(200))]
    path = tmp_path_factory.mktemp("advise") / "shop.pbrec"
    return write_recording(path, jobs_of("shop.fetch", sorted(times), fetch))


def planned(path: Path, *, budget_s: float = 300) -> tuple[Experiment, tuple[Case, ...]]:
    """Return the experiment of three candidates, with its cases."""
    recording = read_recording(path)
    demand = read_demand(measure_profile(recording), recording=recording, cores=2)
    return plan_experiment(
        demand,
        recording=recording,
        paths=[path],
        candidates=CANDIDATES,
        slo={"p95_wait_s": 2.0},
        budget_s=budget_s,
        seed=1,
    )


def test_it_measures_today_and_the_candidates_at_the_pace_and_at_the_limit(shop: Path) -> None:
    """Today's is the first, the baseline of every comparison."""
    found, _ = planned(shop)
    today, threads, gevent, _ = found.contenders

    assert [one.measure for one in found.workloads] == ["rate", "capacity"]
    assert (today.name, today.pool, today.slots) == (TODAY, "prefork", 4)
    assert threads.settings == {"prefetch_multiplier": 1}
    assert (gevent.name, gevent.workers, gevent.slots) == ("2x-gevent-6", 2, 12)


@pytest.mark.parametrize("budget_s", [150, 300, 900])
def test_its_repetitions_fit_the_budget(shop: Path, budget_s: float) -> None:
    """By the duration that is expected of a run, if the budget has room at all."""
    found, _ = planned(shop, budget_s=budget_s)

    assert found.until
    assert found.until.at_most_s == budget_s
    assert expected_s(found, cores=2) <= budget_s * 1.1


def test_a_small_budget_measures_fewer_candidates(shop: Path) -> None:
    """The best one at least; below that, the option is refused with the time it needs."""
    assert 2 <= len(planned(shop, budget_s=70)[0].contenders) < 4
    with pytest.raises(UsageError, match=r"--budget = .*too short.*Give at least \d+s"):
        planned(shop, budget_s=15)


def test_unknown_computing_is_measured_at_both_extremes(tmp_path: Path) -> None:
    """With the GIL held, and with it released; each at the pace and at the limit."""
    jobs = jobs_of("shop.report", poisson(per_s=9, duration_s=60), {"core": 0.04})
    path = write_recording(tmp_path / "shop.pbrec", jobs)

    found, cases = planned(path, budget_s=600)

    assert [case.unknown_as for case in cases] == ["held", "released"]
    assert len(found.workloads) == 4
    assert found.replays.keys() == {one.name for one in found.workloads}


def test_late_acknowledgement_is_kept(tmp_path: Path) -> None:
    """Candidates run as the app does."""
    tasks = {"shop.fetch": {"acks_late": True}}
    jobs = jobs_of("shop.fetch", poisson(per_s=9, duration_s=60), {"io_wait": 0.05})
    path = write_recording(tmp_path / "shop.pbrec", jobs, app=RecordedApp(tasks=tasks))

    found, _ = planned(path)

    assert all(one.settings["acks_late"] is True for one in found.contenders)


def test_the_busiest_part_is_measured(shop: Path) -> None:
    """200 more jobs arrive within four seconds: they are all in the busiest ten."""
    from_s, to_s = busiest_part(read_recording(shop), span_s=10.0)

    assert from_s < 81
    assert to_s > 83
    assert to_s - from_s == pytest.approx(10)
