"""The jobs of a start: they reach every slot of every group of workers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest

from collector.reasons import Code
from collector.run_manifest import Contender, LimitUse, WorkerGroup, Workload
from lab.trial import worker_trials
from lab.trial.context import LabWorker
from lab.trial.worker_trials import SLOT_SLEEP_MS, first_and_sleeps, measure_idle
from producer.mixes import draw_in_sequence

START = Workload(name="start", kind="", parameters={}, measure="start")
PLAIN = Contender(name="plain", pool="threads", slots=4)
GROUPED = Contender(
    name="two",
    pool="threads",
    slots=7,
    groups=(
        WorkerGroup(name="cpu", pool="threads", slots=3, queues=("cpu",)),
        WorkerGroup(name="io", pool="threads", slots=2, workers=2, queues=("io", "other")),
    ),
)


@pytest.mark.parametrize(
    ("contender", "queues"),
    [(PLAIN, [""] * 5), (GROUPED, ["cpu", *["cpu"] * 3, *["io"] * 4])],
    ids=["plain", "grouped"],
)
def test_the_first_job_does_nothing_and_the_others_sleep_in_all_slots(
    contender: Contender, queues: list[str]
) -> None:
    """In this order; those of a group go to a queue that its workers consume."""
    count = 1 + contender.slots

    mix = first_and_sleeps(START, contender=contender, count=count).mix

    drawn = [mix[at] for at in draw_in_sequence([[one.share] for one in mix], count=count, seed=0)]
    delays_ms = [one.parameters["delay_ms"] for one in drawn]
    assert delays_ms == [0.0, *[SLOT_SLEEP_MS] * contender.slots]
    assert [one.options.queue for one in drawn] == queues


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """The run; the rest is patched, since no worker runs here."""
    for name in ("plan_trial", "read_connections"):
        monkeypatch.setattr(worker_trials, name, Mock())
    monkeypatch.setattr(worker_trials, "used", Mock(return_value=None))
    return MagicMock()


IDLE = replace(START, name="idle", measure="idle", measure_parameters={"idle_s": 0})


def idle_worker(*, cgroup: Mock | None = None) -> LabWorker:
    """Return a worker that lives for two samples, a second apart."""
    samples = [Mock(cpu_s=1.0, t_ns=t_ns, processes=3) for t_ns in (0, 10**9)]
    return LabWorker(
        contender=PLAIN,
        block=0,
        processes=(Mock(exit_code=None),),
        cgroup=cgroup,
        sampler=Mock(sample=Mock(side_effect=samples)),
        started_at_s=0.0,
    )


def test_an_idle_worker_is_measured_from_when_it_is_at_rest(bench: MagicMock) -> None:
    """What it still does about its last jobs would double its commands a second."""
    worker: Any = idle_worker()
    levels = bench.level_reader.return_value
    levels.read_at_rest.side_effect = lambda **_: worker.sampler.sample.assert_not_called()

    measure_idle(bench, worker, IDLE)

    levels.read_at_rest.assert_called_once()
    assert worker.sampler.sample.call_count == 2


def test_an_idle_worker_whose_children_are_killed_says_so(bench: MagicMock) -> None:
    """Celery starts others at once, so that its figures are those of no idle worker."""
    cgroup = Mock()
    cgroup.read.return_value = LimitUse(oom_kills=0)
    cgroup.since.return_value = LimitUse(oom_kills=3)

    measure_idle(bench, idle_worker(cgroup=cgroup), IDLE)

    (reason,) = bench.record.call_args.kwargs["reasons"]
    assert (reason.code, reason.parameters["kills"]) == (Code.CHILDREN_OOM_KILLED, 3)
