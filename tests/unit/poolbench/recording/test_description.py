"""What the description of a worker and its tasks may contain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery

from poolbench.recording import description
from poolbench.recording.description import task_lines, worker_line
from poolbench.records import LINE_MAX_BYTES


@pytest.fixture
def app() -> Iterator[Any]:
    """An app that nothing connects."""
    with Celery("described", broker="memory://", set_as_current=False) as made:
        yield made


def _job() -> None:
    """Do nothing."""


def _options(app: Any) -> dict[str, Any]:
    """Return the options of its task; modules of other tests give every app tasks of theirs."""
    lines = [json.loads(line) for line in task_lines(app)]
    (options,) = [line["options"] for line in lines if line["task"] == "one"]
    return dict(options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"rate_limit": "10/m", "acks_late": True}, {"rate_limit": "10/m", "acks_late": True}),
        ({"max_retries": None, "time_limit": 5}, {"max_retries": None, "time_limit": 5}),
        (
            {"autoretry_for": (OSError,), "retry_backoff": 2},
            {"autoretry": True, "retry_backoff": 2},
        ),
        (
            {"track_started": True, "serializer": "yaml"},
            {"track_started": True, "serializer": "yaml"},
        ),
        ({"rate_limit": "secret", "note": "secret", "serializer": "secret"}, {}),
    ],
)
def test_a_task_has_the_options_that_differ_from_defaults(
    app: Any, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Unlimited retries are one; text that is no known word is none."""
    app.task(_job, name="one", shared=False, **options)
    assert _options(app) == expected


def test_settings_of_the_app_hold_for_its_tasks(app: Any) -> None:
    """The options are those in effect."""
    app.conf.task_acks_late = True
    app.task(_job, name="one", shared=False)
    assert _options(app) == {"acks_late": True}


def test_only_numbers_booleans_and_known_words_are_described(app: Any) -> None:
    """Addresses, text, digits in text and settings of the app's own are left out."""
    known = {"worker_max_tasks_per_child": 9, "task_acks_late": True, "task_serializer": "pickle"}
    secret = {
        "broker_url": "redis://:secret@host/0",
        "broker_port": 6379,
        "task_default_queue": "123456",
        "worker_log_format": "secret",
        "own_number": 5,
        "result_backend_transport_options": {"password": "secret"},
    }
    app.conf.update(
        **known,
        **secret,
        result_expires=timedelta(hours=1),
        task_default_rate_limit="5/s",
        broker_transport_options={"visibility_timeout": 600, "global_keyprefix": "secret"},
    )
    assert description._settings(app.conf) == {
        **known,
        "result_expires": 3_600.0,
        "task_default_rate_limit": "5/s",
        "broker_transport_options": {"visibility_timeout": 600},
    }


@pytest.mark.parametrize("queues", [2, 500])
def test_a_worker_with_many_queues_has_a_line(queues: int) -> None:
    """It is described without them, since a longer line could be torn."""
    names = [f"queue-{number}" for number in range(queues)]
    kept = {"concurrency": 4}
    options = {"queues": names, **kept}
    line = worker_line({"worker": "w@h", "queues": names, "settings": {"a": 1}, "options": options})
    found = json.loads(line)
    assert len(line) < LINE_MAX_BYTES
    assert found["queues"] == (names if queues == 2 else [])
    assert (found["settings"], found["options"]) == ({"a": 1}, options if queues == 2 else kept)
    assert json.loads(line)["settings"] == {"a": 1}


def test_a_driver_that_is_made_to_yield_is_not_described(monkeypatch: pytest.MonkeyPatch) -> None:
    """With psycogreen, psycopg2 doesn't block gevent's loop."""
    installed = {"gevent": "26.9", "psycopg2-binary": "2.9"}
    monkeypatch.setattr(description, "package_version", installed.get)
    assert description._packages() == {"gevent": "26.9", "psycopg2": "2.9"}

    installed["psycogreen"] = "1.0"
    assert description._packages() == {"gevent": "26.9"}
