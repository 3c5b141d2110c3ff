"""Options of jobs, and jobs of several executions, in real workers of every pool."""

from __future__ import annotations

import itertools
import platform
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace

import polars as pl
import pytest

from collector.fold import fold
from collector.ledger import ledgers
from collector.schema import LINE_SCHEMA
from lab.instruments.remote_control import limit_rates
from poolbench.job_options import JobOptions, Retry
from poolbench.keys import run_key, sent_field, worker_name
from poolbench.pools import POOLS, Pool, available_pools
from poolbench.records import TrialPlan
from poolbench.summaries import Ledger
from producer.mixes import Mix, MixCanvas, MixPart
from producer.publisher import publish
from tests.conftest import Server, wait_until
from tests.integration.probing import read_lines
from tests.integration.working import Worker, running_worker

#: A second, ns.
S = 1_000_000_000

#: How early the timer of a pool may be, ns; gevent's is by a fraction of a millisecond.
EARLY_NS = 10_000_000

SLEEP = MixPart(name="plain", kind="io.sleep", parameters={"delay_ms": 1.0})

#: Trials of a worker.
trials = itertools.count()


@pytest.fixture(scope="module", params=available_pools(), ids=lambda pool: pool.name)
def worker(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    """One worker a pool for the module."""
    pool: Pool = request.param
    with running_worker(
        server,
        pool=pool,
        slots=pool.fixed_slots or 2,
        run=f"test-{secrets.token_hex(4)}",
        folder=tmp_path_factory.mktemp(pool.name),
    ) as running:
        yield running


@pytest.fixture(scope="module")
def serial(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker that runs one job after another, from two queues of its contender."""
    options = ("--queue", "a", "--queue", "b", "--prefetch-multiplier", "1", "--acks-late")
    with running_worker(
        server,
        pool=POOLS["threads"],
        slots=1,
        run=f"test-{secrets.token_hex(4)}",
        folder=tmp_path_factory.mktemp("serial"),
        options=options,
    ) as running:
        yield running


def part_of(name: str, **options: object) -> MixPart:
    """Return a short sleep with options."""
    return replace(SLEEP, name=name, options=JobOptions(**options))  # type: ignore[arg-type]  # a test's


def run_jobs(
    worker: Worker, *parts: MixPart | MixCanvas, order: Sequence[int]
) -> tuple[Ledger, pl.DataFrame]:
    """Send jobs as the lab does, wait for their ends; return their ledger and records."""
    trial = next(trials)
    name, mix = worker.pool.name, Mix(parts=parts, order=order)
    plan = TrialPlan(trial=trial, contender=name, pool=name, slots=worker.slots, kind="mix")
    count = len(order)
    publish(
        worker.client, run=worker.run, plan=plan, offsets_s=[0.0] * count, scope=worker.run, mix=mix
    )
    sent = int(worker.client.hget(run_key(worker.run), sent_field(trial)) or 0)

    def read() -> tuple[Ledger, pl.DataFrame]:
        lines = [
            line for line in read_lines(worker.client, worker.run) if line.get("trial") == trial
        ]
        found = fold(pl.DataFrame(lines, schema=LINE_SCHEMA))
        return ledgers(found, sent={trial: sent})[trial], found

    wait_until(lambda: read()[0].is_closed, what=f"the ledger of {parts} closes", within_s=40)
    return read()


def test_each_job_ends_as_its_message_says(worker: Worker) -> None:
    """A failure is final; a retry comes after its countdown, and is no duplicate."""
    retry = part_of("retried", retry=Retry(share=1.0, countdown_s=0.5))
    order = [0] * 5 + [1] * 3 + [2] * 2

    ledger, records = run_jobs(
        worker, SLEEP, part_of("failing", fail_share=1.0), retry, order=order
    )

    assert ledger == Ledger(sent=10, done=7, failed_as_planned=3, retried=2)
    second = records.filter(pl.col("attempt") == 1)
    first = records.filter(pl.col("seq").is_in(second["seq"].implode()) & (pl.col("attempt") == 0))
    assert second["part"].to_list() == ["retried"] * 2
    assert (second["started_ns"] - first["started_ns"] >= 0.5 * S - EARLY_NS).all()
    assert (second["started_ns"] - second["eta_ns"] >= -EARLY_NS).all()


def test_a_countdown_and_an_expiry_count_from_the_due_time(worker: Worker) -> None:
    """A job starts after the one, and not at all after the other, which closes its ledger too."""
    late = part_of("late", countdown_s=0.5, expires_s=0.2)

    ledger, records = run_jobs(
        worker, part_of("timed", countdown_s=0.5), late, order=[0, 1, 0, 1, 0]
    )

    assert ledger == Ledger(sent=5, done=3, expired=2)
    timed = records.filter(pl.col("part") == "timed")
    assert (timed["eta_ns"] - timed["due_ns"]).to_list() == pytest.approx([S // 2] * 3, abs=1_000)
    assert (timed["started_ns"] - timed["eta_ns"] >= -EARLY_NS).all()


@pytest.mark.parametrize("shape", ["chain", "group", "chord"])
def test_every_execution_of_a_canvas_is_recorded(worker: Worker, shape: str) -> None:
    """Celery's own canvases: later steps start when those before them have ended."""
    steps = tuple(replace(SLEEP, name=f"order.{number}") for number in (1, 2, 3))
    canvas = MixCanvas(shape=shape, steps=steps)

    ledger, records = run_jobs(worker, SLEEP, canvas, order=[1, 0, 1])

    assert ledger == Ledger(sent=7, done=7)
    assert sorted(records["seq"]) == list(range(7))
    for first in (0, 4):
        job = records.filter(pl.col("seq").is_between(first, first + 2)).sort("seq")
        assert job["part"].to_list() == ["order.1", "order.2", "order.3"]
        assert job["due_ns"].n_unique() == 1
        before = {"chain": [(0, 1), (1, 2)], "group": [], "chord": [(0, 2), (1, 2)]}[shape]
        for earlier, later in before:
            ended_ns = job["started_ns"][earlier] + job["work_ns"][earlier]
            assert ended_ns <= job["started_ns"][later]


def test_queues_are_consumed_and_priorities_served_in_order(serial: Worker) -> None:
    """All were sent in one transaction: lower numbers first, within the steps of kombu."""
    parts = [
        part_of(f"{queue}-{priority}", queue=queue, priority=priority)
        for queue, priority in (("a", 9), ("b", 6), ("a", 3), ("b", 0))
    ]

    ledger, records = run_jobs(serial, *parts, order=[0, 1, 2, 3] * 3)

    assert ledger == Ledger(sent=12, done=12)
    started = records.sort("started_ns")["part"].to_list()
    assert started == ["b-0"] * 3 + ["a-3"] * 3 + ["b-6"] * 3 + ["a-9"] * 3


def test_a_rate_limit_holds_until_it_is_removed(server: Server, serial: Worker) -> None:
    """The worker confirms both; one that doesn't exist confirms nothing."""
    name = worker_name(serial.pool.name, scope=serial.run)
    nodes = [f"{name}@{platform.node()}"]

    def limits() -> list[str]:
        answers = serial.app.control.inspect(nodes, timeout=3).registered("rate_limit") or {}
        return [one for one in answers[nodes[0]] if "rate_limit" in one]

    assert limit_rates(server.url, nodes=nodes, limits={"io.sleep": "5/s"}) == []
    assert limits() == ["io.sleep [rate_limit=5/s]"]
    _, records = run_jobs(serial, part_of("limited", queue="a"), order=[0] * 4)
    starts_ns = records["started_ns"].sort()
    assert starts_ns[-1] - starts_ns[0] >= 0.5 * S
    assert limit_rates(server.url, nodes=nodes, limits={"io.sleep": None}) == []
    assert limits() == []
    assert limit_rates(server.url, nodes=["nobody@here"], limits={"io.sleep": "5/s"}) == [
        "io.sleep"
    ]
