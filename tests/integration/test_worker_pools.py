"""What our worker promises in every pool, tried with real worker processes and job kinds."""

from __future__ import annotations

import hashlib
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.instruments.overlap import peak_in_flight
from poolbench.jobs import JOB_KINDS
from poolbench.pools import Pool, available_pools
from tests.conftest import Server, wait_until
from tests.integration.working import Upstream, Worker, running_worker
from worker.jobs import cpu, mixed

#: One job of each kind, with the value it must return.
ONE_OF_EACH: dict[str, tuple[dict[str, Any], object]] = {
    "cpu.primes": ({"units": 2}, 2 * cpu.PRIMES_PER_UNIT),
    "cpu.json": ({"units": 2}, cpu.parse(units=2)),
    "cpu.sha256": ({"units": 2}, hashlib.sha256(cpu.BUFFER * 2).hexdigest()),
    "cpu.zlib": ({"units": 2}, cpu.compress(units=2)),
    "io.sleep": ({"delay_ms": 1.5}, None),
    "io.http": ({"delay_ms": 1.5, "size_bytes": 2_000}, 2_000),
    "io.redis": ({"commands": 5}, 5),
    "io.file": ({"size_bytes": 2_000}, 2_000),
    "mixed.fetch": ({"delay_ms": 1.5, "size_bytes": 2_000}, mixed.fetch_work(size_bytes=2_000)),
    "mixed.share": ({"units": 2, "delay_ms": 1.5}, 2 * mixed.PRIMES_PER_UNIT),
    "replay.stand-in": (
        {"held_ms": 0.5, "released_ms": 0.5, "wait_ms": 1.5, "memory_bytes": 5_000},
        None,
    ),
}

#: What a wait of slots' depth takes, milliseconds: above any delay between two of its jobs.
WAIT_MS = 300.0

every_pool = pytest.mark.parametrize("pool", available_pools(), ids=lambda pool: pool.name)


def slots_of(pool: Pool) -> int:
    """Return as many slots as show that they overlap."""
    return pool.fixed_slots or 4


@pytest.fixture(scope="module", params=available_pools(), ids=lambda pool: pool.name)
def worker(
    request: pytest.FixtureRequest,
    server: Server,
    upstream: Upstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Worker]:
    """One worker a pool for the module."""
    pool: Pool = request.param
    with running_worker(
        server,
        pool=pool,
        slots=slots_of(pool),
        run=f"test-{secrets.token_hex(4)}",
        folder=tmp_path_factory.mktemp(pool.name),
        environment={"POOLBENCH_UPSTREAM_PORT": str(upstream.port)},
    ) as it:
        yield it


def test_every_kind_is_done(worker: Worker) -> None:
    """A job of each kind comes back from the contender's own queue with the right value."""
    jobs = {
        kind: worker.send(kind, keeps_result=True, **parameters)
        for kind, (parameters, _) in ONE_OF_EACH.items()
    }

    finished = worker.finished(*jobs.values())

    stored = {kind: worker.result(job) for kind, job in jobs.items()}
    assert {kind: found["result"] for kind, found in stored.items()} == {
        kind: value for kind, (_, value) in ONE_OF_EACH.items()
    }
    assert {found["status"] for found in stored.values()} == {"SUCCESS"}
    assert stored.keys() == JOB_KINDS.keys()
    # told from within, by plain functions and by coroutines
    assert all(line["work_ns"] > 0 for line in finished)


@pytest.mark.parametrize("kind", ["io.sleep", "io.http"])
def test_waits_overlap_slots_deep(worker: Worker, kind: str) -> None:
    """As many jobs wait at once as there are slots: for a timer, and over real sockets."""
    parameters: dict[str, Any] = {"delay_ms": WAIT_MS} | (
        {"size_bytes": 10} if kind == "io.http" else {}
    )
    jobs = [worker.send(kind, **parameters) for _ in range(worker.slots * 2)]

    finished = worker.finished(*jobs)

    assert {line["state"] for line in finished} == {"SUCCESS"}
    starts_ns = [line["t_ns"] for line in worker.lines("started", of=jobs)]
    assert peak_in_flight(starts_ns, [line["t_ns"] for line in finished]) == worker.slots


def test_a_job_that_fails_fails_alone(worker: Worker) -> None:
    """Wrong parameters and an unknown kind cost their own job; the next one is done.

    Its work is at least its sleep, and within the execution around it.
    """
    wrong = worker.send("io.sleep", delay_s=1)
    worker.send("io.slep", delay_ms=1)
    right = worker.send("io.sleep", delay_ms=30.0)

    failed, done = worker.finished(wrong, right)

    (started,) = worker.lines("started", of=[right])
    assert [failed["state"], done["state"]] == ["FAILURE", "SUCCESS"]
    assert 30_000_000 <= done["work_ns"] <= done["t_ns"] - started["t_ns"]


@every_pool
def test_a_stop_finishes_the_jobs_that_run(
    pool: Pool, server: Server, run_id: str, tmp_path: Path
) -> None:
    """SIGTERM lets every running job end; the wordiest log doesn't hold the broker's password."""
    options = ("--log-level", "debug", "--events")
    slots = slots_of(pool)
    with running_worker(
        server, pool=pool, slots=slots, run=run_id, folder=tmp_path, options=options
    ) as worker:
        jobs = [worker.send("io.sleep", delay_ms=400) for _ in range(slots)]
        wait_until(
            lambda: len(worker.lines("started", of=jobs)) == slots, what="all slots to be busy"
        )

        worker.process.send_signal(signal.SIGTERM)
        code = worker.process.wait(30)

        assert code == 0
        assert [line["state"] for line in worker.finished(*jobs)] == ["SUCCESS"] * slots
        stored: Any = worker.client.hvals("unacked")
        assert not [message for message in stored if run_id in message]
    log = worker.log.read_text()
    assert "Warm shutdown" in log
    assert server.password not in log
