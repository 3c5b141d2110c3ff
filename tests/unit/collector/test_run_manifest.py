"""The manifest: what is read is what was written, of this format and of the one before."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Celery

from collector.reasons import Code, Severity
from collector.run_manifest import (
    Disturbance,
    JobCost,
    PlannedPart,
    RedisUse,
    WorkerGroup,
    read_manifest,
)
from poolbench.errors import StorageError

_COSTS = {"cpu_s_per_job_before": 0.2, "cpu_s_per_job_after": 0.3}

_TRIAL = {
    "contender": "threads.slots-8",
    "pool": "threads",
    "slots": 8,
    "kind": "mix",
    "workload": "mix",
    "block": 2,
}

#: A manifest as version 1 had it, cut to what this one reads.
FLAT: dict[str, Any] = {
    "format": 1,
    "run": "r1",
    "state": "finished",
    "experiment": {"file": "e.toml", "sha256": "", "title": "Which?"},
    "contenders": [
        {
            "name": "threads.slots-8",
            "pool": "threads",
            "slots": 8,
            "settings": {"events": True, "redis_delay_ms": 2.5, "payload_bytes": 10},
            "sweep": {"of": "threads", "setting": "slots", "value": 8},
        }
    ],
    "workloads": [{"name": "mix", "kind": "mix", "parameters": {}}],
    "machine": {"cores": 1.5, "os": "Linux", "python": "CPython 3.13.1"},
    "trials": [
        {
            **_TRIAL,
            "trial": 0,
            "parameters": {},
            "arrivals": "poisson",
            "rate_per_s": 20.0,
            "count": 40,
            "is_pilot": False,
            "start_ns": 10,
            "end_ns": 20,
            "sent": 40,
            **_COSTS,
            "parts": [
                {
                    "name": "long",
                    "kind": "cpu.primes",
                    "parameters": {"units": 7},
                    "share": 1.0,
                    "ideal_wait_s": None,
                    **_COSTS,
                }
            ],
            "foreign_cpu_share": None,
            "stolen_cpu_share": None,
            "clock_step_s": 0.5,
            "redis_commands": 9,
            "redis_bytes": 90,
            "redis_connections": 3,
            "reasons": ["no line for 10 s"],
        },
        {
            **_TRIAL,
            "trial": 1,
            "is_pilot": True,
            "start_ns": 0,
            "end_ns": 0,
            "clock_step_s": None,
            "redis_commands": None,
        },
    ],
}


def test_the_previous_format_is_read_with_plan_and_result_apart() -> None:
    """Every fact of a trial is where it belongs; what was not measured then is None."""
    watched, interrupted = read_manifest(FLAT, where="manifest.json").trials
    plan, result = watched.plan, watched.result

    assert (plan.rate_per_s, plan.count, plan.block) == (20.0, 40, 2)
    assert plan.parts == (
        PlannedPart(name="long", kind="cpu.primes", parameters={"units": 7}, share=1.0),
    )
    assert (result.start_ns, result.end_ns, result.sent) == (10, 20, 40)
    assert result.cost_before == JobCost(cpu_s=0.2, parts={"long": 0.2})
    assert result.cost_after == JobCost(cpu_s=0.3, parts={"long": 0.3})
    assert result.disturbance == Disturbance(
        foreign_cpu_share=None, stolen_cpu_share=None, clock_step_s=0.5
    )
    assert result.redis == RedisUse(commands=9, net_bytes=90, connections=3)
    assert [(one.code, one.severity, one.text) for one in result.reasons] == [
        (Code.RECORDED, Severity.INVALID, "no line for 10 s")
    ]
    unseen = interrupted.result
    assert (unseen.start_ns, unseen.end_ns, unseen.disturbance, unseen.redis) == (None,) * 4


def test_numbers_keep_their_type() -> None:
    """A switch is no number, a count no fraction, half a core no core."""
    manifest = read_manifest(FLAT, where="manifest.json")
    (contender,) = manifest.contenders

    assert json.dumps(contender.settings) == json.dumps(FLAT["contenders"][0]["settings"])
    assert contender.sweep is not None
    assert (contender.sweep.name, manifest.machine.cores) == ("threads.slots-8", 1.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"machine": {"os": "Linux", "python": "3"}}, "m.json: machine.cores is missing. Restore"),
        ({"state": "odd"}, "m.json: state = 'odd' is invalid. Restore"),
        ({"trials": [{"trial": 0}]}, "m.json: trials.0.plan.contender is missing. Restore"),
    ],
)
def test_a_field_that_is_missing_or_wrong_is_named(change: dict[str, Any], message: str) -> None:
    """In one line, with the file."""
    with pytest.raises(StorageError) as caught:
        read_manifest(FLAT | change, where="m.json")

    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "celery",
    [
        {},
        {"task_default_rate_limit": "6/m"},
        {"task_annotations": {"job": {"rate_limit": "5/s"}, "*": {"priority": 3}}},
        {"task_annotations": {"job": {"rate_limit": "5/s"}, "*": {"rate_limit": "7/s"}}},
        {"task_annotations": {"job": {"rate_limit": None}}, "task_default_rate_limit": 2},
        {"task_annotations": [{"other": {"rate_limit": "1/s"}}, {"job": {"rate_limit": 0.5}}]},
    ],
)
def test_a_group_has_the_rate_limits_that_celery_sets(celery: dict[str, Any]) -> None:
    """By default, by annotation, and by that of all kinds, which Celery applies last."""
    app = Celery(set_as_current=False)
    app.conf.update(celery)
    job = app.task(name="job", shared=False)(_work)

    group = WorkerGroup(pool="solo", slots=1, celery=celery)

    assert group.rate_limit("job") == job.rate_limit


def _work() -> None:
    """Do nothing."""
