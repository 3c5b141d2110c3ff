"""Every reason of the catalogue is given by some path of the code, in words that it can fill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock, Mock

import polars as pl
import pytest
import redis

from collector.metrics import figures
from collector.reasons import CATALOGUE, Code, Reason
from collector.run_hash import RunHash
from collector.run_manifest import Contender, Disturbance, LimitUse, WorkerGroup, read_manifest
from collector.run_manifest import Workload as PlannedWorkload
from collector.schema import RECORD_SCHEMA
from collector.summary import Summary, describe
from collector.worker_figures import PingAnswers
from lab.instruments.open_jobs import OpenJobs
from lab.instruments.remote_control import WorkerSettings, unmet
from lab.instruments.stream_follower import TrialView
from lab.run import conductor
from lab.run.state import Run
from lab.trial import runner, worker_trials
from lab.trial.context import LabWorker
from poolbench.errors import StackError
from poolbench.summaries import RunState
from report.summary import summarize
from report.trials.slo import by_job, judge_rate
from tests.loading import make_load_run, serve
from tests.pairs import compare_folders, make_pair
from tests.synthetic import (
    DEMO,
    FREE_THREADED,
    START_NS,
    WORKLOADS,
    Workload,
    edit_manifest,
    find_trial,
    flat_manifest,
    make_run,
    speed_up,
    spoil,
)
from tests.unit.report.verdicts.test_worker import run_of
from tests.watched import watch

SOLO = DEMO[3]
ASYNCIO = Contender(name="asyncio-4", pool="asyncio", slots=4)
FREED = Contender(name="threads-4-nogil", pool="threads", slots=4, interpreter="free-threaded")


def spoiled_trials(path: Path) -> None:
    """Each trial of a run has a fault of its own in its records."""
    folder = make_run(path, workloads=WORKLOADS[3:])
    jobs = folder.read_jobs()

    def of(contender: str, block: int) -> pl.Expr:
        trial = find_trial(folder, contender=contender, workload="io.http", block=block)
        return pl.col("trial") == trial

    solo = pl.lit("celery.concurrency.solo:TaskPool")
    twice = jobs.filter(of("prefork-4", 0)).with_columns(nonce=pl.format("{}2", "nonce"))
    kept = ~of("threads-4", 1) | (pl.col("seq") < 12)
    spoil(folder, contender="threads-4", block=1, sent=12)
    spoil(folder, contender="prefork-4", block=1, sent=50)
    spoil(folder, contender="prefork-4", block=2, sent=30)
    spoil(folder, contender="prefork-4", block=3, end_ns=None)
    folder.write_jobs(
        pl.concat([jobs, twice])
        .filter(kept)
        .with_columns(
            pool_seen=pl.when(of("threads-4", 0)).then(solo).otherwise("pool_seen"),
            outcome=pl.when(of("threads-4", 2)).then(pl.lit("failed")).otherwise("outcome"),
            boot_id=pl.when(of("threads-4", 3) & (pl.col("seq") < 9))
            .then(pl.lit("other"))
            .otherwise("boot_id"),
            sockets_patched=False,
        )
    )
    contenders = flat_manifest(folder)["contenders"]
    edit_manifest(
        folder,
        contenders=[*contenders, contenders[0] | {"name": "never-measured"}],
        ceilings={
            "producer_per_s": 20.0,
            "noop_per_s": {"solo": 20.0},
            "redis_per_s": {"solo": 20.0},
            "upstream_per_s": {"io.http": 20.0},
        },
    )
    summarize(folder)


def disturbed_machine(path: Path) -> None:
    """Neighbours, a hypervisor, the clock and the processor's frequency."""
    folder = make_run(path, workloads=WORKLOADS[:1], contenders=[SOLO], noise=0.3)
    for block, (stolen, step_s) in enumerate([(0.0, 0.0), (0.5, 0.0), (0.0, 1.0)]):
        disturbance = Disturbance(
            foreign_cpu_share=0.5 + stolen, stolen_cpu_share=stolen, clock_step_s=step_s
        )
        spoil(folder, block=block, disturbance=asdict(disturbance))
    spoil(folder, block=3, cost_after={"cpu_s": 1.0})
    spoil(folder, block=4, repeats=1)
    summarize(folder)


