"""The Celery app: what it registers, what it sets, and what it doesn't import."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from poolbench.jobs import JOB_KINDS
from poolbench.pools import MAX_SLOTS, POOLS, Pool
from poolbench.settings import load_settings
from tests.processes import run_python
from worker.app import SOCKET_TIMEOUT_S, VISIBILITY_TIMEOUT_S, app, configuration
from worker.jobs import COROUTINES
from worker.tasks import register, register_coroutine

#: Libraries of other rooms: heavy in every worker, and in what is measured of it.
FOREIGN = {"altair", "pandas", "polars", "pydantic", "rich", "scipy", "starlette", "typer"}


def run_code(code: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return what a Python of its own prints."""
    done = run_python("-c", code, environ=environ)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def configured(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the app's configuration in an environment."""
    return configuration(load_settings(environ or {}, dotenv=None))


def test_any_setting_of_celery_changes_poolbench_s() -> None:
    """A table is merged into Poolbench's own, and other values replace it."""
    celery = {"broker_transport_options": {"visibility_timeout": 5}, "task_time_limit": 3}

    found = configured({"POOLBENCH_CELERY": json.dumps(celery)})

    options = configured()["broker_transport_options"] | {"visibility_timeout": 5}
    changes = {"broker_transport_options": options, "task_time_limit": 3}
    assert found == configured() | changes


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The times that jobs report; what a test registers is removed."""
    known = set(app.tasks)
    times: list[int] = []
    monkeypatch.setattr("worker.tasks.report_work_ns", times.append)
    yield times
    for name in set(app.tasks) - known:
        app.tasks.pop(name)


def test_a_job_reports_its_time_even_if_it_fails(told: list[int]) -> None:
    """The time around the function alone is told in both cases."""

    def fail(*, units: int) -> None:
        raise ValueError(units)

    register("test.fail", fail)
    with pytest.raises(ValueError, match="3"):
        app.tasks["test.fail"](units=3)

    assert len(told) == 1


def test_a_coroutine_reports_its_time_even_if_it_is_cancelled(told: list[int]) -> None:
    """Its time counts from the first step to the last, waits included."""

    async def wait(*, delay_s: float) -> None:
        await asyncio.sleep(delay_s)

    async def cancel() -> None:
        task = asyncio.ensure_future(job(delay_s=60))
        await asyncio.sleep(0)
        task.cancel()
        await task

    register_coroutine("test.wait", wait)
    job = app.tasks["test.wait"]
    asyncio.run(job(delay_s=0.02))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel())

    assert len(told) == 2
    assert told[0] >= 19_000_000


@pytest.mark.parametrize("pool", [POOLS["asyncio"], POOLS["threads"]], ids=lambda pool: pool.name)
def test_async_forms_run_where_slots_are_coroutines(pool: Pool) -> None:
    """The environment of the asyncio pool alone makes them the jobs; names stay the same."""
    code = (
        "import inspect, json, worker.tasks as t\n"
        "ours = {n: inspect.iscoroutinefunction(j.run) for n, j in t.app.tasks.items()}\n"
        "print(json.dumps({n: f for n, f in ours.items() if not n.startswith('celery.')}))"
    )

    found = json.loads(run_code(code, {**os.environ, **dict(pool.environment)}))

    assert found.keys() == JOB_KINDS.keys()
    expected = set(COROUTINES) if pool.name == "asyncio" else set()
    assert {name for name, is_coroutine in found.items() if is_coroutine} == expected


def test_broker_and_backend_are_the_settings() -> None:
    """Both at the address of every other process, or by the proxy; the probe's address stays."""
    environ = {"POOLBENCH_REDIS_URL": "redis://:s@h:1/2", "POOLBENCH_PREFETCH": "9"}
    proxy = {"POOLBENCH_WORKER_REDIS_URL": "redis://:s@127.0.0.1:7/2"}
    settings = load_settings(environ | proxy, dotenv=None)

    usual, delayed = configured(environ), configuration(settings)

    assert usual["broker_url"] == usual["result_backend"] == "redis://:s@h:1/2"
    assert usual["worker_prefetch_multiplier"] == 9
    assert delayed["broker_url"] == delayed["result_backend"] == "redis://:s@127.0.0.1:7/2"
    assert settings.redis_url == "redis://:s@h:1/2"


def test_settings_of_a_contender_are_celerys() -> None:
    """Off unless asked for, each under Celery's own name; a run's results have its own keys."""
    asked = {"POOLBENCH_ACKS_LATE": "1", "POOLBENCH_RESULTS": "1", "POOLBENCH_SCOPE": "r1"}

    found = [configured(environ) for environ in ({}, asked)]

    assert [one["task_acks_late"] for one in found] == [False, True]
    assert [one["task_ignore_result"] for one in found] == [True, False]
    assert found[1]["result_backend_transport_options"] == {"global_keyprefix": "poolbench.r1."}


@pytest.mark.parametrize("kind", ["io.sleep", "cpu.primes"])
def test_a_payload_changes_nothing_of_a_job(kind: str) -> None:
    """Every kind takes it, and its function never sees it."""
    parameters = {"delay_ms": 0} if kind == "io.sleep" else {"units": 1}
    job = app.tasks[kind]

    assert job(**parameters, payload="x" * 1_000) == job(**parameters)


def test_connections_are_never_fewer_than_slots() -> None:
    """A greenlet that finds none loses its acknowledgement, or its result."""
    found = configured()

    assert found["broker_transport_options"]["max_connections"] > MAX_SLOTS
    assert found["redis_max_connections"] > MAX_SLOTS


def test_timeouts_leave_room_for_what_takes_long() -> None:
    """An idle BRPOP lasts a second; the longest job an hour, and another may wait behind it."""
    longest_s = JOB_KINDS["io.sleep"].parameters[0].high / 1_000

    assert SOCKET_TIMEOUT_S > 2.0
    assert 2 * longest_s <= VISIBILITY_TIMEOUT_S


def test_a_push_is_never_repeated_in_the_dark() -> None:
    """A push that timed out may have been stored: the client must not send it again."""
    assert "retry_on_timeout" not in configured()["broker_transport_options"]


def test_the_password_is_masked_where_celery_shows_it() -> None:
    """The banner's addresses and the table of settings hide it."""
    code = (
        "from worker.app import app\n"
        "print(app.connection().as_uri(), app.backend.as_uri(), app.conf.humanize())"
    )

    printed = run_code(code, {"POOLBENCH_REDIS_URL": "redis://:sesame@h:1/0"})

    assert "redis://:**@h:1/0" in printed
    assert "sesame" not in printed


def test_a_worker_imports_nothing_of_other_rooms() -> None:
    """Their libraries would cost start-up time and memory in every worker that is measured."""
    code = (
        "import json, sys, worker.app, worker.tasks, poolbench.probe\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )

    imported = set(json.loads(run_code(code)))

    assert imported & {"celery", "httpx", "worker"} == {"celery", "httpx", "worker"}
    assert not imported & (FOREIGN | {"collector", "lab", "producer", "report", "upstream"})


def test_a_worker_does_without_what_turns_the_gil_on() -> None:
    """An environment for a Python without the GIL has no gevent, no greenlet, no hiredis."""
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('gevent', 'greenlet', 'hiredis')))\n"
        "import worker.tasks, worker.gauge\n"
        "print(len(worker.tasks.app.tasks))"
    )

    assert int(run_code(code)) >= len(JOB_KINDS)
