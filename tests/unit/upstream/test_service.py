"""The upstream service's answers, without a socket."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from poolbench.documents import SHORTEST_BYTES
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


async def _ask(service: Service, target: str, *, method: str = "GET") -> Answer:
    answer = Answer()
    path, _, query = target.partition("?")
    scope = {"type": "http", "path": path, "query_string": query.encode(), "method": method}
    await service(scope, _receive, answer.send)
    return answer


def ask(target: str, *, method: str = "GET") -> Answer:
    """Return a fresh service's answer."""
    return asyncio.run(_ask(Service(), target, method=method))


def ask_all(service: Service, *targets: str) -> list[Answer]:
    """Return one service's answers, one after another."""

    async def scene() -> list[Answer]:
        return [await _ask(service, target) for target in targets]

    return asyncio.run(scene())


def test_an_answer_has_the_length_asked_for() -> None:
    """The body is as long as asked for, and says so in its header; the health check's is a word."""
    answer, health = ask("/wait?delay_ms=0&size_bytes=3"), ask("/health")

    assert (answer.status, answer.body) == (200, b"xxx")
    assert answer.headers[b"content-length"] == b"3"
    assert (health.status, health.body) == (200, b"ok\n")


@pytest.mark.parametrize(
    ("query", "faults"),
    [
        ("delay_ms=-1", ["delay_ms = -1 is invalid: must be 0 to"]),
        ("delay_ms=", ["delay_ms = '' is invalid: must be a number"]),
        ("size_bytes=1.5", ["size_bytes = 1.5 is invalid: must be a whole number"]),
        ("failure_share=1.5", ["failure_share = 1.5 is invalid: must be 0 to 1"]),
        ("tail_sigma=-1", ["tail_sigma = -1 is invalid: must be 0 to 3"]),
        ("delay=5", ["delay = 5 is invalid: unknown parameter of io.http. Did you mean delay_ms?"]),
        ("delay_ms=x&size_bytes=-1&sise=3", ["sise", "delay_ms", "size_bytes"]),
    ],
)
def test_each_fault_of_a_query_is_a_line(query: str, faults: list[str]) -> None:
    """A value out of bounds, of another type or under another name; all faults come at once."""
    answer = ask(f"/wait?{query}")

    assert answer.status == 422
    assert all(fault in answer.body.decode() for fault in faults)
    assert answer.body.count(b"\n") == len(faults)


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


@pytest.mark.parametrize("size_bytes", [1, SHORTEST_BYTES, 500, 65_536])
def test_a_document_is_json_of_the_length_asked_for(size_bytes: int) -> None:
    """It parses, and it is as long as it was asked to be, or the shortest that can be had."""
    answer = ask(f"/json?delay_ms=0&size_bytes={size_bytes}")

    assert answer.headers[b"content-type"] == b"application/json"
    assert len(answer.body) == max(size_bytes, SHORTEST_BYTES)
    assert json.loads(answer.body).keys() == {"items", "fill"}


def failing(*, share: float, seed: int) -> str:
    """Return the address of a wait that fails now and then."""
    return f"/wait?delay_ms=0&failure_share={share}&seed={seed}"


def statuses(target: str) -> list[int]:
    """Return the statuses of a fresh service's first hundred answers."""
    return [answer.status for answer in ask_all(Service(), *[target] * 100)]


def test_failures_are_as_many_as_asked_for_and_come_in_the_same_order_again() -> None:
    """A fifth of a hundred answers are 503, the same ones for the same seed."""
    first, again, other = (statuses(failing(share=0.2, seed=seed)) for seed in (7, 7, 8))

    assert (first.count(503), first.count(200)) == (20, 80)
    assert first == again != other


def test_each_query_has_draws_of_its_own() -> None:
    """Another workload's requests don't change the order of this one's."""
    theirs, own = failing(share=0.5, seed=1), failing(share=0.2, seed=7)

    answers = ask_all(Service(), *[theirs, own] * 100)

    assert [answer.status for answer in answers[1::2]] == statuses(own)


def test_more_queries_than_are_kept_are_answered() -> None:
    """Their draws begin anew; nothing grows without end."""
    service = Service()

    ask_all(service, *(failing(share=0.2, seed=seed) for seed in range(MAX_QUERIES + 5)))

    assert service.draws.cache_info().currsize <= MAX_QUERIES


def test_the_ceiling_is_published() -> None:
    """What a core could serve, from what the requests so far cost; null before the first 500."""
    waits = ["/wait?delay_ms=0"] * WINDOW_REQUESTS

    first, *_, last = ask_all(Service(), "/ceiling", *waits, "/ceiling")

    before, after = json.loads(first.body), json.loads(last.body)
    nothing = dict.fromkeys(("ceiling_per_s", "cpu_s_per_request"))
    assert before == {**nothing, "requests": 1, "waiting": 0}
    assert after["requests"] == WINDOW_REQUESTS + 2
    assert after["ceiling_per_s"] == pytest.approx(1 / after["cpu_s_per_request"])


def test_a_fault_is_told_each_time() -> None:
    """The cache keeps answers, not faults."""
    for _ in range(2):
        with pytest.raises(UsageError):
            parse_query(b"delay_ms=no")


def test_a_wait_leaves_nothing_behind() -> None:
    """One that passes is whole; a client that hangs up is not counted as waiting."""

    async def scene() -> tuple[bool, bool, int]:
        waits = Waits()
        task = asyncio.create_task(waits.wait(3_600))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return await waits.wait(0.001), await waits.wait(0), len(waits)

    assert asyncio.run(scene()) == (True, True, 0)


def test_a_request_that_a_stop_cuts_short_is_told() -> None:
    """It gets 503, not a body of the length it asked for."""
    service = Service()
    service.waits.stop()

    (answer,) = ask_all(service, "/wait?delay_ms=5")

    assert (answer.status, answer.body) == (503, b"upstream is stopping\n")
