"""Work that waits for a timer, for upstream or Redis over a real socket, or for the disk."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import secrets
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from poolbench.settings import load_settings
from worker.jobs import clients

if TYPE_CHECKING:
    import httpx  # at run time `clients` imports it, in its own way

#: Value that `redis_commands` sets and gets, and its expiry, seconds.
VALUE = b"0123456789abcdef" * 4
VALUE_LIFE_S = 60

#: Age of a file that a killed job has left, seconds.
LEFT_AFTER_S = 600.0

#: Content that `file_round` repeats.
_PATTERN = bytes(range(256)) * 256


class UpstreamError(RuntimeError):
    """The answer of the upstream service is not the requested one."""


class StoreError(RuntimeError):
    """Redis or a disk returned another value than was written, or had no room for it."""


def sleep(*, delay_ms: float) -> None:
    """Wait for a timer; zero is a no-op and returns at once, without one."""
    if delay_ms > 0:
        time.sleep(delay_ms / 1_000)


async def sleep_async(*, delay_ms: float) -> None:
    """Like `sleep`, on the event loop."""
    if delay_ms > 0:
        await asyncio.sleep(delay_ms / 1_000)


def http(*, delay_ms: float, size_bytes: int, **draws: float) -> int:
    """Request an answer after a delay from upstream; return its length in bytes.

    ``draws`` are upstream's parameters of a tail and of failures.

    Raises:
        UpstreamError: if the answer isn't the requested one.
        httpx.TransportError: if upstream can't be reached or closes the connection.
    """
    return len(answer("/wait", delay_ms=delay_ms, size_bytes=size_bytes, **draws))


async def http_async(*, delay_ms: float, size_bytes: int, **draws: float) -> int:
    """Like `http`, on the event loop."""
    return len(await answer_async("/wait", delay_ms=delay_ms, size_bytes=size_bytes, **draws))


def answer(path: str, **query: float) -> bytes:
    """Return the content of upstream's answer to a query; raises as `http` does."""
    with clients.http_clients.lend() as client:
        timeout = clients.timeout(delay_ms=query["delay_ms"])
        response = client.get(_target(path, query), timeout=timeout)
    return _whole(response, size_bytes=query["size_bytes"])


async def answer_async(path: str, **query: float) -> bytes:
    """Like `answer`, on the event loop."""
    with clients.async_http_clients.lend() as client:
        timeout = clients.timeout(delay_ms=query["delay_ms"])
        response = await client.get(_target(path, query), timeout=timeout)
    return _whole(response, size_bytes=query["size_bytes"])


def redis_commands(*, commands: int) -> int:
    """Set and get a small value in turns, one command after another; return the number of commands.

    Raises:
        StoreError: if another value is returned.
        redis.RedisError: if Redis can't be reached or refuses a command.
    """
    with clients.redis_clients.lend() as (client, key):
        for index in range(commands):
            if index % 2:
                _check(client.get(key), key=key)
            else:
                client.set(key, VALUE, ex=VALUE_LIFE_S)
    return commands


async def redis_commands_async(*, commands: int) -> int:
    """Like `redis_commands`, on the event loop."""
    with clients.async_redis_clients.lend() as (client, key):
        for index in range(commands):
            if index % 2:
                _check(await client.get(key), key=key)
            else:
                await client.set(key, VALUE, ex=VALUE_LIFE_S)
    return commands


def file_round(*, size_bytes: int) -> int:
    """Write a file, sync it to the disk, read it back and delete it; return its length in bytes.

    It blocks the thread, since no event loop can wait for a disk.

    Raises:
        StoreError: if the disk is full, or another content is read back.
        OSError: if it fails otherwise.
    """
    content = (_PATTERN * (size_bytes // len(_PATTERN) + 1))[:size_bytes]
    folder = private_folder()
    path = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
    try:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        found = path.read_bytes()
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise StoreError(
            f"no room in {folder} for a file of {size_bytes} bytes: "
            "free some, or set POOLBENCH_STATE_DIR to another disk"
        ) from error
    finally:
        path.unlink(missing_ok=True)
    if found != content:
        raise StoreError(f"{path} held other content than was written to it")
    return len(found)


@functools.cache
def private_folder() -> Path:
    """Return the private folder of `file_round`'s files; remove those left by killed jobs."""
    folder = load_settings().state_dir.resolve() / "scratch"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in folder.iterdir():
        # another process may remove files too
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > LEFT_AFTER_S:
                path.unlink()
    return folder


def _check(value: object, *, key: str) -> None:
    if value != VALUE:
        raise StoreError(f"{key} contained {value!r} and not what was set")


def _target(path: str, query: Mapping[str, float]) -> str:
    return f"{path}?{'&'.join(f'{name}={value}' for name, value in query.items())}"


def _whole(response: httpx.Response, *, size_bytes: float) -> bytes:
    content = response.content
    if response.status_code != HTTPStatus.OK or len(content) != size_bytes:
        raise UpstreamError(
            f"{response.url}: status {response.status_code} with {len(content)} bytes; "
            f"expected 200 with {size_bytes}"
        )
    return content
