"""The service as plain ASGI functions: it shares its cores with what is being measured.

A router and a request object would cost an eighth more CPU for each request.
"""

from __future__ import annotations

import asyncio
import functools
from urllib.parse import parse_qsl

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from poolbench.errors import UsageError
from poolbench.jobs import JOB_KINDS, parse_parameters

#: The job kind whose parameters `/wait` takes, bounds included.
KIND = JOB_KINDS["io.http"]

#: What an answer is made of.
FILLER = b"x"


class Waits:
    """The requests that wait, so that a stop can let them all go at once."""

    def __init__(self) -> None:
        self._open: set[asyncio.Future[bool]] = set()
        self._is_stopping = False

    def __len__(self) -> int:
        return len(self._open)

    async def wait(self, delay_s: float) -> bool:
        """Wait; return whether it was for the whole of ``delay_s``."""
        if self._is_stopping or delay_s <= 0:
            return not self._is_stopping
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(delay_s, _settle, future, True)
        self._open.add(future)
        try:
            return await future
        finally:
            timer.cancel()
            self._open.discard(future)

    def stop(self) -> None:
        """End every wait now, and each that comes later at once."""
        self._is_stopping = True
        for future in self._open:
            _settle(future, False)


class Service:
    """The ASGI application: ``GET /wait`` and ``GET /health``."""

    def __init__(self) -> None:
        self.waits = Waits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] == "/wait" and scope["method"] == "GET":
            await self._wait(scope, receive, send)
        else:
            await _other(scope)(scope, receive, send)

    async def _wait(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            delay_s, size_bytes = parse_query(scope["query_string"])
        except UsageError as error:
            text = "; ".join(str(fault) for fault in error.faults)
            await PlainTextResponse(f"{text}\n", status_code=422)(scope, receive, send)
            return
        if not await self.waits.wait(delay_s):
            answer = PlainTextResponse("upstream is stopping\n", status_code=503)
            await answer(scope, receive, send)
            return
        headers = [
            (b"content-type", b"application/octet-stream"),
            (b"content-length", str(size_bytes).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": FILLER * size_bytes})


@functools.lru_cache(maxsize=256)
def parse_query(query: bytes) -> tuple[float, int]:
    """Return the wait in seconds and the answer's length in bytes; defaults are `KIND`'s.

    A trial asks the same thing a thousand times, hence the cache.

    Raises:
        UsageError: with everything that is wrong with the query.
    """
    words = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    parameters = parse_parameters(KIND, words)
    return parameters["delay_ms"] / 1_000, int(parameters["size_bytes"])


def _settle(future: asyncio.Future[bool], is_whole: bool) -> None:  # noqa: FBT001 -- call_later
    if not future.done():
        future.set_result(is_whole)


def _other(scope: Scope) -> PlainTextResponse:
    path = scope["path"]
    if path not in {"/wait", "/health"}:
        text = f"no such path: {path!r}; use /wait?delay_ms=50&size_bytes=1024 or /health\n"
        return PlainTextResponse(text, status_code=404)
    if scope["method"] != "GET":
        text = f"{scope['method']} is not for {path}; use GET\n"
        return PlainTextResponse(text, status_code=405, headers={"allow": "GET"})
    return PlainTextResponse("ok\n")
