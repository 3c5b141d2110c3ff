"""The work itself: what it returns, what it refuses, and that the catalogue knows it."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import inspect
import json
import os
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from poolbench.documents import make_document
from poolbench.jobs import JOB_KINDS, JobKind
from worker.jobs import COMPUTING, COROUTINES, FUNCTIONS, clients, cpu, io, mixed

#: Makes upstream answer; the requests are in the list that it returns.
Answering = Callable[[httpx.Response], list[httpx.Request]]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Make upstream answer without a socket, to both forms of client.

    Patched, since only so can an answer be wrong; the right ones come over sockets elsewhere.
    """

    def answer(response: httpx.Response) -> list[httpx.Request]:
        asked: list[httpx.Request] = []

        def respond(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return httpx.Response(response.status_code, content=response.content)

        transport, url = httpx.MockTransport(respond), "http://upstream"
        lender = clients.Lender(lambda: httpx.Client(base_url=url, transport=transport))
        loop_lender = clients.Lender(
            lambda: httpx.AsyncClient(base_url=url, transport=transport), is_per_loop=True
        )
        monkeypatch.setattr(clients, "http_clients", lender)
        monkeypatch.setattr(clients, "async_http_clients", loop_lender)
        return asked

    return answer


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder of the test's own, which the file jobs take notice of."""
    monkeypatch.setenv("POOLBENCH_STATE_DIR", str(tmp_path))
    io.private_folder.cache_clear()
    yield tmp_path
    io.private_folder.cache_clear()


def test_the_functions_are_the_catalogue() -> None:
    """Every kind that can be asked for can be run, in the forms that the catalogue tells."""
    assert FUNCTIONS.keys() == JOB_KINDS.keys()
    assert COROUTINES.keys() == {name for name, kind in JOB_KINDS.items() if kind.has_async_form}
    assert COMPUTING.keys() == {name for name, kind in JOB_KINDS.items() if kind.computes}


@pytest.mark.parametrize("kind", JOB_KINDS.values(), ids=lambda kind: kind.name)
def test_every_form_takes_its_kinds_parameters(kind: JobKind) -> None:
    """Parameters are passed by name, so the names must agree."""
    wanted = {parameter.name for parameter in kind.message_parameters}
    forms = [FUNCTIONS[kind.name], COROUTINES.get(kind.name, FUNCTIONS[kind.name])]

    for form in forms:
        signature = inspect.signature(form)
        assert signature.bind(**dict.fromkeys(wanted)).kwargs.keys() == wanted
        assert set(signature.parameters) - {"draws", "segments"} <= wanted


@pytest.mark.parametrize(
    ("function", "below", "per_unit"),
    [
        (cpu.primes, cpu.PRIMES_BELOW, cpu.PRIMES_PER_UNIT),
        (mixed.share_work, mixed.PRIMES_BELOW, mixed.PRIMES_PER_UNIT),
    ],
)
def test_primes_are_counted_right(function: Callable[..., int], below: int, per_unit: int) -> None:
    """The count agrees with a sieve, so the work is really done; each unit is the same."""
    is_prime = [True] * below
    for number in range(2, below):
        for multiple in range(number * number, below, number):
            is_prime[multiple] = False

    assert function(units=1) == sum(is_prime[2:]) == per_unit
    assert function(units=3) == 3 * per_unit


@pytest.mark.parametrize("units", [1, 3])
def test_each_unit_does_its_whole_work_anew(units: int) -> None:
    """1 MiB is hashed, all items of the document are found, and the text is compressed."""
    document, packed = make_document(cpu.DOCUMENT_BYTES), zlib.compress(cpu.make_text())

    assert cpu.sha256(units=units) == hashlib.sha256(cpu.BUFFER * units).hexdigest()
    assert cpu.parse(units=units) == units * len(json.loads(document)["items"]) > 0
    assert cpu.compress(units=units) == units * len(packed)


def test_what_units_work_on_has_its_size() -> None:
    """What zlib makes of the text is about half as long: there is work in it."""
    text = cpu.make_text()

    assert len(cpu.BUFFER) == 2**20
    assert len(make_document(cpu.DOCUMENT_BYTES)) == cpu.DOCUMENT_BYTES
    assert len(text) == cpu.TEXT_BYTES
    assert 0.4 < len(zlib.compress(text)) / len(text) < 0.7


def test_no_delay_sets_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A no-op must not even ask for one, which would give up the slot's turn; nor a bare share."""
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waited"))
    monkeypatch.setattr(asyncio, "sleep", lambda _: pytest.fail("it waited"))

    io.sleep(delay_ms=0)
    asyncio.run(io.sleep_async(delay_ms=0))
    assert mixed.share(units=2, delay_ms=0) == 2 * mixed.PRIMES_PER_UNIT
    assert asyncio.run(mixed.share_async(units=2, delay_ms=0)) == 2 * mixed.PRIMES_PER_UNIT


def test_a_share_without_units_only_waits() -> None:
    """In both forms."""
    assert mixed.share(units=0, delay_ms=1) == 0
    assert asyncio.run(mixed.share_async(units=0, delay_ms=1)) == 0


def test_a_request_says_what_it_wants(answering: Answering) -> None:
    """Parameters and draws reach upstream from both forms; the timeout is above the wait."""
    asked = answering(httpx.Response(200, content=b"x" * 7))

    assert io.http(delay_ms=1_234_567.5, size_bytes=7, tail_sigma=0.5, seed=3) == 7
    assert asyncio.run(io.http_async(delay_ms=1_234_567.5, size_bytes=7, failure_share=0.1)) == 7

    wanted = "http://upstream/wait?delay_ms=1234567.5&size_bytes=7"
    assert [str(request.url) for request in asked] == [
        f"{wanted}&tail_sigma=0.5&seed=3",
        f"{wanted}&failure_share=0.1",
    ]
    assert all(request.extensions["timeout"]["read"] > 1_234.5675 for request in asked)


@pytest.mark.parametrize(
    "response",
    [httpx.Response(503, content=b"xxx"), httpx.Response(200, content=b"xx")],
    ids=["another status", "too short"],
)
def test_another_answer_fails_the_job(answering: Answering, response: httpx.Response) -> None:
    """A status that isn't 200 and a body of another length are told, not counted as done."""
    answering(response)

    with pytest.raises(io.UpstreamError, match=rf"status {response.status_code} with \d bytes"):
        io.http(delay_ms=0, size_bytes=3)
    with pytest.raises(io.UpstreamError, match="expected 200 with 3"):
        asyncio.run(io.http_async(delay_ms=0, size_bytes=3))


def test_a_fetch_parses_and_hashes_what_it_gets(answering: Answering) -> None:
    """Both forms return the digest that the computing part alone returns for that document."""
    asked = answering(httpx.Response(200, content=make_document(900)))
    fetched = mixed.fetch(delay_ms=2.5, size_bytes=900)

    assert fetched == asyncio.run(mixed.fetch_async(delay_ms=2.5, size_bytes=900))
    assert fetched == mixed.fetch_work(delay_ms=2.5, size_bytes=900)
    assert {str(request.url) for request in asked} == {
        "http://upstream/json?delay_ms=2.5&size_bytes=900"
    }


@pytest.mark.parametrize("content", [b"no JSON", b"[1]", b'{"a":1}', b"\xff\xff"])
def test_a_fetch_of_something_else_fails(answering: Answering, content: bytes) -> None:
    """Whatever upstream sends, the job says what it got."""
    answering(httpx.Response(200, content=content))

    with pytest.raises(io.UpstreamError, match="no document with items"):
        mixed.fetch(delay_ms=0, size_bytes=len(content))


@pytest.mark.parametrize("size_bytes", [0, 1, 65_535, 65_536, 200_001])
def test_a_file_is_written_read_and_gone(state_dir: Path, size_bytes: int) -> None:
    """Every byte comes back, and nothing is left, in a folder for nobody else."""
    assert io.file_round(size_bytes=size_bytes) == size_bytes

    folder = state_dir / "scratch"
    assert not list(folder.iterdir())
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("number", "error", "text"),
    [
        (errno.ENOSPC, io.StoreError, r"no room in .*scratch for a file of 10 bytes: free"),
        (errno.EDQUOT, io.StoreError, r"no room in .*scratch for a file of 10 bytes: free"),
        (errno.EIO, OSError, "Input/output error"),
    ],
)
def test_a_fault_of_the_disk_fails_the_job_and_leaves_no_file(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception], text: str
) -> None:
    """A full disk is explained: where, how much and what to do; other faults stay as they are.

    Patched, since filling a disk takes one of its own.
    """

    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)

    with pytest.raises(error, match=text):
        io.file_round(size_bytes=10)
    assert not list((state_dir / "scratch").iterdir())