def drifting_repetitions(path: Path) -> None:
    """Each block is a sixth faster than the one before."""
    folder = make_run(path, workloads=WORKLOADS[2:3], contenders=[SOLO], noise=0.001)
    speed_up(folder)
    summarize(folder)


def interpreters_and_loops(path: Path) -> None:
    """A GIL that was on, with and without a known cause; a loop that was blocked, and one not."""
    per_s = {one.name: 100.0 for one in (FREED, ASYNCIO, SOLO)}
    workload = Workload(name="cpu.primes", kind="cpu.primes", per_s=per_s)
    folder = make_run(path, workloads=[workload], contenders=[FREED, ASYNCIO, SOLO], blocks=1)
    summarize(folder)
    blocked_ns = pl.when(pl.col("contender") == ASYNCIO.name).then(90_000_000)
    folder.write_jobs(folder.read_jobs().with_columns(gil_enabled=True, blocked_ns=blocked_ns))
    summarize(folder)
    known = FREE_THREADED | {"gil_turned_on_by": ["greenlet"]}
    edit_manifest(folder, interpreters={"free-threaded": known})
    summarize(folder)


def levels(path: Path) -> None:
    """A prefetch count that returned, and one that did not; memory of countdowns and of jobs."""
    full: dict[str, Any] = {"prefetch_count": 5_016, "countdown_jobs": 5_000}
    for left in (16, 17):
        folder = make_run(path / str(left), workloads=WORKLOADS[2:3], contenders=[SOLO])
        watch(folder, levels=[[{}, full, {"prefetch_count": left}]])
        summarize(folder)
    folder = make_run(path / "jobs", workloads=WORKLOADS[2:3], contenders=[SOLO], jobs=800)
    watch(folder, levels=[[{"pss_bytes": 10_000 * at} for at in range(41)]])
    summarize(folder)


def rates(path: Path) -> None:
    """Searches that never turn or stay open, jobs sent late, a bound and jobs that are missed."""
    for name, shares in {"none": (1.3, 1.2), "all": (0.7, 0.8), "open": (0.7, 1.3)}.items():
        trials = [
            (
                {"contender": "solo", "block": 0, "rate_per_s": share * 20, "step": step},
                serve(rate_per_s=share * 20, job_s=0.05, jobs=120),
            )
            for step, share in enumerate(shares)
        ]
        workload = {"name": "w", "kind": "io.sleep", "parameters": {}, "measure": "sustain"}
        summarize(make_load_run(path / name, trials=trials, contenders=[SOLO], workload=workload))
    late = serve(rate_per_s=10, job_s=0.05, jobs=120).with_columns(pl.col("sent_ns") + 10**9)
    workload = {"name": "w", "kind": "io.sleep", "parameters": {}, "measure": "rate"}
    plan = {"contender": "solo", "block": 0, "rate_per_s": 10.0}
    folder = make_load_run(
        path / "late", trials=[(plan, late)], contenders=[SOLO], workload=workload
    )
    summarize(folder)
    overloaded = by_job(serve(rate_per_s=40, job_s=0.05, jobs=200))
    judge_rate(overloaded, jobs=300, slots=1, slo={"": {"p95_wait_s": 0.1}})


def no_throughput(_: Path) -> None:
    """Figures of trials too odd for one."""
    done = serve(rate_per_s=10, job_s=0.05, jobs=20)
    figures(done, slots=0, is_capacity=True)
    figures(done.with_columns(finished_ns=START_NS), slots=1, is_capacity=True)
    figures(done.with_columns(finished_ns=0), slots=1, is_capacity=False)
    figures(RECORD_SCHEMA.to_frame(), slots=1, is_capacity=False)


