"""The databases of a run with a user's app: messages of its workers meet no others.

An app names its queues itself, so that the workers of two contenders would take each other's jobs
from one database. Database 0 has the run's records. Workers of one block may still end while those
of the next start, so that a contender has two, by turns, and one more for workers of which the
start is measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

import redis

#: Databases of a contender.
_EACH = 3


def count_databases(contenders: int) -> int:
    """Return how many databases a server needs."""
    return 1 + _EACH * contenders


class Databases:
    """Databases of one server, by contender."""

    def __init__(self, url: str, *, contenders: Iterable[str]) -> None:
        self._url = url
        self._places = {name: place for place, name in enumerate(contenders)}
        self._clients: dict[int, redis.Redis] = {}

    def number(self, contender: str, *, block: int, is_beside: bool = False) -> int:
        """Return the number of the database for a contender's workers of a block.

        ``is_beside`` is for workers that run beside those of the block.
        """
        return 1 + _EACH * self._places[contender] + (_EACH - 1 if is_beside else block % 2)

    def url(self, number: int, *, through: str = "") -> str:
        """Return the address of a database, ``through`` the address of a proxy or directly."""
        return urlunsplit(urlsplit(through or self._url)._replace(path=f"/{number}"))

    def client(self, number: int) -> redis.Redis:
        """Return a client of a database, always the same."""
        if number not in self._clients:
            self._clients[number] = redis.Redis.from_url(self.url(number), socket_timeout=10.0)
        return self._clients[number]

    def close(self) -> None:
        """Close all clients."""
        for client in self._clients.values():
            client.close()
