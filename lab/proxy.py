"""A proxy that delays: `python -m lab.proxy`, by which a worker sees Redis as over a network.

What the worker sends goes on at once, and each answer is held for the whole round-trip time. Every
chunk is held from when it came, so that answers follow each other as closely as they were sent: a
pipeline of a thousand commands takes one delay, not a thousand.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import select
import selectors
import signal
import sys
from collections import deque
from collections.abc import Sequence

#: Connections that may wait to be accepted: a worker of many slots opens them all at once.
BACKLOG = 1_024


class DelayLine:
    """Chunks on their way, each due a fixed time after it came. Pure: the clock is given."""

    def __init__(self, *, delay_s: float) -> None:
        self._delay_s = delay_s
        self._held: deque[tuple[float, bytes]] = deque()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def due_s(self) -> float | None:
        """Return when the first chunk is due, by the clock of `put`, seconds; None if empty."""
        return self._held[0][0] if self._held else None

    def put(self, chunk: bytes, *, now_s: float) -> None:
        """Take a chunk that came at ``now_s``."""
        self._held.append((now_s + self._delay_s, chunk))

    def take(self, *, now_s: float) -> bytes:
        """Return what is due at ``now_s``, in the order in which it came."""
        due: list[bytes] = []
        while self._held and self._held[0][0] <= now_s:
            due.append(self._held.popleft()[1])
        return b"".join(due)


class _Near(asyncio.Protocol):
    """The worker's side of a connection."""

    def __init__(self, *, target: tuple[str, int], delay_s: float) -> None:
        self._target = target
        self._delay_s = delay_s
        self._far: _Far | None = None
        self._connecting: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        # nothing is read before there is somewhere to put it
        transport.pause_reading()
        self._connecting = asyncio.get_running_loop().create_task(self._connect(transport))

    async def _connect(self, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, self._far = await loop.create_connection(
                lambda: _Far(near=transport, delay_s=self._delay_s), *self._target
            )
        except OSError:
            transport.abort()
            return
        if transport.is_closing():
            self._far.close()
            return
        transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._far is not None:
            self._far.send(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        if self._far is not None:
            self._far.close()

    def pause_writing(self) -> None:
        if self._far is not None:
            self._far.pause()

    def resume_writing(self) -> None:
        if self._far is not None:
            self._far.resume()


class _Far(asyncio.Protocol):
    """The server's side of a connection, with the answers that are on their way."""

    def __init__(self, *, near: asyncio.Transport, delay_s: float) -> None:
        self._near = near
        self._line = DelayLine(delay_s=delay_s)
        self._delay_s = delay_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, data: bytes) -> None:
        """Send on what the worker sent."""
        if self._transport is not None:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        if not self._delay_s:
            self._near.write(data)
            return
        self._line.put(data, now_s=self._loop.time())
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self._has_ended = True
        if not self._line:
            self._near.close()

    def close(self) -> None:
        """End it: the worker has gone, and nobody reads what is on its way."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def pause(self) -> None:
        """Read no more, since the worker doesn't."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _arm(self) -> None:
        due_s = self._line.due_s
        if self._timer is None and due_s is not None:
            self._timer = self._loop.call_at(due_s, self._hand_over)

    def _hand_over(self) -> None:
        self._timer = None
        # a timer may come a little early, by the clock's own resolution
        self._near.write(self._line.take(now_s=max(self._loop.time(), self._line.due_s or 0.0)))
        self._arm()
        if self._has_ended and not self._line:
            self._near.close()


def fine_selector() -> selectors.BaseSelector:
    """Return a selector that waits to the microsecond.

    asyncio's own on Linux rounds each wait up to whole milliseconds
    (`selectors.EpollSelector.select`), which would make a delay of 0.2 ms one of 1.
    """
    if sys.platform != "linux":
        return selectors.DefaultSelector()

    class FineSelector(selectors.EpollSelector):
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is None or timeout <= 0:
                return super().select(timeout)
            # an epoll descriptor can itself be waited for, and select's waits are finer
            select.select([self.fileno()], [], [], timeout)
            return super().select(0)

    return FineSelector()


async def serve(*, port: int, target: tuple[str, int], delay_s: float) -> None:
    """Relay connections to 127.0.0.1 until a signal ends it.

    Raises:
        OSError: if it can't listen on ``port``.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    listening = await loop.create_server(
        lambda: _Near(target=target, delay_s=delay_s), "127.0.0.1", port, backlog=BACKLOG
    )
    await stop.wait()
    listening.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Relay until told to end; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lab.proxy", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="where to listen on 127.0.0.1")
    parser.add_argument("--host", required=True, help="host of the server")
    parser.add_argument("--host-port", type=int, required=True, help="port of the server")
    parser.add_argument("--delay-ms", type=float, required=True, help="added to each answer")
    options = parser.parse_args(argv)
    with (
        contextlib.suppress(KeyboardInterrupt),
        asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(fine_selector())) as runner,
    ):
        runner.run(
            serve(
                port=options.port,
                target=(options.host, options.host_port),
                delay_s=options.delay_ms / 1_000,
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