def submissions(_: Path) -> None:
    """What hinders the collector of a stack, and who else was there."""
    run = RunHash(
        run="r", created_ns=1, source="producer", plans=(), sent={}, sent_all_ns=2, boot_id=None
    )
    summary = Summary(
        run=run,
        trials=(),
        state=RunState.CLOSED,
        has_events=False,
        overlapped_by=("other",),
        lines=0,
        rejected_lines=0,
    )
    describe(summary, fault="disk full")


def another_machine(path: Path) -> None:
    """Run B on a machine that does the same work in twice the time."""
    pair = make_pair(path, workload=WORKLOADS[0], blocks=(1, 1))
    spoil(pair[1], cost_before={"cpu_s": 0.02}, cost_after={"cpu_s": 0.02})
    compare_folders(pair)


def trials_that_end_early(path: Path) -> None:
    """Workers that are gone, killed, silent or deaf, and a Flower that saw nothing."""
    child = cast("Any", SimpleNamespace(exit_code=-9, log=path / "0-solo.log"))
    group = Mock()
    group.read.return_value = LimitUse(oom_kills=2)
    workers = [
        LabWorker(
            contender=SOLO,
            block=0,
            processes=(child,),
            cgroup=one,
            sampler=Mock(),
            started_at_s=0.0,
        )
        for one in (None, group)
    ]
    silent = TrialView()
    bench = MagicMock(
        experiment=SimpleNamespace(
            stall_s=0.0, seed=1, slo={}, app=None, described=None, replays={}
        )
    )
    bench.follower.view.return_value = silent
    # patched, since nothing is to be waited for
    bench.follower.read = lambda **_: setattr(silent, "last_line_at_s", -1e9)
    for worker in (cast("Any", SimpleNamespace(is_alive=True)), *workers):
        runner.follow(bench, worker, plan=Mock(parts=()), look=Mock(), sent_in_all=lambda _: 9)
    silent.open_jobs = OpenJobs()
    silent.take({"m": "received", "seq": 0, "task_id": "a", "kind": "shop.mail", "t_ns": 1})
    runner.follow(
        bench,
        cast("Any", SimpleNamespace(is_alive=True)),
        plan=Mock(parts=()),
        look=Mock(),
        sent_in_all=lambda _: 9,
    )
    with pytest.MonkeyPatch.context() as patch:
        # patched, since only the count of events matters here
        for name in ("measure_job_cost", "used", "Watch"):
            patch.setattr(runner, name, Mock())
        patch.setattr(runner, "draw_mix", Mock(return_value=None))
        patch.setattr(runner, "read_connections", Mock())
        patch.setattr(runner, "_is_sustained", Mock(return_value=None))
        patch.setattr(runner, "follow", Mock(return_value=None))
        bench.count_events.return_value = 0
        patch.setattr(runner, "plan_trial", Mock(return_value=Mock(parts=())))
        free = Mock()
        free.kill_reason.return_value = None
        alive = replace(workers[1], processes=(Mock(exit_code=None),))
        alive.kill_reason(LimitUse(oom_kills=2))
        runner.conduct(bench, free, Mock())
        patch.setattr(runner, "limit_rates", Mock(return_value=["io.sleep"]))
        patch.setattr(runner, "nodes_of", Mock(return_value=[]))
        patch.setattr(runner, "instances", Mock(return_value=[]))
        runner._limit_rates(bench, Mock(), {"io.sleep": "6/m"})
        patch.setattr(runner, "limit_rates", Mock(return_value=[]))
        patch.setattr(runner, "plan_trial", Mock(return_value=Mock(parts=(), measure="ping")))
        bench.pinger.end.return_value = PingAnswers(timeout_s=1.0)
        runner.conduct(bench, free, MagicMock())


