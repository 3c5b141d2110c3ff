"""Redis commands and bytes of a worker, by the server's own count of each connection.

Only the worker's connections count, not those of the probe's recorder, the lab and the producer.
They are identified by the addresses that the worker's processes own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import redis

from collector.run_manifest import RedisUse
from lab.trial.context import Bench, LabWorker

#: What the server must report of a connection (Valkey from 8.0 on; Redis 7 does not).
FIELDS = ("tot-cmds", "tot-net-in", "tot-net-out")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCount:
    """What one connection has asked for since it was made."""

    address: str
    commands: int
    #: Both ways, as the server read and wrote them.
    net_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UseBefore:
    """A first look at what a worker's connections have asked for."""

    addresses: frozenset[str]
    counts: Mapping[str, ClientCount]


def count_clients(client: redis.Redis) -> dict[str, ClientCount]:
    """Return the server's count of each connection by the connection's id.

    Empty where the server doesn't count by connection.
    """
    told: list[dict[str, str]] = client.client_list()
    return {
        one["id"]: ClientCount(
            address=one["addr"],
            commands=int(one["tot-cmds"]),
            net_bytes=int(one["tot-net-in"]) + int(one["tot-net-out"]),
        )
        for one in told
        if all(field in one for field in FIELDS)
    }


def used(
    before: Mapping[str, ClientCount],
    *,
    after: Mapping[str, ClientCount],
    addresses: Collection[str],
) -> RedisUse | None:
    """Return what the connections from ``addresses`` asked for between two looks.

    None where the server counts nothing, where none of the connections is there, and where one of
    them was closed meanwhile: its last commands are known to nobody.
    """
    ours = {name: one for name, one in after.items() if one.address in addresses}
    is_closed = any(one.address in addresses and name not in after for name, one in before.items())
    if not ours or is_closed:
        return None
    earlier = [before[name] for name in ours if name in before]
    return RedisUse(
        commands=sum(one.commands for one in ours.values()) - sum(one.commands for one in earlier),
        net_bytes=sum(one.net_bytes for one in ours.values())
        - sum(one.net_bytes for one in earlier),
        connections=len(ours),
    )


def begin_use(bench: Bench, worker: LabWorker) -> UseBefore:
    """Look at what the worker's connections have asked for until now."""
    return UseBefore(
        addresses=frozenset(_addresses(bench, worker)), counts=count_clients(bench.client)
    )


def end_use(bench: Bench, worker: LabWorker, *, before: UseBefore) -> RedisUse | None:
    """Return what the worker's connections have asked for since ``before``, by `used`."""
    counts = count_clients(bench.client)
    addresses = before.addresses | _addresses(bench, worker)
    return used(before.counts, after=counts, addresses=addresses)


def _addresses(bench: Bench, worker: LabWorker) -> set[str]:
    """Return where the server sees the worker's connections come from."""
    proxy = bench.proxies.get(worker.contender.name)
    return proxy.addresses() if proxy else worker.sampler.addresses()
