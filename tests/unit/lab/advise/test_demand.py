"""What an app's jobs need, read from a recording; and what a recording doesn't show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from collector.recording import read_recording
from lab.advise.demand import read_demand
from lab.advise.model import Demand, Setting
from lab.conformance.kept import kept_verdicts
from poolbench.errors import UsageError
from report.profile.measure import measure_profile
from tests.recordings import RecordedApp, RecordedJob, jobs_of, poisson, write_recording


def demand_of(path: Path, jobs: Sequence[RecordedJob], **app: Any) -> Demand:
    """Return the demand of a recording of such jobs."""
    write_recording(path, jobs, app=RecordedApp(**app))
    recording = read_recording(path)
    profile = measure_profile(recording, verdicts=kept_verdicts())
    return read_demand(profile, recording=recording, cores=2)


def fetches(*, per_s: float = 9, duration_s: float = 120, **more: Any) -> list[RecordedJob]:
    """Return jobs that compute for 2 ms, wait for 48 ms and find no core for 10 ms."""
    states = {"core_held": 0.002, "io_wait": 0.048, "runnable": 0.010}
    return jobs_of("shop.fetch", poisson(per_s=per_s, duration_s=duration_s), states, **more)


def test_contention_is_not_the_jobs_own_need(tmp_path: Path) -> None:
    """60 ms a job on the recorded machine are 50 ms of need: the measured pool contends anew."""
    found = demand_of(tmp_path / "shop.pbrec", fetches())
    (task,) = found.tasks

    assert task.service_s == pytest.approx(0.050, rel=0.02)
    assert task.held_s == pytest.approx(0.002, rel=0.05)
    assert found.per_s == pytest.approx(9, rel=0.1)


def test_todays_setting_is_that_of_the_worker(tmp_path: Path) -> None:
    """With the prefetch multiplier in effect, and what it has installed."""
    found = demand_of(
        tmp_path / "shop.pbrec",
        fetches(),
        slots=6,
        worker={"packages": {"gevent": "26.9.0"}, "effective": {"prefetch_multiplier": 1}},
    )

    assert found.today == Setting(pool="prefork", slots=6, prefetch_multiplier=1)
    assert found.packages == {"gevent": "26.9.0"}


def test_memory_is_a_process_alone_and_a_process_among_others(tmp_path: Path) -> None:
    """60 MB of PSS and twice as much resident, in five processes of prefork."""
    found = demand_of(tmp_path / "shop.pbrec", fetches(), pss_bytes=60_000_000)

    assert found.child_bytes
    assert found.process_bytes
    assert found.child_bytes.median == pytest.approx(12e6)
    assert found.process_bytes.median == pytest.approx(24e6)


def test_a_limit_that_struck_is_used_and_one_that_did_not_is_only_set(tmp_path: Path) -> None:
    """By the recorded time-outs; threads ignore it in the kept survey."""
    tasks = {"shop.fetch": {"time_limit": 30}}
    struck = fetches(duration_s=1, outcome="timed-out")
    only_set = demand_of(tmp_path / "set.pbrec", fetches(), tasks=tasks)
    used = demand_of(tmp_path / "used.pbrec", fetches() + struck, tasks=tasks)

    set_, use = (
        next(one for one in found.features if one.name == "hard time limit")
        for found in (only_set, used)
    )
    assert (set_.is_used, use.is_used) == (False, True)
    assert "threads" in use.lost_in


@pytest.mark.parametrize(("duration_s", "is_used"), [(120, False), (700, True)])
def test_children_have_to_be_replaced_if_jobs_leave_memory_behind(
    tmp_path: Path, duration_s: float, *, is_used: bool
) -> None:
    """100 kB a job are 8 GB a day; two minutes don't show it, since first jobs need memory too."""
    found = demand_of(
        tmp_path / "shop.pbrec",
        fetches(per_s=1, duration_s=duration_s, grown_bytes=100_000),
        worker={"options": {"max_tasks_per_child": 100}},
    )
    (feature,) = found.features

    assert (feature.name, feature.is_used) == ("max tasks per child", is_used)
    assert "threads" in feature.lost_in


@pytest.mark.parametrize(
    ("jobs", "app", "gap"),
    [
        (fetches(duration_s=20), {}, r"The recording has 2\d\.\d s\. Record for 60 s at least\."),
        (fetches(per_s=0.2), {}, r"Only \d+ executions ended\. Record for about \d+ min"),
        (
            fetches() + jobs_of("shop.report", [10, 50, 90], {"core_held": 30.0}),
            {},
            r"shop\.report has \d+ % of the busy time, and ran 3 times\. Record for about",
        ),
        (fetches(), {"recording": {"dropped_lines": 9_000}}, r"9,000 of [\d,]+ lines are missing"),
        (fetches(outcome=""), {"slots": 2_000}, r"No execution has a start and an end"),
    ],
    ids=["short", "few", "few of one", "dropped", "none ended"],
)
def test_thin_evidence_is_a_gap_with_its_remedy(
    tmp_path: Path, jobs: Sequence[RecordedJob], app: dict[str, Any], gap: str
) -> None:
    """Each names what to record, and for how long."""
    found = demand_of(tmp_path / "shop.pbrec", jobs, **app)

    assert any(re.match(gap, one) for one in found.gaps), found.gaps


def test_a_whole_recording_has_no_gap(tmp_path: Path) -> None:
    """Two minutes of 9 jobs a second."""
    assert not demand_of(tmp_path / "shop.pbrec", fetches()).gaps


def test_workers_that_differ_are_refused(tmp_path: Path) -> None:
    """There is no setting of today to compare with."""
    paths = [tmp_path / "one.pbrec", tmp_path / "two.pbrec"]
    for number, path in enumerate(paths):
        app = RecordedApp(name=f"shop@web{number}", slots=4 + number)
        write_recording(path, fetches(), app=app)
    recording = read_recording(*paths)

    with pytest.raises(UsageError, match="differ in pool or slots"):
        read_demand(measure_profile(recording), recording=recording, cores=2)


def test_a_pool_that_poolbench_does_not_run_is_refused(tmp_path: Path) -> None:
    """There is no way to measure today's setting."""
    with pytest.raises(UsageError, match=r"shop@web1: its pool can't be measured: eventlet"):
        demand_of(tmp_path / "shop.pbrec", fetches(), worker={"pool": "eventlet"})
