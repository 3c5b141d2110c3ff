"""What the probe's handlers promise, called as Celery calls them."""

from __future__ import annotations

import json
import multiprocessing
import os
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery.app.task import Context
from celery.exceptions import SoftTimeLimitExceeded

from poolbench.jobs import HEADER, JobHeader
from poolbench.pipe import Pipe
from poolbench.probe import Probe, _require_celery, name_from
from poolbench.records import decode_line
from poolbench.work import EXECUTION


class FakePipe(Pipe):
    """Keeps what is written; the real one is tried in tests/integration."""

    def __init__(self) -> None:
        super().__init__(-1, path=Path("nowhere"))
        self.lines: list[dict[str, Any]] = []

    def write(self, line: bytes) -> None:
        """Keep a line, parsed."""
        self.lines.append(decode_line(line))


class Request:
    """As much of Celery's request as the consumer's process shows to `task_received`."""

    def __init__(self, job_id: str = "id-1", **fields: Any) -> None:
        self.id = job_id
        self.type = "kind"
        self.hostname, self.eta = "worker@here", None
        self.request_dict: dict[str, Any] = {"id": job_id, "retries": 0, **fields}


def _header(**changed: Any) -> dict[str, Any]:
    known = JobHeader(run="r", trial=0, seq=4, contender="c", due_ns=1, sent_ns=2).as_dict()
    return {HEADER: {**known, **changed}}


@pytest.fixture
def probe() -> Probe:
    """A probe of a worker that records, unconnected."""
    made = Probe()
    made._pipe = FakePipe()
    return made


def _lines(probe: Probe) -> list[dict[str, Any]]:
    assert isinstance(probe._pipe, FakePipe)
    return probe._pipe.lines


def _task(context: Context | None = None) -> Any:
    return SimpleNamespace(name="kind", request=context or Context())


def _received(probe: Probe) -> Request:
    """Return the request of a job of ours that the consumer has received."""
    request = Request(**_header())
    probe.on_received(sender=None, request=request)
    return request


def _put_nonce(probe: Probe, queue: SimpleQueue[str]) -> None:
    _received(probe)
    queue.put(_lines(probe)[-1]["nonce"])


def test_every_reception_has_a_nonce_of_its_own(probe: Probe) -> None:
    """What a retry or a redelivery brings along is replaced."""
    request = Request(**_header(), **{EXECUTION: "stale"})
    for _ in range(2):
        probe.on_received(sender=None, request=request)
    first, second = _lines(probe)
    assert first["nonce"] != second["nonce"]
    assert second["nonce"] in request.request_dict[EXECUTION]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {HEADER: "text"},
        {HEADER: {}},
        _header(seq=-1),
        _header(run="../up"),
        _header(due_ns=2**63),
    ],
)
def test_a_job_that_is_not_ours_is_not_recorded(probe: Probe, fields: dict[str, Any]) -> None:
    """Without a usable header there is no line, and a stale mark is taken away."""
    request = Request(**fields, **{EXECUTION: "stale"})
    probe.on_received(sender=None, request=request)
    assert (_lines(probe), EXECUTION in request.request_dict) == ([], False)


def test_a_forked_child_has_nonces_of_its_own(probe: Probe) -> None:
    """Parent and child, from the same state on, mint different ones; so do two children."""
    os.register_at_fork(after_in_child=probe._on_fork)
    fork = multiprocessing.get_context("fork")
    queues = [fork.SimpleQueue() for _ in range(3)]
    for queue in queues[1:]:
        process = fork.Process(target=_put_nonce, args=(probe, queue))
        process.start()
        process.join(10)
    _put_nonce(probe, queues[0])
    assert len({queue.get() for queue in queues}) == 3


