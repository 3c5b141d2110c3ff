"""Counts from Redis's connections and Flower's metrics."""

from __future__ import annotations

from collector.run_manifest import RedisUse
from lab.run.flower import count_events
from lab.trial.redis_usage import ClientCount, Connections, used


def count(address: str, commands: int, *, net_bytes: int = 0) -> ClientCount:
    """Return the server's count of a connection."""
    return ClientCount(address=address, commands=commands, net_bytes=net_bytes)


def seen(counts: dict[str, ClientCount], *, addresses: set[str]) -> Connections:
    """Return a look at the server when the worker had these addresses."""
    return Connections(addresses=addresses, counts=counts)


def test_only_the_workers_connections_count() -> None:
    """Other connections are left out; a new connection counts from its start."""
    before = {"1": count("h:1", 10, net_bytes=100), "2": count("h:2", 5)}
    after = {
        "1": count("h:1", 30, net_bytes=700),
        "2": count("h:2", 1_005),
        "3": count("h:3", 4, net_bytes=50),
    }

    found = used(seen(before, addresses={"h:1"}), after=seen(after, addresses={"h:1", "h:3"}))

    assert found == RedisUse(commands=24, net_bytes=650, connections=2)


def test_what_was_not_counted_gives_none() -> None:
    """The last commands of a closed connection are unknown, so the figure would be too small."""
    both = seen({"1": count("h:1", 10), "2": count("h:2", 10)}, addresses={"h:1", "h:2"})
    one = seen({"1": count("h:1", 20)}, addresses={"h:1"})
    nothing = seen({}, addresses={"h:1"})

    assert used(both, after=one) is None
    assert used(nothing, after=nothing) is None


def test_flowers_counters_are_added_up() -> None:
    """The sum covers all workers, types and jobs, and no other metric."""
    text = (
        "# TYPE flower_events_total counter\n"
        'flower_events_total{task="io.sleep",type="task-received",worker="a@h"} 12.0\n'
        'flower_events_total{task="",type="worker-heartbeat",worker="a@h"} 3.0\n'
        'flower_events_created{task="",type="worker-heartbeat",worker="a@h"} 1.7e+09\n'
        'flower_worker_online{worker="a@h"} 1.0\n'
    )

    assert count_events(text) == 15
    assert count_events("") == 0