def test_files_of_killed_jobs_are_swept(state_dir: Path) -> None:
    """A process removes what is too old to be written still, and nothing younger."""
    old, young = state_dir / "scratch" / "1-old", state_dir / "scratch" / "1-young"
    old.parent.mkdir()
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (0, time.time() - 2 * io.LEFT_AFTER_S))

    io.file_round(size_bytes=1)

    assert list(old.parent.iterdir()) == [young]


def test_a_client_is_lent_to_one_job_at_a_time() -> None:
    """What a job gives back is the next one's; whose job failed is not lent again."""
    lender = clients.Lender(object)
    with lender.lend() as first, lender.lend() as second:
        assert first is not second
    with pytest.raises(KeyError), lender.lend() as broken:
        raise KeyError

    with lender.lend() as third, lender.lend() as fourth:
        assert {third, fourth} == {first, second} - {broken} | {fourth}
        assert broken not in {third, fourth}


def test_a_child_starts_without_its_parents_clients() -> None:
    """A connection that two processes write to mixes up their answers."""
    lender = clients.Lender(object)
    with lender.lend():
        pass

    with warnings.catch_warnings():
        # threads of other tests: the child calls nothing that they could hold
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        os._exit(len(lender._idle))

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(lender._idle) == 1


def test_a_client_stays_on_its_loop() -> None:
    """Another event loop gets another client, and the first loop its own again."""
    lender = clients.Lender(object, is_per_loop=True)

    async def lend_twice() -> tuple[object, object]:
        with lender.lend() as client:
            pass
        with lender.lend() as again:
            return client, again

    first, again = asyncio.run(lend_twice())
    other, _ = asyncio.run(lend_twice())

    assert first is again
    assert other is not first
