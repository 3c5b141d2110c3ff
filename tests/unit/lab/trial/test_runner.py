"""A trial's size and rate, from the figures of a pilot."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock, Mock

import pytest

from collector.run_manifest import Contender, WorkerGroup
from lab.experiment.arrivals import MAX_JOBS
from lab.instruments.stream_follower import TrialView
from lab.trial import runner
from lab.trial.runner import backlog_size, busy_slots, measured_rate_per_s


@pytest.mark.parametrize(
    ("spans_ms", "rate_per_s"),
    [
        # a job each 10 ms
        ([(10 * index, 10 * index + 10) for index in range(20)], 100),
        # four slots and 100 ms, though four finish at one instant
        ([(0, 100), (100, 200)] * 4, 40),
        # without a span there is no rate, and no division by zero
        ([], 0),
        ([(5, 5)], 0),
    ],
    ids=["steady", "waves", "no job", "no span"],
)
def test_a_pilot_gives_its_rate(spans_ms: list[tuple[int, int]], rate_per_s: float) -> None:
    """Jobs a second, also of waits that end in waves."""
    view = TrialView()
    view.started_ns = {str(index): start * 10**6 for index, (start, _) in enumerate(spans_ms)}
    view.finished_ns = {str(index): end * 10**6 for index, (_, end) in enumerate(spans_ms)}

    assert measured_rate_per_s(view) == pytest.approx(rate_per_s)


@pytest.mark.parametrize(
    ("rate_per_s", "slots", "jobs"),
    [(100.0, 4, 152), (0.0, 4, 20), (1.0, 100, 500), (1e9, 1, MAX_JOBS), (1e9, 3, 199_998)],
)
def test_a_backlog_lasts_about_a_trial(rate_per_s: float, slots: int, jobs: int) -> None:
    """Rate times duration, with a minimum of jobs for each slot and a maximum in all."""
    assert backlog_size(rate_per_s, slots=slots, trial_s=1.5) == jobs


@pytest.mark.parametrize(
    ("peak", "jobs", "slots", "busy"),
    [
        (1, 16, 100, 4),
        # as many as the pilot had, or near that
        (16, 16, 50, 50),
        (4, 16, 50, 50),
        (4, 8, 4, 4),
        (20, 200, 100, 80),
        (31, 200, 100, 100),
        (0, 16, 100, 4),
    ],
)
def test_slots_that_were_idle_in_the_pilot_need_no_backlog(
    peak: int, jobs: int, slots: int, busy: int
) -> None:
    """All slots if the peak was near its maximum, else a multiple of the peak."""
    assert busy_slots(peak, jobs=jobs, slots=slots) == busy


def test_workers_get_their_own_rate_limits_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of their settings, by group: a limit of a workload's jobs would else remove them."""
    celery = {"task_annotations": {"io.sleep": {"rate_limit": "100/s"}}}
    groups = (
        WorkerGroup(name="a", pool="solo", slots=1, workers=2, celery=celery),
        WorkerGroup(name="b", pool="solo", slots=1),
    )
    contender = Contender(name="two", pool="solo", slots=3, groups=groups)
    found: dict[str, Any] = {}

    def record(_url: str, *, nodes: list[str], limits: dict[str, Any]) -> list[str]:
        found.update(dict.fromkeys((node.partition(".")[0] for node in nodes), limits))
        return []

    # patched, since no worker runs here
    monkeypatch.setattr(runner, "limit_rates", record)
    bench, worker = MagicMock(), Mock(contender=contender)
    bench.scope.return_value = "run.0"

    assert runner._restore_rates(bench, worker, kinds=["io.sleep"]) is None
    limited = {"io.sleep": "100/s"}
    assert found == {"two:a:1": limited, "two:a:2": limited, "two:b:1": {"io.sleep": None}}


def test_a_rate_on_several_workers_of_an_app_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its jobs have stayed ended; its sender counts time without a due job as no silence."""
    # patched, since the time itself doesn't matter
    monkeypatch.setattr(runner, "SETTLE_S", 0.3)
    view = TrialView()
    bench = MagicMock(experiment=SimpleNamespace(stall_s=5.0, app=object()))
    bench.follower.view.return_value = view
    worker = SimpleNamespace(is_alive=True, processes=(1, 2))
    seen = iter([{0}, {0, 1}, {0}, {0, 1}])

    def read(**_: object) -> None:
        # a job may have led to more since it seemed to end
        view.ended = next(seen, {0, 1})

    def sent_in_all(of_trial: TrialView) -> int:
        of_trial.last_line_at_s = time.monotonic()
        return 2

    bench.follower.read = read
    plan = Mock(parts=())

    why = runner.follow(
        bench, cast("Any", worker), plan=plan, look=lambda: None, sent_in_all=sent_in_all
    )

    assert why is None
    assert next(seen, None) is None
