"""The template: Celery's own message, except for its placeholders."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolbench.job_options import JobOptions, Retry
from poolbench.jobs import ENDING, HEADER, PAYLOAD, RETRIES, SEGMENTS, STAND_IN, JobHeader
from poolbench.keys import NAME, PRIORITY_SEPARATOR, PRIORITY_STEPS
from poolbench.records import TrialPlan
from producer.mixes import Mix, MixCanvas, MixPart, MixStandIns
from producer.template import capture, task_ids
from tests.wire import plan_of

NAMES = st.from_regex(NAME, fullmatch=True)


def rendered(plan: TrialPlan, *, run: str = "r1", count: int = 3) -> list[dict[str, Any]]:
    """Messages of a trial, decoded."""
    batch = capture(plan, run=run).render([10 + n for n in range(count)], first_job=5, sent_ns=99)
    ((_, _, *messages),) = batch.commands
    return [json.loads(message) for message in messages]


def rendered_with(
    options: JobOptions, *, steps: tuple[int, ...] = PRIORITY_STEPS
) -> tuple[str, Any]:
    """Return the list and the message of one job with options, due a second after the epoch."""
    part = MixPart(name="p", kind="io.sleep", parameters={"delay_ms": 1.0}, options=options)
    mix = Mix(parts=(part,), order=[0], priority_steps={options.queue: steps})
    batch = capture(plan_of("io.sleep"), run="r1", scope="s", mix=mix).render(
        [1_000_000_000], first_job=0, sent_ns=99
    )
    ((_, key, message),) = batch.commands
    return key.decode(), json.loads(message)


def arguments(message: dict[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments in a message's body."""
    _, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    return dict(kwargs)


def test_countdown_and_expiry_count_from_the_due_time() -> None:
    """Both are points in time, as Celery writes them, whenever the message is sent."""
    _, message = rendered_with(JobOptions(countdown_s=1.5, expires_s=60.0))

    assert message["headers"]["eta"] == "1970-01-01T00:00:02.500000+00:00"
    assert message["headers"]["expires"] == "1970-01-01T00:01:01+00:00"


def test_each_stand_in_has_its_own_numbers() -> None:
    """Segments of each attempt, a countdown and the size of the body, in one template."""
    part = MixStandIns(name="p", options=JobOptions(fail_share=1.0), attempts=2, has_countdown=True)
    first = (0.5, 400.0, 1.25, 0.0, 20.0, 0.0, 4096, 3.0, 2.5, 0.0, 0.0, 0.0, 0)
    mix = Mix(parts=(part,), order=[0, 0], numbers=[first, (2.0, *first[1:])])
    batch = capture(plan_of("io.sleep"), run="r1", scope="s", mix=mix).render(
        [0, 1_000_000_000], first_job=0, sent_ns=99
    )
    ((_, _, *texts),) = batch.commands
    one, other = (json.loads(text) for text in texts)

    given = arguments(one)
    assert len(base64.b64decode(one["body"])) == 400
    assert given.pop(PAYLOAD).strip("x") == ""
    assert given == {
        **dict(zip(SEGMENTS, (1.25, 0, 20, 0, 4096), strict=True)),
        RETRIES: [[3.0, 2.5, 0, 0, 0, 0]],
        ENDING: {"fails": True},
    }
    assert one["headers"]["task"] == STAND_IN
    assert one["headers"]["eta"] == "1970-01-01T00:00:00.500000+00:00"
    assert other["headers"]["eta"] == "1970-01-01T00:00:03+00:00"
    assert one["headers"][HEADER]["part"] == "p"


@pytest.mark.parametrize(
    ("priority", "steps", "end"),
    [
        (None, PRIORITY_STEPS, ""),
        (0, PRIORITY_STEPS, ""),
        (5, PRIORITY_STEPS, f"{PRIORITY_SEPARATOR}3"),
        (9, PRIORITY_STEPS, f"{PRIORITY_SEPARATOR}9"),
        (5, tuple(range(10)), f"{PRIORITY_SEPARATOR}5"),
    ],
)
def test_a_job_is_in_the_list_of_its_queue_and_priority(
    priority: int | None, steps: tuple[int, ...], end: str
) -> None:
    """There is a list for each step; the message has the priority, for a return to its list."""
    key, message = rendered_with(JobOptions(queue="io", priority=priority), steps=steps)

    assert key == f"poolbench.s.gevent:io{end}"
    assert message["properties"]["priority"] == (priority or 0)
    assert message["properties"]["delivery_info"]["routing_key"] == "poolbench.s.gevent:io"


@pytest.mark.parametrize(
    ("options", "more"),
    [
        (JobOptions(), {}),
        (JobOptions(fail_share=1.0), {ENDING: {"fails": True}}),
        (JobOptions(retry=Retry(share=1.0, countdown_s=0.0)), {ENDING: {"retry_s": 0.0}}),
        (JobOptions(result_bytes=9), {ENDING: {"result_bytes": 9}}),
        (JobOptions(payload_bytes=3), {PAYLOAD: "xxx"}),
    ],
)
def test_a_message_determines_how_its_job_ends(options: JobOptions, more: dict[str, Any]) -> None:
    """The worker draws nothing; a job without options has its parameters alone."""
    _, message = rendered_with(options)

    assert arguments(message) == {"delay_ms": 1.0, **more}


def test_a_batch_of_several_lists_keeps_the_order_within_each() -> None:
    """One command for each list; seqs count up over all jobs."""
    parts = [
        MixPart(name=name, kind="io.sleep", parameters={}, options=JobOptions(queue=name))
        for name in ("a", "b")
    ]
    mix = Mix(parts=tuple(parts), order=[0, 0, 1, 0, 1])

    batch = capture(plan_of(), run="r1", mix=mix).render([1] * 4, first_job=1, sent_ns=9)

    seqs = {
        key: [json.loads(message)["headers"][HEADER]["seq"] for message in messages]
        for _, key, *messages in batch.commands
    }
    assert seqs == {b"poolbench.gevent:a": [1, 3], b"poolbench.gevent:b": [2, 4]}
    assert batch.jobs == 4


