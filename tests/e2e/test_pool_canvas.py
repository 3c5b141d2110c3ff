"""Celery's canvas in every pool: each shape comes to its value, each error callback is called."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from celery import chain, chord, group
from celery.canvas import chunks, xmap, xstarmap
from celery.exceptions import ChordError, TaskRevokedError, TimeLimitExceeded, WorkerLostError

from tests.conftest import wait_until
from tests.integration.pooling import PoolWorker, value_of

pytestmark = pytest.mark.e2e

#: Makes a signature of a job's name and arguments.
Sign = Callable[..., Any]

#: Pools that end a job at its hard time limit.
_LIMITING_POOLS = ("prefork", "gevent", "asyncio")


def _many(kind: Callable[..., Any], sign: Sign, *arguments: Any) -> Any:
    add = sign("add")
    return kind(add, *arguments, app=add.app)


#: What makes each shape, and what it comes to, by name.
_SHAPES: dict[str, tuple[Callable[[Sign], Any], Any]] = {
    "chain": (lambda sign: chain(sign("add", 1, 2), sign("add", 10), sign("add", 100)), 113),
    "pipe": (lambda sign: sign("add", 1) | sign("add", 2) | sign("plain"), 4),
    "group": (lambda sign: group(sign("add", n, n) for n in range(3)), [0, 2, 4]),
    "chord": (lambda sign: chord([sign("add", n, n) for n in range(4)], sign("total")), 12),
    "chord of chains": (
        lambda sign: chord([sign("add", n, 1) | sign("add", 1) for n in range(3)], sign("total")),
        9,
    ),
    "group in a chain": (
        lambda sign: chain(sign("add", 1, 1), group(sign("add", 1), sign("add", 2)), sign("total")),
        7,
    ),
    "chord in a chain": (
        lambda sign: (
            sign("add", 1, 1)
            | chord([sign("add", 1), sign("add", 2)], sign("total"))
            | sign("add", 1)
        ),
        8,
    ),
    "groups in a group": (
        lambda sign: group(group(sign("add", 1, 1), sign("add", 2, 2)), sign("add", 3, 3)),
        [2, 4, 6],
    ),
    "map": (lambda sign: _many(xmap, sign, [1, 2, 3]), [1, 2, 3]),
    "starmap": (lambda sign: _many(xstarmap, sign, [(1, 1), (2, 2)]), [2, 4]),
    "chunks": (
        lambda sign: _many(chunks, sign, [(n, n) for n in range(5)], 2).group(),
        [[0, 2], [4, 6], [8]],
    ),
    "replaced": (lambda sign: sign("replaces", 4), 5),
}

#: What makes each failing shape, given an error callback, by where that is linked.
_FAILING: dict[str, Callable[[Sign, Any], Any]] = {
    "a job": lambda sign, errback: sign("fails").on_error(errback),
    "a chain": lambda sign, errback: chain(sign("fails"), sign("add", 1)).on_error(errback),
    "a chain's link": lambda sign, errback: chain(
        sign("add", 1), sign("fails").set(immutable=True).on_error(errback)
    ),
    "a group": lambda sign, errback: group(sign("fails"), sign("add", 1)).on_error(errback),
    "a chord's body": lambda sign, errback: chord(
        [sign("fails"), sign("add", 1)], sign("total").on_error(errback)
    ),
    "a chord's body that fails": lambda sign, errback: chord(
        [sign("add", 1)], sign("fails").set(immutable=True).on_error(errback)
    ),
}


@pytest.mark.parametrize("name", _SHAPES)
def test_each_shape_comes_to_its_value(worker: PoolWorker, name: str) -> None:
    """Values go from link to link, from a header to its body, and through a call of many."""
    make, value = _SHAPES[name]

    assert value_of(make(worker.sign).apply_async()) == value


def test_each_linked_callback_is_called(worker: PoolWorker) -> None:
    """With the value; there may be several, and an immutable one has arguments of its own."""
    word = secrets.token_hex(4)
    callbacks = [worker.sign("note", word, n).set(immutable=True) for n in "ab"]

    worker.sign("add", 1, 1).apply_async(link=callbacks)

    worker.wait_for(f"note {word} a", f"note {word} b")


@pytest.mark.parametrize("where", _FAILING)
def test_an_error_callback_is_called(worker: PoolWorker, where: str) -> None:
    """With the failed job's request and its error, in the process that saw it fail.

    An immutable one is called with the sender's arguments alone.
    """
    before, word = len(worker.diary), secrets.token_hex(4)

    immutable = worker.sign("note", word, "failed").set(immutable=True)
    for errback in (worker.sign("on-error"), immutable):
        _FAILING[where](worker.sign, errback).apply_async()

    def found() -> list[str]:
        return [line.split()[-1] for line in worker.diary[before:] if line.startswith("on-error ")]

    error = "ChordError" if where == "a chord's body" else "ValueError"
    wait_until(lambda: error in found(), what=f"the callback: {worker.diary[before:]}")
    worker.wait_for(f"note {word} failed")


def test_an_older_error_callback_is_sent_as_a_job(worker: PoolWorker) -> None:
    """One that takes the failed job's id alone."""
    job = worker.sign("fails").apply_async(link_error=worker.sign("on-error-of"))

    worker.wait_for(f"on-error-of {job.id}")


