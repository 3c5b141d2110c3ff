"""The template: Celery's own message, except for its placeholders."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from poolbench.jobs import HEADER, PAYLOAD, JobHeader
from poolbench.keys import NAME
from poolbench.records import TrialPlan
from producer.template import capture, task_ids
from tests.wire import plan_of

NAMES = st.from_regex(NAME, fullmatch=True)


def rendered(plan: TrialPlan, *, run: str = "r1", count: int = 3) -> list[dict[str, Any]]:
    """Messages of a trial, decoded."""
    template = capture(plan, run=run, queue="poolbench.gevent")
    return [
        json.loads(message)
        for message in template.render([10 + n for n in range(count)], first_seq=5, sent_ns=99)
    ]


def test_a_plan_may_ask_for_a_payload_and_for_the_result() -> None:
    """The payload stands beside the parameters; the message's word goes before Celery's setting."""
    plan = replace(plan_of("io.sleep"), payload_bytes=5_000, stores_result=True)

    message = rendered(plan)[0]

    _, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert kwargs == {**plan.parameters, PAYLOAD: "x" * 5_000}
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
