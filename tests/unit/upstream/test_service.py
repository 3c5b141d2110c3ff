"""The upstream service's answers, without a socket."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from poolbench.documents import SHORTEST_BYTES, make_document
from poolbench.errors import UsageError
from upstream.cost_meter import WINDOW_REQUESTS
from upstream.service import MAX_QUERIES, Service, Waits, parse_query


@dataclass(slots=True)
class Answer:
    """What an ASGI application sent."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""

    async def send(self, message: Any) -> None:
        """Take one ASGI message."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message["body"]


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _ask(service: Service, path: str, *, query: str = "", method: str = "GET") -> Answer:
    answer = Answer()
    scope = {"type": "http", "path": path, "query_string": query.encode(), "method": method}
    await service(scope, _receive, answer.send)
    return answer


def ask(path: str, *, query: str = "", method: str = "GET") -> Answer:
    """Return a fresh service's answer."""
    return asyncio.run(_ask(Service(), path, query=query, method=method))


def test_an_answer_has_the_length_asked_for() -> None:
    """The body is as long as asked for, and says so in its header."""
    answer = ask("/wait", query="delay_ms=0&size_bytes=3")

    assert (answer.status, answer.body) == (200, b"xxx")
    assert answer.headers[b"content-length"] == b"3"


def test_health_is_cheap_and_plain() -> None:
    """The health check gets one word."""
    answer = ask("/health")

    assert (answer.status, answer.body) == (200, b"ok\n")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("delay_ms=-1", "delay_ms = -1 is invalid: must be 0 to"),
        ("delay_ms=nan", "delay_ms = nan is invalid"),
        ("delay_ms=inf", "delay_ms = inf is invalid"),
        ("delay_ms=", "delay_ms = '' is invalid: must be a number"),
        ("size_bytes=1.5", "size_bytes = 1.5 is invalid: must be a whole number"),
        ("size_bytes=99999999999", "size_bytes = 99999999999 is invalid"),
        ("failure_share=1.5", "failure_share = 1.5 is invalid: must be 0 to 1"),
        ("tail_sigma=-1", "tail_sigma = -1 is invalid: must be 0 to 3"),
        ("delay=5", "unknown parameter of io.http: delay; did you mean delay_ms?"),
    ],
)
def test_bad_input_is_one_clear_line(query: str, words: str) -> None:
    """A value out of bounds, of another type or under another name is told in one line."""
    answer = ask("/wait", query=query)

    assert answer.status == 422
    assert words in answer.body.decode()
    assert answer.body.count(b"\n") == 1


def test_all_faults_of_a_query_come_at_once() -> None:
    """Whoever mends one fault doesn't find the next only then."""
    text = ask("/wait", query="delay_ms=x&size_bytes=-1&sise=3").body.decode()

    assert all(word in text for word in ("delay_ms", "size_bytes", "sise"))


def test_an_unknown_path_names_the_known() -> None:
    """A wrong path gets 404 and an address that works."""
    answer = ask("/weight")

    assert answer.status == 404
    assert b"/wait?delay_ms=50&size_bytes=1024" in answer.body


