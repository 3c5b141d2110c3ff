"""Publishing to a real server: what lies in the queue and in the run's hash."""

from __future__ import annotations

import base64
import importlib
import json
import time
from typing import Any, Literal

import pytest
import redis

from poolbench.errors import UsageError
from poolbench.jobs import HEADER, JOB_KINDS, JobHeader
from poolbench.keys import RUNS, queue_name, run_key, sent_field
from poolbench.machine import boot_id
from poolbench.records import TrialPlan
from producer.arrivals import read_schedule
from producer.publisher import BATCH, close_run, open_run, publish
from tests.conftest import Server
from tests.wire import plan_of, queued

QUEUE = queue_name("gevent")


def headers(client: redis.Redis) -> list[JobHeader]:
    """Our headers of the queued messages."""
    return [JobHeader(**message["headers"][HEADER]) for message in queued(client, QUEUE)]


def without(message: dict[str, Any]) -> dict[str, Any]:
    """A message, body decoded, without what may differ between two."""
    kept = {**message, "body": json.loads(base64.b64decode(message["body"]))}
    kept["headers"] = {
        name: value
        for name, value in message["headers"].items()
        if name not in {"id", "root_id", "origin", HEADER}
    }
    kept["properties"] = {
        name: value
        for name, value in message["properties"].items()
        if name not in {"correlation_id", "delivery_tag", "reply_to"}
    }
    return kept


def send_for_real(plan: TrialPlan, *, url: str) -> None:
    """Send one job the way Celery does it, by the app that the stack's workers run."""
    app = importlib.import_module("worker.tasks").app
    job: Any = app.tasks[plan.kind]
    with app.connection_for_write(url) as connection:
        job.apply_async(kwargs=dict(plan.parameters), queue=QUEUE, connection=connection)


@pytest.mark.parametrize("kind", sorted(JOB_KINDS))
def test_message_equals_a_real_one_field_by_field(
    client: redis.Redis, server: Server, run_id: str, kind: str
) -> None:
    """All but ids, tag, origin, reply_to and our header is as Celery itself sends it."""
    plan = plan_of(kind)
    send_for_real(plan, url=server.url)
    publish(client, run=run_id, plan=plan, offsets_s=[0.0])

    real, ours = queued(client, QUEUE)

    assert without(ours) == without(real)
    assert list(ours["headers"]) == [*real["headers"], HEADER]
    assert list(ours["properties"]) == list(real["properties"])
    assert type(ours["headers"]["origin"]) is type(real["headers"]["origin"])


def test_burst_is_sent_in_order_and_counted(client: redis.Redis, run_id: str) -> None:
    """More than two batches: seqs dense from 0 in queue order, one due time, the count kept."""
    count = 2 * BATCH + 7
    told: list[int] = []

    offsets_s = [0.0] * count
    sent = publish(client, run=run_id, plan=plan_of(), offsets_s=offsets_s, on_sent=told.append)

    found = headers(client)
    assert [header.seq for header in found] == list(range(count))
    assert {header.due_ns for header in found} == {sent.first_due_ns}
    assert client.hget(run_key(run_id), sent_field(0)) == str(count)
    assert told == [BATCH, 2 * BATCH, count]
    assert (sent.count, sent.is_complete) == (count, True)


def test_a_rate_is_kept_from_due_times_drawn_beforehand(client: redis.Redis, run_id: str) -> None:
    """Each job's due time is its offset from the start; none is sent before, and lag is told."""
    offsets_s = read_schedule({"how": "poisson", "count": 200, "rate_per_s": 1_000}).draw(3)
    before_ns = time.time_ns()

    sent = publish(client, run=run_id, plan=plan_of(), offsets_s=offsets_s)

    found = headers(client)
    due_s = [(header.due_ns - sent.first_due_ns) / 1e9 for header in found]
    lags_s = [(header.sent_ns - header.due_ns) / 1e9 for header in found]
    assert due_s == pytest.approx(list(offsets_s), abs=1e-6)
    assert min(lags_s) >= 0
    assert sent.lag_max_s == pytest.approx(max(lags_s))
    assert before_ns < sent.first_due_ns
    assert sent.span_s >= offsets_s[-1]


def test_late_jobs_are_sent_all_the_same(client: redis.Redis, run_id: str) -> None:
    """A producer that was held up sends everything that came due meanwhile, and shows the lag."""
    hold = iter([0.0, 0.0, 0.3])

    def hold_up(_sent: int) -> None:
        time.sleep(next(hold, 0.0))

    offsets_s = read_schedule({"how": "constant", "count": 100, "rate_per_s": 200}).draw(1)
    sent = publish(client, run=run_id, plan=plan_of(), offsets_s=offsets_s, on_sent=hold_up)

    found = headers(client)
    assert [header.seq for header in found] == list(range(100))
    assert sent.lag_max_s > 0.25
    assert len({header.sent_ns for header in found}) < 100


@pytest.mark.parametrize("source", ["producer", "lab"])
def test_a_run_is_opened_and_closed(
    client: redis.Redis, run_id: str, source: Literal["producer", "lab"]
) -> None:
    """The hash holds the plans as data; the zset holds a run that the collector must serve."""
    plan = plan_of(trial=0)
    open_run(
        client,
        run=run_id,
        source=source,
        plans=[plan],
        calibration={"cpu.json": 0.001},
    )

    kept = client.hgetall(run_key(run_id))
    assert [TrialPlan(**each) for each in json.loads(kept["trials"])] == [plan]
    assert kept["source"] == source
    assert kept["boot_id"] == boot_id()
    assert json.loads(kept["calibration"]) == {"cpu.json": 0.001}
    assert "sent_all_ns" not in kept
    created_s = client.zscore(RUNS, run_id)
    assert (created_s is not None) == (source == "producer")
    if created_s is not None:
        assert created_s == pytest.approx(int(kept["created_ns"]) / 1e9)

    close_run(client, run=run_id)

    sent_all_ns = client.hget(run_key(run_id), "sent_all_ns")
    assert sent_all_ns is not None
    assert int(sent_all_ns) >= int(kept["created_ns"])


def test_an_impossible_name_is_refused(client: redis.Redis) -> None:
    """A run's name becomes a folder: no slash, no dots before it."""
    with pytest.raises(UsageError, match=r"run = .* is invalid: must have at most 64"):
        open_run(client, run="../etc", source="producer", plans=[])

    assert client.dbsize() == 0
