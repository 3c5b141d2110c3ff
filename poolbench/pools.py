"""The worker pools that Poolbench compares, as data."""

from __future__ import annotations

from dataclasses import dataclass

from poolbench.errors import UsageError, unknown

#: Most slots of a pool without a bound of its own.
MAX_SLOTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A worker pool of Celery."""

    name: str
    #: Description of one slot.
    slot: str
    #: How jobs share the interpreter, in one sentence for a newcomer.
    lesson: str
    #: The only possible number of slots, or None.
    fixed_slots: int | None = None
    #: Most slots.
    max_slots: int = MAX_SLOTS
    #: Environment variables that the worker needs in addition to its settings.
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def celery_value(self) -> str:
        """Return the value of ``celery worker -P``."""
        return "custom" if self.environment else self.name


POOLS: dict[str, Pool] = {
    pool.name: pool
    for pool in (
        Pool(
            name="prefork",
            slot="a child process",
            lesson="Each slot is a process with an interpreter and a GIL of its own.",
            max_slots=512,
        ),
        Pool(
            name="threads",
            slot="a thread",
            lesson="All slots share one interpreter: one runs Python code while the others wait.",
        ),
        Pool(
            name="gevent",
            slot="a greenlet",
            lesson="All slots share one thread and switch only where they wait.",
        ),
        Pool(
            name="asyncio",
            slot="a coroutine",
            lesson="All slots share one event loop and switch only at an await.",
            environment=(("CELERY_CUSTOM_WORKER_POOL", "poolbench.asyncio_pool.pool:TaskPool"),),
        ),
        Pool(
            name="solo",
            slot="the worker's own thread",
            lesson="One job after another in the worker's main thread: nothing overlaps.",
            fixed_slots=1,
        ),
    )
}


#: Modules of drivers in C that block all greenlets of a gevent worker, by package; each with the
#: module that makes it yield, if there is one.
BLOCKING_DRIVERS = {
    "psycopg2": ("psycopg2", "psycogreen"),
    "mysqlclient": ("MySQLdb", ""),
    "grpcio": ("grpc", ""),
}


def always_has(pool: Pool) -> str:
    """Return the clause of a message about a pool with a fixed number of slots."""
    return f"{pool.name} always has {pool.fixed_slots} slot"


def find_pool(name: str) -> Pool:
    """Return the pool of that name.

    Raises:
        UsageError: if there is none.
    """
    if name not in POOLS:
        raise UsageError(unknown("pool", field="--pool", seen=name, among=POOLS))
    return POOLS[name]


def available_pools() -> tuple[Pool, ...]:
    """Return the pools that this version runs, in the order of every table."""
    return tuple(POOLS.values())