@pytest.mark.parametrize("path", ["/wait", "/json", "/ceiling", "/health"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_another_method_is_refused(path: str, method: str) -> None:
    """Only GET is served, and the header says so."""
    answer = ask(path, method=method)

    assert answer.status == 405
    assert answer.headers[b"allow"] == b"GET"


def test_defaults_are_the_job_kinds() -> None:
    """Without a query the wait is that of `io.http` without parameters: no tail, no failure."""
    assert parse_query(b"") == {"delay_ms": 50.0, "size_bytes": 1_024}


@pytest.mark.parametrize("size_bytes", [SHORTEST_BYTES, 500, 65_536])
def test_a_document_is_json_of_the_length_asked_for(size_bytes: int) -> None:
    """It parses, and it is as long as it was asked to be."""
    answer = ask("/json", query=f"delay_ms=0&size_bytes={size_bytes}")

    assert answer.headers[b"content-type"] == b"application/json"
    assert len(answer.body) == size_bytes
    assert json.loads(answer.body).keys() == {"items", "fill"}


def test_a_longer_document_has_more_to_parse() -> None:
    """Length comes from items, not from one long text; and it is the same each time."""
    few, many = (json.loads(make_document(size)) for size in (1_000, 10_000))

    assert len(many["items"]) > 8 * len(few["items"]) > 0
    assert len(many["fill"]) < 150
    assert make_document(10_000) == make_document.__wrapped__(10_000)


def test_a_document_too_short_for_json_is_the_shortest() -> None:
    """Less than an empty document can't be had."""
    assert json.loads(ask("/json", query="delay_ms=0&size_bytes=1").body) == {
        "items": [],
        "fill": "",
    }


def statuses(query: str, *, count: int) -> list[int]:
    """Return the statuses of that many answers of one fresh service."""

    async def scene() -> list[int]:
        service = Service()
        return [(await _ask(service, "/wait", query=query)).status for _ in range(count)]

    return asyncio.run(scene())


def test_failures_are_as_many_as_asked_for_and_come_in_the_same_order_again() -> None:
    """A fifth of a hundred answers are 503, the same ones for the same seed."""
    query = "delay_ms=0&failure_share=0.2&seed={}"

    first, again, other = (statuses(query.format(seed), count=100) for seed in (7, 7, 8))

    assert (first.count(503), first.count(200)) == (20, 80)
    assert first == again != other


def test_each_query_has_draws_of_its_own() -> None:
    """Another workload's requests don't change the order of this one's."""

    async def scene() -> list[int]:
        service, seen = Service(), []
        for _ in range(100):
            await _ask(service, "/wait", query="delay_ms=0&failure_share=0.5&seed=1")
            answer = await _ask(service, "/wait", query="delay_ms=0&failure_share=0.2&seed=7")
            seen.append(answer.status)
        return seen

    assert asyncio.run(scene()) == statuses("delay_ms=0&failure_share=0.2&seed=7", count=100)


def test_more_queries_than_are_kept_are_answered() -> None:
    """Their draws begin anew; nothing grows without end."""

    async def scene() -> int:
        service = Service()
        for seed in range(MAX_QUERIES + 5):
            await _ask(service, "/wait", query=f"delay_ms=0&failure_share=0.2&seed={seed}")
        return service.draws.cache_info().currsize

    assert asyncio.run(scene()) <= MAX_QUERIES


def test_the_ceiling_is_published() -> None:
    """What a core could serve, from what the requests so far cost; null before the first 500."""

    async def scene() -> tuple[dict[str, Any], dict[str, Any]]:
        service = Service()
        before = await _ask(service, "/ceiling")
        for _ in range(WINDOW_REQUESTS):
            await _ask(service, "/wait", query="delay_ms=0")
        after = await _ask(service, "/ceiling")
        return json.loads(before.body), json.loads(after.body)

    before, after = asyncio.run(scene())

    assert before == {
        "ceiling_per_s": None,
        "cpu_s_per_request": None,
        "requests": 1,
        "waiting": 0,
    }
    assert after["requests"] == WINDOW_REQUESTS + 2
    assert after["ceiling_per_s"] == pytest.approx(1 / after["cpu_s_per_request"])


def test_a_fault_is_told_each_time() -> None:
    """The cache keeps answers, not faults."""
    for _ in range(2):
        with pytest.raises(UsageError):
            parse_query(b"delay_ms=no")


def test_a_stop_lets_every_wait_go() -> None:
    """What waits is told that it was not for the whole, at once; so is what comes later."""

    async def scene() -> tuple[list[bool], bool, int]:
        waits = Waits()
        waiting = asyncio.gather(*(waits.wait(3_600) for _ in range(100)))
        await asyncio.sleep(0)  # each of them begins
        waits.stop()
        return await waiting, await waits.wait(3_600), len(waits)

    whole, late, left = asyncio.run(scene())

    assert (set(whole), late, left) == ({False}, False, 0)


def test_a_wait_that_passes_is_whole() -> None:
    """A wait without a stop is for all of its time, and leaves nothing behind."""

    async def scene() -> tuple[bool, bool, int]:
        waits = Waits()
        return await waits.wait(0.001), await waits.wait(0), len(waits)

    assert asyncio.run(scene()) == (True, True, 0)


def test_a_wait_that_is_cancelled_leaves_nothing() -> None:
    """A client that hangs up is not counted as waiting."""

    async def scene() -> int:
        waits = Waits()
        task = asyncio.create_task(waits.wait(3_600))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return len(waits)

    assert asyncio.run(scene()) == 0


def test_a_request_that_a_stop_cuts_short_is_told() -> None:
    """It gets 503, not a body of the length it asked for."""

    async def scene() -> Answer:
        service = Service()
        service.waits.stop()
        return await _ask(service, "/wait", query="delay_ms=5")

    answer = asyncio.run(scene())

    assert (answer.status, answer.body) == (503, b"upstream is stopping\n")
