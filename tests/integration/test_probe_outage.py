"""What the probe promises when Redis goes away under running jobs, in every pool."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import redis

from lab.system.redis_server import RedisServer
from poolbench.pools import Pool, available_pools
from tests.conftest import wait_until
from tests.integration.probing import read_lines, recorded_pool, send, witnesses


@pytest.mark.parametrize("pool", available_pools(), ids=lambda pool: pool.name)
def test_a_redis_that_was_away_has_every_line(pool: Pool, run_id: str, tmp_path: Path) -> None:
    """Jobs that finish while Redis is stopped are recorded when it is back; the worker is seen."""
    with RedisServer(folder=tmp_path / "data") as server:
        url = server.url()
        with (
            recorded_pool(url, pool=pool, folder=tmp_path, queue=run_id) as worker,
            redis.Redis.from_url(url, decode_responses=True) as client,
        ):
            # no more than run at once: with prefetched jobs, kombu 5.7 ends the worker when it
            # closes the lost connection (AttributeError in its restore_unacked)
            jobs = {send(worker, "blocks", 0.5) for _ in range(pool.fixed_slots or 2)}
            wait_until(
                lambda: (
                    len(_ids(client, run_id, "started")) == len(jobs)
                    and not client.exists("unacked")
                ),
                what="running jobs",
            )
            server.stop()
            wait_until(
                lambda: (
                    jobs <= set(witnesses(worker)) and "Redis does not accept lines" in worker.log
                ),
                what="jobs that finished while Redis was away, and a word of it",
            )
            server.start()
            back_ns = time.time_ns()

            wait_until(
                lambda: _ids(client, run_id, "finished") == jobs,
                what="every finished line",
            )
            wait_until(
                lambda: _last_heartbeat_ns(client) > back_ns,
                what="a heartbeat after the outage",
            )
            assert worker.log.count("Redis is reachable again") == 1


def _ids(client: redis.Redis, run: str, moment: str) -> set[str]:
    return {line["task_id"] for line in read_lines(client, run) if line["m"] == moment}


def _last_heartbeat_ns(client: redis.Redis) -> int:
    heartbeats = [str(client.get(key) or "{}") for key in client.scan_iter("poolbench:worker:*")]
    return max((json.loads(heartbeat).get("t_ns", 0) for heartbeat in heartbeats), default=0)
