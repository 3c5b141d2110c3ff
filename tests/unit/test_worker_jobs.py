"""The work itself: what it returns, what it refuses, and that the catalogue knows it."""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Callable

import httpx
import pytest

from poolbench.jobs import JOB_KINDS, JobKind
from worker.jobs import FUNCTIONS, cpu, io

every_kind = pytest.mark.parametrize("kind", JOB_KINDS.values(), ids=lambda kind: kind.name)


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[httpx.Response], list[httpx.Request]]:
    """Make upstream answer without a socket; the requests are in the list.

    Patched, since only so can an answer be wrong; the right ones come over sockets elsewhere.
    """

    def answer(response: httpx.Response) -> list[httpx.Request]:
        asked: list[httpx.Request] = []

        def respond(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return response

        transport = httpx.MockTransport(respond)
        client = httpx.Client(base_url="http://upstream", transport=transport)
        monkeypatch.setattr(io, "_new_client", lambda: client)
        monkeypatch.setattr(io, "_idle", type(io._idle)())
        return asked

    return answer


def test_the_functions_are_the_catalogue() -> None:
    """Every kind that can be asked for can be run, and no other."""
    assert FUNCTIONS.keys() == JOB_KINDS.keys()


@every_kind
def test_a_function_takes_its_kinds_parameters(kind: JobKind) -> None:
    """Parameters are passed by name, so the names must agree."""
    signature = inspect.signature(FUNCTIONS[kind.name])

    assert set(signature.parameters) == {parameter.name for parameter in kind.parameters}


def test_primes_are_counted_right() -> None:
    """The count agrees with a sieve: the work is really done."""
    is_prime = [True] * cpu.PRIMES_BELOW
    for number in range(2, cpu.PRIMES_BELOW):
        for multiple in range(number * number, cpu.PRIMES_BELOW, number):
            is_prime[multiple] = False

    assert cpu.primes(units=1) == sum(is_prime[2:]) == cpu.PRIMES_PER_UNIT


@pytest.mark.parametrize("units", [2, 5])
def test_each_unit_of_primes_is_the_same_work(units: int) -> None:
    """The sum grows by the same number with each unit."""
    assert cpu.primes(units=units) == units * cpu.PRIMES_PER_UNIT


@pytest.mark.parametrize("units", [1, 3])
def test_each_unit_of_sha256_hashes_the_buffer(units: int) -> None:
    """The digest is that of the buffer so many times over: 1 MiB a unit."""
    assert len(cpu.BUFFER) == 2**20
    assert cpu.sha256(units=units) == hashlib.sha256(cpu.BUFFER * units).hexdigest()


def test_a_sleep_lasts_at_least_as_long_as_asked() -> None:
    """The unit is the millisecond."""
    begun_s = time.monotonic()

    io.sleep(delay_ms=20)

    assert time.monotonic() - begun_s >= 0.02


def test_a_sleep_of_zero_sets_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A no-op must not even ask for one, which would give up the slot's turn."""
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("a no-op slept"))

    io.sleep(delay_ms=0)


def test_a_request_says_what_it_wants(
    answering: Callable[[httpx.Response], list[httpx.Request]],
) -> None:
    """Both parameters reach upstream, and its timeout is above the wait asked for."""
    asked = answering(httpx.Response(200, content=b"x" * 7))

    assert io.http(delay_ms=1_234_567.5, size_bytes=7) == 7

    (request,) = asked
    assert str(request.url) == "http://upstream/wait?delay_ms=1234567.5&size_bytes=7"
    assert request.extensions["timeout"]["read"] > 1_234.5675


@pytest.mark.parametrize(
    "response",
    [httpx.Response(503, content=b"xxx"), httpx.Response(200, content=b"xx")],
    ids=["another status", "too short"],
)
def test_another_answer_fails_the_job(
    answering: Callable[[httpx.Response], list[httpx.Request]], response: httpx.Response
) -> None:
    """A status that isn't 200 and a body of another length are told, not counted as done."""
    answering(response)

    with pytest.raises(io.UpstreamError, match=rf"status {response.status_code} with \d bytes"):
        io.http(delay_ms=0, size_bytes=3)


def test_a_client_is_lent_to_one_job_at_a_time(
    answering: Callable[[httpx.Response], list[httpx.Request]],
) -> None:
    """What a job gives back is the next one's; a failed job gives it back, too."""
    answering(httpx.Response(200, content=b""))
    with io._client() as first:
        assert not io._idle

    with pytest.raises(io.UpstreamError):
        io.http(delay_ms=0, size_bytes=3)

    assert list(io._idle) == [first]