def starts_that_leave_slots_idle(_: Path) -> None:
    """A worker whose jobs all end, though never in all slots at once."""
    bench = MagicMock()
    bench.follower.forget.return_value = TrialView()
    idle = PlannedWorkload(
        name="start", kind="", parameters={}, measure_parameters={"import_ms": 0, "import_mb": 0}
    )
    with pytest.MonkeyPatch.context() as patch:
        # patched, since no worker is to be started
        for name in ("plan_trial", "draw_mix"):
            patch.setattr(worker_trials, name, Mock())
        patch.setattr(worker_trials, "start_worker", Mock(return_value=Mock(processes=[Mock()])))
        patch.setattr(worker_trials, "follow", Mock(return_value=None))
        patch.setattr(worker_trials, "children", Mock())
        ready = Mock(contender=SOLO, block=0, busy_slots=None)
        worker_trials.measure_start(bench, ready, idle)


def a_single_start(path: Path) -> None:
    """One repetition of a measure that has no throughput."""
    summarize(run_of(path, "start", blocks=1))


def limited_settings(path: Path) -> None:
    """A worker with another setting than the experiment's, and slots that are never all busy."""
    asked = WorkerGroup(pool="threads", slots=4, celery={"task_time_limit": 3})
    unmet([WorkerSettings(contender="threads-4", group=asked, settings={"task_time_limit": 9})])
    folder = make_run(path, workloads=WORKLOADS[:1], contenders=[DEMO[1]], blocks=1)
    worker = {"block": 0, "contender": DEMO[1].name, "ready_s": 1.0, "exit_code": 0}
    edit_manifest(folder, workers=[worker | {"busy_slots": 1}])
    summarize(folder)


def lost_brokers(_: Path) -> None:
    """A broker that is gone when the last records are to be kept."""
    with pytest.MonkeyPatch.context() as patch:
        # patched, since the broker must be lost at that moment
        patch.setattr(conductor, "_keep", Mock(side_effect=redis.ConnectionError))
        for name in ("_open", "_await_leaving"):
            patch.setattr(conductor, name, Mock())
        patch.setattr(conductor, "blocks", Mock(return_value=[]))
        run = Mock()
        run.trials, run.kept_trials, run.experiment.lanes = [], 0, ()
        cut = conductor._carry_out(cast("Run", run), reserve=Mock(is_disk_full=False))
    assert isinstance(cut, StackError)


SCENARIOS: tuple[Callable[[Path], None], ...] = (
    spoiled_trials, disturbed_machine, drifting_repetitions, interpreters_and_loops, levels, rates,
    no_throughput, submissions, another_machine, trials_that_end_early, limited_settings,
    lost_brokers, starts_that_leave_slots_idle, a_single_start,
)  # fmt: skip


def recorded(path: Path) -> Reason:
    """Return a reason in words, from a manifest of the format before."""
    folder = make_run(path, workloads=WORKLOADS[:1], contenders=[SOLO], blocks=1)
    content = flat_manifest(folder) | {"format": 1}
    content["trials"][0]["reasons"] = ["no line for 10 s"]
    return read_manifest(content, where="manifest.json").trials[0].result.reasons[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Reason]:
    """Every reason that the scenarios give."""
    found = [recorded(tmp_path_factory.mktemp("run"))]
    make = Reason.of

    def record(code: Code, **parameters: Any) -> Reason:
        found.append(make(code, **parameters))
        return found[-1]

    with pytest.MonkeyPatch.context() as patch:
        # patched, since some reasons leave the code that gives them as text alone
        patch.setattr(Reason, "of", record)
        for scenario in SCENARIOS:
            scenario(tmp_path_factory.mktemp(scenario.__name__))
    return found


def test_every_code_is_given_by_some_path(made: list[Reason]) -> None:
    """None is there only in the catalogue, and none is missing in it."""
    assert {one.code for one in made} == set(Code) == set(CATALOGUE)


def test_text_and_remedy_are_filled_with_what_they_are_given(made: list[Reason]) -> None:
    """Each parameter that the words name is there, and of its kind."""
    for one in made:
        assert "{" not in one.text + one.remedy
        assert one.text
        assert not one.remedy.endswith(".")
