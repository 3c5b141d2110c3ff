"""Work that waits: for a timer, or for the upstream service over a real socket."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from poolbench.settings import load_settings

# httpx imports its own command line where rich happens to be installed: ten megabytes in each
# worker. It does without when the module is barred. https://github.com/encode/httpx/blob/0.28.1/httpx/__init__.py
sys.modules["httpx._main"] = None  # type: ignore[assignment]
try:
    import httpx
finally:
    del sys.modules["httpx._main"]

#: What upstream may take beyond the wait that was asked for, seconds.
ANSWER_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0

#: An idle connection is given up before upstream closes it (`upstream.cli.KEEP_ALIVE_S`), seconds.
KEEP_ALIVE_S = 30.0

#: Clients that no job uses at the moment, each with at most one connection.
#: A pool of n connections inside one client looks through all n at each request, and under gevent
#: polls each: 100 greenlets got 150 answers a second so, and 1,631 with a client each.
_idle: deque[httpx.Client] = deque()

# a child must not share its parent's connections
os.register_at_fork(after_in_child=_idle.clear)


class UpstreamError(RuntimeError):
    """The upstream service gave another answer than the one asked for."""


def sleep(*, delay_ms: float) -> None:
    """Wait for a timer; zero is a no-op and returns at once, without one."""
    if delay_ms > 0:
        time.sleep(delay_ms / 1_000)


def http(*, delay_ms: float, size_bytes: int) -> int:
    """Ask upstream to wait and then answer; return the answer's length in bytes.

    Raises:
        UpstreamError: if the answer isn't the one asked for.
        httpx.TransportError: if upstream can't be reached or breaks off.
    """
    timeout = httpx.Timeout(ANSWER_TIMEOUT_S + delay_ms / 1_000, connect=CONNECT_TIMEOUT_S)
    with _client() as client:
        answer = client.get(f"/wait?delay_ms={delay_ms}&size_bytes={size_bytes}", timeout=timeout)
    length = len(answer.content)
    if answer.status_code != httpx.codes.OK or length != size_bytes:
        raise UpstreamError(
            f"{answer.url}: status {answer.status_code} with {length} bytes; "
            f"expected 200 with {size_bytes}"
        )
    return length


@contextmanager
def _client() -> Iterator[httpx.Client]:
    """Lend a client that nobody else uses: right for processes, threads and greenlets alike."""
    try:
        client = _idle.pop()
    except IndexError:
        client = _new_client()
    try:
        yield client
    finally:
        _idle.append(client)


def _new_client() -> httpx.Client:
    return httpx.Client(
        base_url=load_settings().upstream_url,
        # straight to upstream, whatever proxy the environment names
        trust_env=False,
        # plain HTTP: loading the certificates would cost more than a hundred requests
        verify=False,  # noqa: S501 -- no TLS here
        limits=httpx.Limits(max_connections=1, keepalive_expiry=KEEP_ALIVE_S),
    )
