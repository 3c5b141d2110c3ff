"""The service as plain ASGI functions: it shares its cores with the measured workers.

A router and a request object would cost an eighth more CPU for each request.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from poolbench.catalogue import JOB_KINDS
from poolbench.documents import make_document
from poolbench.errors import UsageError
from poolbench.jobs import parse_parameters
from upstream.cost_meter import CostMeter
from upstream.draws import Draw, Draws

#: The job kind whose parameters `/wait` and `/json` take, bounds included.
KIND = JOB_KINDS["io.http"]

#: Queries whose place in their draws is kept; a trial asks the same thing a thousand times.
MAX_QUERIES = 256

#: What is served, as a person would ask for it.
PATHS = ("/wait?delay_ms=50&size_bytes=1024", "/json?delay_ms=50&size_bytes=1024", "/ceiling")


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
    """The ASGI application: ``GET /wait``, ``/json``, ``/ceiling`` and ``/health``."""

    def __init__(self) -> None:
        self.waits = Waits()
        self.cost = CostMeter()
        self._draws: dict[bytes, Draws] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self.cost.count()
        if scope["path"] in _BODIES and scope["method"] == "GET":
            await self._answer(scope, receive, send)
        elif scope["path"] == "/ceiling" and scope["method"] == "GET":
            await self._ceiling()(scope, receive, send)
        else:
            await _other(scope)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            asked = parse_query(scope["query_string"])
        except UsageError as error:
            text = "; ".join(str(fault) for fault in error.faults)
            await PlainTextResponse(f"{text}\n", status_code=422)(scope, receive, send)
            return
        draw = self._draw(asked, query=scope["query_string"])
        if not await self.waits.wait(draw.delay_s):
            answer = PlainTextResponse("upstream is stopping\n", status_code=503)
            await answer(scope, receive, send)
            return
        if draw.is_failure:
            answer = PlainTextResponse("a failure, as asked for\n", status_code=503)
            await answer(scope, receive, send)
            return
        body_type, make = _BODIES[scope["path"]]
        body = make(int(asked["size_bytes"]))
        headers = [
            (b"content-type", body_type),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _draw(self, asked: Mapping[str, float], *, query: bytes) -> Draw:
        """Return the next draw for a query; equal queries share one order of draws."""
        delay_s = asked["delay_ms"] / 1_000
        tail_sigma, failure_share = asked.get("tail_sigma", 0.0), asked.get("failure_share", 0.0)
        if not (tail_sigma or failure_share):
            return Draw(delay_s=delay_s, is_failure=False)
        if query not in self._draws:
            if len(self._draws) >= MAX_QUERIES:
                self._draws.clear()
            self._draws[query] = Draws(
                median_s=delay_s,
                tail_sigma=tail_sigma,
                failure_share=failure_share,
                seed=int(asked.get("seed", 0)),
            )
        return self._draws[query].next()

    def _ceiling(self) -> Response:
        """Return the ceiling of this process, from the CPU time of its requests."""
        facts = {
            "ceiling_per_s": self.cost.ceiling_per_s,
            "cpu_s_per_request": self.cost.cpu_s_per_request,
            "requests": self.cost.requests,
            "waiting": len(self.waits),
        }
        return Response(json.dumps(facts) + "\n", media_type="application/json")


@functools.lru_cache(maxsize=8)
def _make_filler(size_bytes: int) -> bytes:
    return b"x" * size_bytes


#: By path, the type of a body and the function that makes one of a size.
_BODIES: dict[str, tuple[bytes, Callable[[int], bytes]]] = {
    "/wait": (b"application/octet-stream", _make_filler),
    "/json": (b"application/json", make_document),
}


@functools.lru_cache(maxsize=MAX_QUERIES)
def parse_query(query: bytes) -> Mapping[str, float]:
    """Return the parameters of a query; defaults are `KIND`'s.

    Raises:
        UsageError: with everything that is wrong with the query.
    """
    words = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    return parse_parameters(KIND, words)


def _settle(future: asyncio.Future[bool], is_whole: bool) -> None:  # noqa: FBT001 -- call_later
    if not future.done():
        future.set_result(is_whole)


def _other(scope: Scope) -> PlainTextResponse:
    path = scope["path"]
    if path not in {"/wait", "/json", "/ceiling", "/health"}:
        text = f"no such path: {path!r}; use {', '.join(PATHS)} or /health\n"
        return PlainTextResponse(text, status_code=404)
    if scope["method"] != "GET":
        text = f"{scope['method']} is not for {path}; use GET\n"
        return PlainTextResponse(text, status_code=405, headers={"allow": "GET"})
    return PlainTextResponse("ok\n")
