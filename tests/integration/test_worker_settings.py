"""A worker's options: results, payloads, and a proxy to Redis."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from collector.run_manifest import Contender
from lab.fixtures.proxies import Proxy, open_proxies
from lab.instruments.process_sampler import Sampler
from lab.instruments.remote_control import read_settings, unmet
from lab.trial.redis_usage import Connections, count_clients, used
from poolbench.jobs import PAYLOAD
from poolbench.keys import result_prefix
from poolbench.pools import POOLS
from poolbench.records import TrialPlan
from producer.publisher import publish
from tests.conftest import Server, wait_until
from tests.integration.probing import read_lines
from tests.integration.working import Worker, running_worker

RUN = "worker-settings"

THREADS = POOLS["threads"]


@pytest.fixture(scope="module")
def worker(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker of threads that leaves results to the messages' senders."""
    folder = tmp_path_factory.mktemp("worker")
    with running_worker(server, pool=THREADS, slots=4, run=RUN, folder=folder) as running:
        yield running


def send(worker: Worker, trial: int, *, count: int = 1, delay_ms: float = 0, **more: Any) -> None:
    """Send jobs of a trial as the lab does."""
    plan = TrialPlan(
        trial=trial, contender=worker.pool.name, pool=worker.pool.name, slots=worker.slots,
        kind="io.sleep", parameters={"delay_ms": delay_ms}, count=count, **more,
    )  # fmt: skip
    with redis.Redis.from_url(str(worker.app.conf.broker_url)) as client:
        publish(client, run=RUN, plan=plan, offsets_s=[0.0] * count, scope=RUN)


def ended(worker: Worker) -> int:
    """Return how many jobs have ended, by their records."""
    return sum(line["m"] == "finished" for line in read_lines(worker.client, RUN))


def test_a_result_is_stored_where_the_message_asks_for_it(worker: Worker) -> None:
    """Its key is in Redis; a message that asks for no result leaves no key."""
    before = ended(worker)

    send(worker, 1, count=3)
    send(worker, 2, count=2, stores_result=True)

    wait_until(lambda: ended(worker) >= before + 5, what="five jobs ended")
    keys = worker.client.scan_iter(match=f"{result_prefix(RUN)}celery-task-meta-*")
    assert len(list(keys)) == 2


def test_the_settings_in_effect_are_compared_with_those_asked_for(
    server: Server, worker: Worker
) -> None:
    """What the worker itself reports; what Poolbench sets for every worker is no difference."""
    asked = {"task_time_limit": 3, "broker_transport_options": {"socket_timeout": 10.0}}
    contenders = [
        Contender(name=worker.pool.name, pool="threads", slots=worker.slots, celery=celery)
        for celery in ({}, asked)
    ]

    plain, other = (
        unmet(read_settings(server.url, scope=RUN, contenders=[one])) for one in contenders
    )

    assert plain == {}
    assert [one.text for one in other["threads"]] == [
        "Celery's task_time_limit was unset in the worker, not 3"
    ]


def test_a_payload_arrives_whole(worker: Worker) -> None:
    """Celery reports it as an argument of the job in its slot."""
    send(worker, 3, delay_ms=3_000, payload_bytes=12_345)

    def seen() -> list[int]:
        told = worker.app.control.inspect(timeout=1).active() or {}
        return [len(job["kwargs"].get(PAYLOAD, "")) for jobs in told.values() for job in jobs]

    wait_until(lambda: seen() == [12_345], what="the job is in its slot with its payload")


def test_commands_are_counted_of_the_worker_alone(server: Server, worker: Worker) -> None:
    """Nine commands for each job by the server's count, without those of other clients.

    BRPOP; MULTI, ZADD, HSET, EXEC to keep it until it is acknowledged; MULTI, ZREM, HDEL, EXEC to
    acknowledge it. Polling while idle comes on top.
    """
    sampler = Sampler(worker.process.pid, contender="threads")
    with redis.Redis.from_url(server.url) as client:
        base = ended(worker)
        before = Connections(addresses=sampler.addresses(), counts=count_clients(client))
        for _ in range(2_000):
            client.ping()

        send(worker, 4, count=300)
        wait_until(lambda: ended(worker) >= base + 300, what="300 jobs ended")

        after = Connections(addresses=sampler.addresses(), counts=count_clients(client))
    found = used(before, after=after)
    assert found is not None
    assert 8 * 300 < found.commands < 12 * 300
    assert found.connections >= 2


@pytest.fixture(scope="module")
def proxy(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy before the server that adds 30 ms."""
    contender = Contender(
        name="far", pool="threads", slots=1, note="", settings={"redis_delay_ms": 30}
    )
    logs = tmp_path_factory.mktemp("proxy")
    with open_proxies([contender], url=server.url, logs=logs) as proxies:
        yield proxies["far"]


def test_a_pipeline_is_delayed_once(proxy: Proxy) -> None:
    """The measured round trip has the delay; the direct one does not.

    5,000 commands would take 150 s one after the other. A large answer arrives in several chunks.
    """
    times = proxy.round_trip
    assert 0.03 <= times.round_trip_s < 0.3
    assert times.round_trip_s - times.direct_round_trip_s > 0.025
    text = bytes(range(256)) * 8_000
    with redis.Redis.from_url(proxy.url) as client:
        began_s, _ = client.time()
        with client.pipeline(transaction=False) as trip:
            for number in range(5_000):
                trip.set("sweep-proxy", number)
            answers = trip.execute()
        ended_s, _ = client.time()

        assert answers == [True] * 5_000
        assert ended_s - began_s < 30
        assert client.getdel("sweep-proxy") == b"4999"
        client.set("sweep-proxy", text)
        assert client.getdel("sweep-proxy") == text


def test_an_end_comes_after_the_answers(proxy: Proxy, server: Server) -> None:
    """Answers that the server sent before it closed are delivered before the end."""
    port = urlsplit(proxy.url).port
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(f"AUTH {server.password}\r\nQUIT\r\n".encode())
        with raw.makefile("rb") as answers:
            assert answers.read() == b"+OK\r\n+OK\r\n"