def test_a_fault_of_the_probe_never_reaches_the_job(
    probe: Probe, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each handler says so in one log line, the first time."""
    monkeypatch.setattr("poolbench.probe._failed", set())
    for _ in range(2):
        probe.on_received(sender=None, request=None)
        probe.on_started(sender=None)
        probe.on_finished(sender=None)
        probe.on_failure(sender=None, task_id="id-1", exception=ValueError())
    names = [record.getMessage().partition(" ")[0] for record in caplog.records]
    assert names == [
        f"Probe.on_{moment}" for moment in ("received", "started", "finished", "failure")
    ]


def test_a_soft_time_limit_is_a_time_out(probe: Probe) -> None:
    """The execution is found by the job's id where Celery tells it without a request."""
    request = _received(probe)
    probe.on_failure(sender=_task(), task_id=request.id, exception=SoftTimeLimitExceeded())
    received, verdict = _lines(probe)
    assert (verdict["outcome"], verdict["nonce"]) == ("timed-out", received["nonce"])
    assert verdict["error"].startswith("SoftTimeLimitExceeded")


def test_a_job_revoked_in_the_queue_keeps_its_nonce(probe: Probe) -> None:
    """Celery's word on a received job belongs to that execution."""
    request = _received(probe)
    context = Context(request.request_dict)
    probe.on_revoked(sender=_task(), request=context, terminated=True, expired=False)
    received, verdict = _lines(probe)
    assert verdict["nonce"] == received["nonce"]
    assert (verdict["outcome"], verdict["error"]) == ("revoked", "terminated")


def test_a_job_revoked_unreceived_has_a_nonce_of_its_own(probe: Probe) -> None:
    """A retry that is revoked before it is received is not taken for the attempt before it."""
    request = _received(probe)
    carried = json.loads(json.dumps(request.request_dict))
    again = Context({**carried, "retries": 1})
    probe.on_revoked(sender=_task(), request=again, terminated=False, expired=True)
    received, verdict = _lines(probe)
    assert verdict["nonce"] != received["nonce"]
    assert (verdict["outcome"], verdict["attempt"]) == ("expired", 1)


def test_a_retry_is_told_with_and_without_a_reason(probe: Probe) -> None:
    """Celery leaves the reason out when it cancels a job itself."""
    request = _received(probe)
    context = Context(request.request_dict)
    probe.on_retry(sender=_task(), request=context, einfo=None)
    probe.on_retry(sender=_task(), request=context, reason=ValueError("later"))
    assert [line["error"] for line in _lines(probe)[1:]] == ["", "later"]


def test_a_failure_around_a_job_is_told(probe: Probe) -> None:
    """When Celery fails to store a result, the execution failed."""
    request = _received(probe)
    probe.on_internal_error(request=request.request_dict, exception=OSError("full"))
    probe.on_internal_error(request=None, exception=OSError("full"))
    assert [line["m"] for line in _lines(probe)] == ["received", "verdict"]


@pytest.mark.parametrize("headers", [None, {}, {"task": None, "id": 7}, "text", _header()])
def test_only_a_message_of_ours_that_is_no_job_is_told(probe: Probe, headers: object) -> None:
    """A message without our header leaves no line, whatever it holds; one with it has outcomes."""
    message = SimpleNamespace(headers=headers)
    probe.on_rejected(sender=None, message=message, exc=None)
    probe.on_unknown(sender=None, message=message, name="n", id="i", exc=None)
    expected = ["rejected", "failed"] if headers == _header() else []
    assert [line["outcome"] for line in _lines(probe)] == expected


@pytest.mark.parametrize(
    ("hostname", "name"),
    [("prefork@h", "prefork"), ("Strange.1@h", "strange.1"), ("_a b@h", "a-b"), ("@h", "worker")],
)
def test_a_contenders_name_is_made_of_the_workers(hostname: str, name: str) -> None:
    """Whatever a worker is called, the name can be a key."""
    assert name_from(hostname) == name


def test_a_celery_that_is_too_old_is_not_recorded() -> None:
    """The oldest is 5.3; the probe logs the reason."""
    _require_celery("5.3.0")
    _require_celery("5.10.1")
    with pytest.raises(ValueError, match=r"Celery 5\.2\.7 is older than 5\.3"):
        _require_celery("5.2.7")
