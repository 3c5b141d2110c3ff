"""The databases of a run with a user's app."""

from __future__ import annotations

from itertools import product

from lab.app.databases import Databases, count_databases

URL = "redis://:secret@127.0.0.1:6400/0"


def test_no_two_workers_that_may_run_at_once_share_one() -> None:
    """Those of a block, of the next one, and those beside them; 0 has the run's records."""
    names = ["a", "b", "a-twin"]
    databases = Databases(URL, contenders=names)

    numbers = [
        databases.number(name, block=block, is_beside=is_beside)
        for name, (block, is_beside) in product(names, [(0, False), (1, False), (1, True)])
    ]

    assert len({0, *numbers}) == 10
    assert max(numbers) < count_databases(len(names))
    assert databases.number("b", block=2) == databases.number("b", block=0)


def test_addresses_differ_in_the_database_alone() -> None:
    """A proxy has the same databases as the server behind it."""
    databases = Databases(URL, contenders=["a"])

    assert databases.url(3) == "redis://:secret@127.0.0.1:6400/3"
    through = databases.url(3, through="redis://:secret@127.0.0.1:7000/0")
    assert through == "redis://:secret@127.0.0.1:7000/3"
