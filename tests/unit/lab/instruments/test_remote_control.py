"""Settings in effect against those that the experiment asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest.mock import MagicMock

import pytest
from kombu.exceptions import OperationalError

from collector.reasons import Code, Severity
from collector.run_manifest import Contender, WorkerGroup
from lab.instruments import remote_control
from lab.instruments.remote_control import (
    UNKNOWN,
    WorkerSettings,
    in_effect,
    limit_rates,
    read_settings,
    unmet,
)
from poolbench.errors import StackError

#: Every worker has it, unless results are on.
OWN = {"task_ignore_result": True}


def seen(
    settings: Mapping[str, object] | None, *, asked: Mapping[str, Any], group: str = ""
) -> WorkerSettings:
    """Return what one worker of a contender answered."""
    workers = WorkerGroup(name=group, pool="solo", slots=1, celery=asked)
    return WorkerSettings(contender="one", group=workers, settings=settings)


@pytest.mark.parametrize(
    ("asked", "effective"),
    [
        ({"worker_eta_task_limit": 500}, {"worker_eta_task_limit": 500, "timezone": "UTC"}),
        ({"task_time_limit": 3}, {"task_time_limit": 3.0}),
        (
            {"broker_transport_options": {"visibility_timeout": 5}},
            {"broker_transport_options": {"visibility_timeout": 5, "unacked_key": "********"}},
        ),
        ({"result_backend_transport_options": {"a_key": 1}},
         {"result_backend_transport_options": {"a_key": "********"}}),
    ],
)  # fmt: skip
def test_a_setting_in_effect_is_no_reason(asked: dict[str, Any], effective: dict[str, Any]) -> None:
    """Poolbench's own keys beside it don't matter, and what Celery censors can't be compared."""
    assert unmet([seen(OWN | effective, asked=asked)]) == {}


def test_a_difference_makes_a_row_invalid() -> None:
    """With the setting and both values; a worker of several that differs is enough."""
    asked: dict[str, Any] = {"broker_transport_options": {"visibility_timeout": 5}}
    other: dict[str, Any] = {"broker_transport_options": {"visibility_timeout": 7_200}}

    found = unmet([seen(OWN | asked, asked=asked), seen(OWN | other, asked=asked)])

    (reason,) = found["one"]
    assert (reason.code, reason.severity) == (Code.SETTING_DIFFERS, Severity.INVALID)
    assert reason.text == (
        "Celery's broker_transport_options.visibility_timeout was 7200 in the worker, not 5"
    )


def test_no_answer_is_a_difference_where_something_was_asked() -> None:
    """Not where nothing was, nor from a worker that the experiment made silent."""
    silent = {"worker_enable_remote_control": False}

    (first, *_) = unmet([seen(None, asked={"task_time_limit": 3})])["one"]

    assert UNKNOWN in first.text
    assert unmet([seen(None, asked={}), seen(None, asked=silent)]) == {}


def test_each_group_s_settings_are_known_by_its_name() -> None:
    """The first worker that answered speaks for its group."""
    answers = [seen(None, asked={}, group="web"), seen({"a": 1}, asked={}, group="web")]

    assert in_effect([*answers, seen({"a": 2}, asked={})]) == {"one/web": {"a": 1}, "one": {"a": 2}}


def test_a_broker_that_is_lost_ends_the_run_like_any_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The results so far are kept: kombu's error is none that a run expects."""
    # patched, since kombu takes six seconds to find that no broker answers
    app = MagicMock()
    app.control.rate_limit.side_effect = OperationalError("gone")
    app.control.inspect.side_effect = OperationalError("gone")
    app.connection_for_write.return_value.__exit__.return_value = False
    monkeypatch.setattr(remote_control, "Celery", MagicMock(return_value=app))
    one = Contender(name="one", pool="solo", slots=1)

    with pytest.raises(StackError, match="the broker was lost: gone"):
        limit_rates("redis://", nodes=["one@here"], limits={"io.sleep": "6/m"})
    with pytest.raises(StackError, match="the broker was lost: gone"):
        read_settings("redis://", scope="run.0", contenders=[one])
