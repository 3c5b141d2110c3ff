"""The ceilings of upstream and Redis, measured as at the start of a run."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest
import redis

from collector.run_manifest import Workload
from lab.instruments.ceilings import answers_per_s, redis_cpu_s, upstream_ceilings_per_s
from lab.system.redis_server import free_port
from poolbench.errors import StackError
from tests.integration.working import Upstream


def requests_so_far(upstream: Upstream) -> int:
    """Return how many requests it has had."""
    url = f"http://127.0.0.1:{upstream.port}/ceiling"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return int(json.load(answer)["requests"])


def test_each_workload_that_asks_upstream_has_its_ceiling(upstream: Upstream) -> None:
    """Other workloads have none, and equal requests are measured once."""
    small, large = {"delay_ms": 100.0, "size_bytes": 1_000}, {"delay_ms": 5.0, "size_bytes": 65_536}
    workloads = [
        Workload(name="small", kind="io.http", parameters=small),
        Workload(name="slower", kind="io.http", parameters=small | {"delay_ms": 900.0}),
        Workload(name="fetch", kind="mixed.fetch", parameters=large),
        Workload(name="io.sleep", kind="io.sleep", parameters={"delay_ms": 100.0}),
    ]
    begun_s = time.monotonic()

    found = upstream_ceilings_per_s(upstream.port, workloads=workloads)

    assert found.keys() == {"small", "slower", "fetch"}
    assert found["small"] == found["slower"] != found["fetch"]
    assert min(found.values()) > 100
    assert time.monotonic() - begun_s < 10.0


def test_the_ceiling_counts_what_upstream_answered(upstream: Upstream) -> None:
    """No more answers than requests, and most of them."""
    before = requests_so_far(upstream)

    per_s = answers_per_s(upstream.port, target="/wait?delay_ms=0&size_bytes=10", counted_s=0.2)

    asked = requests_so_far(upstream) - before
    assert 0.2 * asked < per_s * 0.2 < asked


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("/wait?delay_ms=x", "422"),
        ("/wait?delay_ms=0&failure_share=1", "503"),
        ("/wait?delay_ms=600000", "none within"),
    ],
)
def test_another_answer_is_no_ceiling(upstream: Upstream, target: str, words: str) -> None:
    """The message has the request and the refusal, the failure or the timeout."""
    with pytest.raises(StackError, match=rf"no answer to /wait.*{words}"):
        answers_per_s(upstream.port, target=target, counted_s=0.1)


def test_an_unreachable_upstream_is_reported() -> None:
    """Nothing listens on the port."""
    with pytest.raises(StackError, match="upstream gave no answer"):
        answers_per_s(free_port(), target="/wait")


def test_what_redis_spends_grows_with_its_commands(client: redis.Redis) -> None:
    """The server's CPU time in seconds grows with commands and is below the elapsed time."""
    before_s, begun_s = redis_cpu_s(client), time.monotonic()

    with client.pipeline(transaction=False) as pipeline:
        for number in range(5_000):
            pipeline.set("key", number)
        pipeline.execute()

    spent_s = redis_cpu_s(client) - before_s
    assert 0 < spent_s <= time.monotonic() - begun_s + 0.05
