"""The service, as plain ASGI functions, since it shares its cores with the measured workers.

A router and a request object would need 12 % more CPU time for each request.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qsl

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from poolbench.documents import make_document
from poolbench.errors import UsageError
from poolbench.jobs import JOB_KINDS, parse_parameters
from upstream.cost_meter import CostMeter
from upstream.draws import Draw, draw

#: The job kind with the parameters of `/wait` and `/json`, and their bounds.
KIND = JOB_KINDS["io.http"]

#: Number of queries whose position in their draws is kept; a trial repeats a query many times.
MAX_QUERIES = 256

#: Example paths for messages.
PATHS = ("/wait?delay_ms=50&size_bytes=1024", "/json?delay_ms=50&size_bytes=1024", "/ceiling")


class Waits:
    """The waiting requests, which a stop ends all at once."""

    def __init__(self) -> None:
        self._open: set[asyncio.Future[bool]] = set()
        self._is_stopping = False

    def __len__(self) -> int:
        return len(self._open)

    async def wait(self, delay_s: float) -> bool:
        """Wait for ``delay_s``; return False if a stop ended the wait early."""
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
        """End every wait now, and every later one immediately."""
        self._is_stopping = True
        for future in self._open:
            _settle(future, False)


class Service:
    """The ASGI application: ``GET /wait``, ``/json``, ``/ceiling`` and ``/health``."""

    def __init__(self) -> None:
        self.waits = Waits()
        self.cost = CostMeter()
        #: The draws of a query; equal queries share one order of draws.
        self.draws = functools.lru_cache(maxsize=MAX_QUERIES)(_draws)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self.cost.count()
        path = scope["path"]
        if path not in {*_BODIES, "/ceiling", "/health"}:
            text = f"no such path: {path!r}; use {', '.join(PATHS)} or /health\n"
            answer: Response = PlainTextResponse(text, status_code=404)
        elif scope["method"] != "GET":
            text = f"{scope['method']} is not for {path}; use GET\n"
            answer = PlainTextResponse(text, status_code=405, headers={"allow": "GET"})
        elif path == "/health":
            answer = PlainTextResponse("ok\n")
        elif path == "/ceiling":
            answer = self._ceiling()
        else:
            answer = await self._answer(path, query=scope["query_string"])
        await answer(scope, receive, send)

    async def _answer(self, path: str, *, query: bytes) -> Response:
        try:
            asked = parse_query(query)
        except UsageError as error:
            return PlainTextResponse(f"{error}\n", status_code=422)
        drawn = next(self.draws(query))
        if not await self.waits.wait(drawn.delay_s):
            return PlainTextResponse("upstream is stopping\n", status_code=503)
        if drawn.is_failure:
            return PlainTextResponse("a requested failure\n", status_code=503)
        media_type, make = _BODIES[path]
        return Response(make(int(asked["size_bytes"])), media_type=media_type)

    def _ceiling(self) -> Response:
        """Return the ceiling of this process, from the CPU time of its requests."""
        facts = {
            "ceiling_per_s": self.cost.ceiling_per_s,
            "cpu_s_per_request": self.cost.cpu_s_per_request,
            "requests": self.cost.requests,
            "waiting": len(self.waits),
        }
        return Response(json.dumps(facts) + "\n", media_type="application/json")


def _draws(query: bytes) -> Iterator[Draw]:
    asked = parse_query(query)
    return draw(
        median_s=asked["delay_ms"] / 1_000,
        tail_sigma=asked.get("tail_sigma", 0.0),
        failure_share=asked.get("failure_share", 0.0),
        seed=int(asked.get("seed", 0)),
    )


@functools.lru_cache(maxsize=8)
def _make_filler(size_bytes: int) -> bytes:
    return b"x" * size_bytes


#: By path, the type of a body and the function that makes one of a size.
_BODIES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "/wait": ("application/octet-stream", _make_filler),
    "/json": ("application/json", make_document),
}


@functools.lru_cache(maxsize=MAX_QUERIES)
def parse_query(query: bytes) -> Mapping[str, float]:
    """Return the parameters of a query; defaults are `KIND`'s.

    Raises:
        UsageError: with every fault of the query.
    """
    return parse_parameters(KIND, dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))


def _settle(future: asyncio.Future[bool], is_whole: bool) -> None:  # noqa: FBT001 -- call_later
    if not future.done():
        future.set_result(is_whole)
