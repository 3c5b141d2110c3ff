"""Redis commands and bytes of a worker, from the server's counters of each connection.

Only the worker's connections count, not those of the probe's recorder, the lab and the producer.
They are identified by the local addresses of the worker's processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import redis

from collector.run_manifest import RedisUse
from lab.trial.context import Bench, LabWorker

#: Counters that the server must report for a connection (Valkey from 8.0 on; Redis 7 does not).
FIELDS = ("tot-cmds", "tot-net-in", "tot-net-out")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCount:
    """The server's counters of one connection since it was opened."""

    address: str
    commands: int
    #: Bytes in both directions, as the server read and wrote them.
    net_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """The server's counters at one time, and the addresses of a worker's connections."""

    addresses: set[str]
    #: By the connection's id; empty if the server doesn't count by connection.
    counts: Mapping[str, ClientCount]


def count_clients(client: redis.Redis) -> dict[str, ClientCount]:
    """Return the server's counters of each connection by the connection's id.

    The result is empty if the server doesn't count by connection.
    """
    clients: list[dict[str, str]] = client.client_list()
    return {
        one["id"]: ClientCount(
            address=one["addr"],
            commands=int(one["tot-cmds"]),
            net_bytes=int(one["tot-net-in"]) + int(one["tot-net-out"]),
        )
        for one in clients
        if all(field in one for field in FIELDS)
    }


def read_connections(bench: Bench, worker: LabWorker) -> Connections:
    """Return the current counters, and the addresses of the worker's connections."""
    proxy = bench.proxies.get(worker.contender.name)
    return Connections(
        addresses=proxy.addresses() if proxy else worker.sampler.addresses(),
        counts=count_clients(bench.client),
    )


def used(before: Connections, *, after: Connections) -> RedisUse | None:
    """Return the commands and bytes of the worker's connections between two readings.

    None if the server doesn't count by connection, if the worker has no connection, or if one was
    closed in between, since its last commands are unknown.
    """
    addresses = before.addresses | after.addresses
    earlier = {key: one for key, one in before.counts.items() if one.address in addresses}
    ours = {key: one for key, one in after.counts.items() if one.address in addresses}
    if not ours or earlier.keys() - ours.keys():
        return None
    return RedisUse(
        commands=sum(one.commands for one in ours.values())
        - sum(one.commands for one in earlier.values()),
        net_bytes=sum(one.net_bytes for one in ours.values())
        - sum(one.net_bytes for one in earlier.values()),
        connections=len(ours),
    )
