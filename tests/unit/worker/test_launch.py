"""What a worker is started with: its command line, its environment, and what is refused."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from poolbench.errors import UsageError
from poolbench.pools import POOLS, Pool, available_pools
from poolbench.settings import load_settings
from worker.launch import UNSET, Launch, plan_launch


def launch(environ: dict[str, str] | None = None, *, pool: str = "prefork", **asked: Any) -> Launch:
    """Return the launch for what is asked, else for prefork."""
    settings = load_settings(environ or {}, dotenv=None)
    return plan_launch(settings, pool=POOLS[pool], **asked)


def value_after(command: list[str], option: str) -> str:
    """Return the word that follows an option."""
    return command[command.index(option) + 1]


@pytest.mark.parametrize("pool", available_pools(), ids=lambda pool: pool.name)
def test_a_pool_is_launched_as_celery_takes_it(pool: Pool) -> None:
    """As two words, before anything else is imported; name and slots are the settings'."""
    found = launch(pool=pool.name)
    command = found.command()

    assert command[:3] == [sys.executable, "-m", "celery"]
    assert value_after(command, "-P") == pool.celery_value
    assert found.settings.contender == pool.name
    assert found.slots == load_settings({}, dotenv=None).slots[pool.name]


def test_the_queue_is_the_contenders() -> None:
    """Producer and worker find each other by its name, scope included; the probe is brought in."""
    command = launch({"POOLBENCH_SCOPE": "r1"}, contender="mine").command()

    assert value_after(command, "-Q") == "poolbench.r1.mine"
    assert value_after(command, "-n") == "mine.r1@%h"
    assert value_after(command, "-I") == "poolbench.probe"


@pytest.mark.parametrize(("has_events", "flag"), [(True, "-E"), (False, "--without-heartbeat")])
def test_a_heartbeat_comes_with_events_alone(has_events: bool, flag: str) -> None:  # noqa: FBT001 -- pytest's
    """Without somebody to see them neither is sent."""
    command = launch(has_events=has_events).command()

    assert {"-E", "--without-heartbeat"} & set(command) == {flag}
    assert {"--without-mingle", "--without-gossip"} <= set(command)


def test_a_worker_of_several_has_a_name_and_queues_of_its_own() -> None:
    """Both begin with the contender's; more arguments for Celery come last."""
    command = launch(
        {"POOLBENCH_SCOPE": "r1"},
        contender="two",
        queues=["cpu", "io"],
        instance="web:2",
        has_gossip=True,
        has_heartbeat=True,
        arguments=["--autoscale", "8,1"],
    ).command()

    assert value_after(command, "-Q") == "poolbench.r1.two:cpu,poolbench.r1.two:io"
    assert value_after(command, "-n") == "two:web:2.r1@%h"
    assert [word for word in command if word.startswith("--")] == [
        "--without-mingle",
        "--autoscale",
    ]
    assert command[-2:] == ["--autoscale", "8,1"]


def test_slots_may_be_left_to_celery() -> None:
    """Without `-c` Celery decides, and with it only where an argument of the user's says so."""
    command = launch(slots=UNSET, arguments=["--concurrency", "auto"]).command()

    assert "-c" not in command
    assert command[-2:] == ["--concurrency", "auto"]
    assert value_after(launch(slots=3).command(), "-c") == "3"


@pytest.mark.parametrize(
    ("environ", "asked", "expected"),
    [
        ({"PREFETCH": "9", "ACKS_LATE": "1"}, {}, ["9", "1", "0"]),
        ({}, {"prefetch_multiplier": 1, "acks_late": True, "stores_results": True}, ["1"] * 3),
        (
            {"PREFETCH": "9", "ACKS_LATE": "1", "RESULTS": "1"},
            {"acks_late": False},
            ["9", "0", "1"],
        ),
    ],
)
def test_settings_travel_by_the_environment(
    environ: dict[str, str], asked: dict[str, Any], expected: list[str]
) -> None:
    """The app reads them there; an option goes before the setting, even to turn it off."""
    found = launch({f"POOLBENCH_{name}": value for name, value in environ.items()}, **asked)

    told = found.environment({})
    assert [told[f"POOLBENCH_{it}"] for it in ("PREFETCH", "ACKS_LATE", "RESULTS")] == expected


def test_a_contender_from_the_environment_is_taken() -> None:
    """A worker on another host is told its name so; an option goes before it."""
    environ = {"POOLBENCH_CONTENDER": "far-away"}

    assert launch(environ).settings.contender == "far-away"
    assert launch(environ, contender="near").settings.contender == "near"


def test_the_environment_names_the_contender() -> None:
    """The probe reads it there, and the checkout can be imported from any folder.

    A broker or an autoscale forgotten in a shell, which Celery would obey, is left behind, and the
    file of a recording, which would take the lines of its jobs from their run.
    """
    foreign = {"CELERY_BROKER_URL": "redis://else:1/0", "CELERY_WORKER_AUTOSCALE": "9"}
    foreign |= {"POOLBENCH_RECORD": "/a.pbrec"}
    outer = {"PYTHONPATH": "/elsewhere", "HOME": "/h", **foreign}

    environ = launch(contender="mine").environment(outer)

    assert environ["POOLBENCH_CONTENDER"] == "mine"
    assert environ["HOME"] == "/h"
    assert not foreign.keys() & environ.keys()
    checkout, elsewhere = environ["PYTHONPATH"].split(os.pathsep)
    assert os.path.isfile(os.path.join(checkout, "worker", "app.py"))  # noqa: PTH113, PTH118 -- text
    assert elsewhere == "/elsewhere"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"pool": "threads", "slots": 0}, "slots = 0 is invalid: pool threads takes 1 to 10000"),
        ({"slots": -3}, "slots = -3 is invalid"),
        ({"slots": POOLS["prefork"].max_slots + 1}, "each a child process"),
        ({"pool": "solo", "slots": 2}, "slots = 2 is invalid: pool solo always has 1"),
        ({"contender": "No Name"}, "contender = 'No Name' is invalid"),
        ({"queues": ["io", "No Queue"]}, "queue = 'No Queue' is invalid"),
        ({"instance": "web:#2"}, "instance = '#2' is invalid"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any], words: str) -> None:
    """Each with the value seen and what would be right."""
    with pytest.raises(UsageError) as caught:
        launch(**asked)

    assert words in str(caught.value)
    assert len(caught.value.faults) == 1