def test_an_error_callback_that_fails_is_logged(worker: PoolWorker) -> None:
    """It changes nothing about the job that failed, and the worker goes on."""
    job = worker.sign("fails").apply_async(link_error=worker.sign("on-error-fails"))

    with pytest.raises(ValueError, match="out of tea"):
        value_of(job)

    said = re.compile(rf"KeyError[:(] ?'{job.id}'")
    wait_until(lambda: bool(said.search(worker.log)), what="the log")
    assert value_of(worker.send("add", 1, 1)) == 2


@pytest.mark.parametrize("arguments", ["the failure's", "the sender's"])
def test_an_error_callback_is_called_after_a_hard_time_limit(
    worker: PoolWorker, arguments: str
) -> None:
    """Celery calls it in the consumer's thread, where the pool must run it elsewhere."""
    if worker.pool.name not in _LIMITING_POOLS or "-plain" in worker.folder.name:
        pytest.skip("this pool ends no such job at its limit")
    word = secrets.token_hex(4)
    note = worker.sign("note", word, "late").set(immutable=True)
    errback = worker.sign("on-error") if arguments == "the failure's" else note

    job = worker.sign("hard", 30).apply_async(link_error=errback)

    with pytest.raises(TimeLimitExceeded):
        value_of(job)
    failures = f"on-error {job.id} TimeLimitExceeded"
    worker.wait_for(failures if arguments == "the failure's" else f"note {word} late")


def test_an_error_callback_is_called_after_an_exit(worker: PoolWorker) -> None:
    """Of a job that leaves as if the process were its own."""
    if worker.pool.name not in ("prefork", "asyncio"):
        pytest.skip("an exit ends this pool's worker")

    job = worker.sign("exits").apply_async(link_error=worker.sign("on-error"))

    with pytest.raises(WorkerLostError):
        value_of(job)
    worker.wait_for(f"on-error {job.id} WorkerLostError")


def test_a_revoked_part_fails_its_chord(worker: PoolWorker) -> None:
    """The body's error callback is called, though no job of the chord ran in a slot."""
    parts = [worker.sign("waits", 0, "never").set(expires=-1), worker.sign("add", 1)]
    body = worker.sign("total").on_error(worker.sign("on-error"))

    found = chord(parts, body).apply_async()

    with pytest.raises((ChordError, TaskRevokedError)):
        value_of(found)
    worker.wait_for(f"on-error {found.id} ChordError")
