"""The captured messages of a user's tasks, and the trials that send them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collector.run_manifest import AppCall, Contender, Part, WorkerGroup
from lab.app.python import TaskCall
from lab.trial import app_messages
from lab.trial.app_messages import TaskMessages, capture_messages, path_of
from lab.trial.plan import options_of, routed
from poolbench.job_options import JobOptions
from tests.unit.lab.experiment.test_app import DESCRIBED, experiment
from tests.unit.lab.trial.test_plan import draw, part_of

PART = Part(name="a", kind="shop.mail", parameters={}, share=1.0, call=AppCall(args=(1,)))

MESSAGES = (
    TaskMessages(task="shop.mail", call=AppCall(args=(2,)), options=JobOptions(), path="two"),
    TaskMessages(task="shop.mail", call=AppCall(args=(1,)), options=JobOptions(), path="one"),
)

GROUPS = tuple(
    WorkerGroup(name=name, pool="solo", slots=1, queues=(name,)) for name in ("default", "mail")
)
GROUPED = Contender(name="two", pool="solo", slots=2, groups=GROUPS)


def test_each_call_is_captured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the options that the file gives; all others are the app's own."""
    asked: list[TaskCall] = []

    def capture(_: object, calls: list[TaskCall], **__: Any) -> tuple[Path, ...]:
        asked.extend(calls)
        return tuple(Path(str(number)) for number in range(len(calls)))

    # patched, since the app's Python is tested elsewhere
    monkeypatch.setattr(app_messages, "capture", capture)
    planned = experiment(tmp_path)
    twice = replace(planned, workloads=(*planned.workloads, *planned.workloads))

    found = capture_messages(twice, folder=tmp_path)

    assert [(one.task, one.path) for one in found] == [("shop.mail", "0"), ("shop.thumb", "1")]
    assert [dict(one.options) for one in asked] == [{"queue": "mail", "priority": 3}, {}]


def test_a_trial_sends_the_messages_of_its_tasks() -> None:
    """By their arguments; queues are named as the app names them."""
    part = part_of("a", 1.0, call=AppCall(args=(1,)))

    mix = draw(replace(part, kind="shop.mail"), described=DESCRIBED, messages=MESSAGES)

    (sent,) = mix.parts
    assert getattr(sent, "messages", "") == "one"
    assert mix.has_plain_queues
    assert path_of(replace(PART, call=None), among=MESSAGES) == ""


def test_a_plan_names_the_queue_that_the_app_routes_to() -> None:
    """Where groups consume different ones; the messages stay those without one."""
    options = options_of(PART, contender=GROUPED, described=DESCRIBED)

    assert options.queue == "mail"
    assert path_of(replace(PART, options=options), among=MESSAGES) == "one"
    alone = Contender(name="one", pool="solo", slots=1, queues=("default", "mail"))
    assert options_of(PART, contender=alone, described=DESCRIBED) == JobOptions()


def test_there_is_no_default_queue_beside_an_app() -> None:
    """A job that isn't the app's own goes to a queue that is consumed."""
    assert routed(JobOptions(queue="other"), contender=GROUPED).queue == "default"