def canvas_of(shape: str, *names: str) -> MixCanvas:
    """Return a job of several sleeps."""
    steps = (MixPart(name=name, kind="io.sleep", parameters={"delay_ms": 1.0}) for name in names)
    return MixCanvas(shape=shape, steps=tuple(steps))


def headers_in(value: Any) -> list[tuple[int, str]]:
    """Return seq and part in each header of ours in a message, the deepest ones last."""
    if isinstance(value, list):
        return [found for one in value for found in headers_in(one)]
    if not isinstance(value, dict):
        return []
    ours = value.get(HEADER)
    own = [(ours["seq"], ours["part"])] if isinstance(ours, dict) else []
    return own + [found for one in value.values() for found in headers_in(one)]


@pytest.mark.parametrize("shape", ["chain", "group", "chord"])
def test_each_execution_of_a_canvas_has_its_own_header(shape: str) -> None:
    """Seqs are dense over all executions, of jobs before and behind too; each is counted."""
    plain = MixPart(name="plain", kind="io.sleep", parameters={})
    mix = Mix(parts=(plain, canvas_of(shape, "a", "b", "c")), order=[0, 1, 0, 1])

    batch = capture(plan_of(), run="r1", mix=mix).render([7] * 3, first_job=1, sent_ns=9)

    pushes = [messages for name, _, *messages in batch.commands if name == b"LPUSH"]
    found = {
        header
        for (*messages,) in pushes
        for one in map(json.loads, messages)
        for header in headers_in([one["headers"], json.loads(base64.b64decode(one["body"]))])
    }
    expected = [(1, "a"), (2, "b"), (3, "c"), (4, "plain"), (5, "a"), (6, "b"), (7, "c")]
    assert sorted(found) == expected
    assert batch.jobs == 7


def test_a_chord_has_its_size_in_the_result_backend_before_its_calls() -> None:
    """Under its group's id; the body is in each call, and its id is that of no other chord."""
    mix = Mix(parts=(canvas_of("chord", "a", "b", "body"),), order=[0, 0])

    batch = capture(plan_of(), run="r1", scope="s", mix=mix).render([7, 7], first_job=0, sent_ns=9)

    *sizes, (_, _, *wire) = batch.commands
    messages = [json.loads(one) for one in wire]
    groups = [message["headers"]["group"] for message in messages]
    bodies = [json.loads(base64.b64decode(one["body"]))[2]["chord"] for one in messages]
    assert [name for name, *_ in sizes] == [b"SET", b"SET"]
    assert [(key.decode(), size) for _, key, size, *_ in sizes] == [
        (f"poolbench.s.celery-taskset-meta-{group}.s", b"2") for group in dict.fromkeys(groups)
    ]
    assert groups[0] == groups[1] != groups[2] == groups[3]
    ids = [body["options"]["task_id"] for body in bodies]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert len({*ids, *(message["headers"]["id"] for message in messages)}) == 6


def test_a_plan_may_ask_for_a_payload_and_for_the_result() -> None:
    """The payload stands beside the parameters; the message's word goes before Celery's setting."""
    plan = replace(plan_of("io.sleep"), payload_bytes=5_000, stores_result=True)

    message = rendered(plan)[0]

    assert arguments(message) == {**plan.parameters, PAYLOAD: "x" * 5_000}
    assert message["headers"]["ignore_result"] is False


@settings(max_examples=30)
@given(run=NAMES, contender=NAMES, trial=st.integers(min_value=0, max_value=2**40))
def test_our_header_reads_back(run: str, contender: str, trial: int) -> None:
    """Whatever the names, the header in the message is the job's."""
    plan = plan_of("io.http", contender=contender, trial=trial)

    headers = [JobHeader(**message["headers"][HEADER]) for message in rendered(plan, run=run)]

    assert headers == [
        JobHeader(run=run, trial=trial, seq=5 + n, contender=contender, due_ns=10 + n, sent_ns=99)
        for n in range(3)
    ]


def test_messages_differ_in_their_ids_tags_and_our_header_alone() -> None:
    """One id a job, in each place where Celery writes it; a tag of its own for kombu."""
    messages = rendered(plan_of("io.http"), count=50)

    ids = [message["headers"].pop("id") for message in messages]
    assert [message["headers"].pop("root_id") for message in messages] == ids
    assert [message["properties"].pop("correlation_id") for message in messages] == ids
    assert len({message["properties"].pop("delivery_tag") for message in messages}) == 50
    assert len(set(ids)) == 50
    for message in messages:
        del message["headers"][HEADER]
    assert messages == [messages[0]] * 50


def test_percent_signs_survive() -> None:
    """A text of ours that looks like a format stays as it is."""
    plan = plan_of("io.sleep", contender="50%d-%s%%")

    assert rendered(plan)[0]["headers"][HEADER]["contender"] == "50%d-%s%%"


@given(count=st.integers(min_value=0, max_value=200))
def test_task_ids_are_version_4_uuids(count: int) -> None:
    """The ids are what Celery would have made, only cheaper."""
    ids = [task_id.decode() for task_id in task_ids(count)]

    assert len(set(ids)) == count
    assert [str(uuid.UUID(task_id)) for task_id in ids] == ids
    assert {uuid.UUID(task_id).version for task_id in ids} <= {4}
    assert {uuid.UUID(task_id).variant for task_id in ids} <= {uuid.RFC_4122}
