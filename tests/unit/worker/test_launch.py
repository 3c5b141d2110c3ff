"""What a worker is started with: its command line, its environment, and what is refused."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from poolbench.errors import UsageError
from poolbench.pools import POOLS, Pool, available_pools
from poolbench.settings import load_settings
from worker.launch import Launch, plan_launch

every_pool = pytest.mark.parametrize("pool", available_pools(), ids=lambda pool: pool.name)


def launch(environ: dict[str, str] | None = None, *, pool: str = "prefork", **asked: Any) -> Launch:
    """Return the launch for what is asked, else for prefork."""
    settings = load_settings(environ or {}, dotenv=None)
    return plan_launch(settings, pool=POOLS[pool], **asked)


def value_after(command: list[str], option: str) -> str:
    """Return the word that follows an option."""
    return command[command.index(option) + 1]


@every_pool
def test_the_pool_stands_in_the_command_line(pool: Pool) -> None:
    """As two words, where Celery looks before anything else is imported."""
    command = launch(pool=pool.name).command()

    assert command[:3] == [sys.executable, "-m", "celery"]
    assert value_after(command, "-P") == pool.celery_value


@every_pool
def test_defaults_are_the_settings(pool: Pool) -> None:
    """The contender is named as its pool, and has the slots of the stack's worker."""
    found = launch(pool=pool.name)

    assert found.settings.contender == pool.name
    assert found.slots == load_settings({}, dotenv=None).slots[pool.name]


def test_the_queue_is_the_contenders() -> None:
    """Producer and worker find each other by the queue's name, scope included."""
    command = launch({"POOLBENCH_SCOPE": "r1"}, contender="mine").command()

    assert value_after(command, "-Q") == "poolbench.r1.mine"
    assert value_after(command, "-n") == "mine.r1@%h"


def test_the_probe_is_brought_in() -> None:
    """No job without a record."""
    assert value_after(launch().command(), "-I") == "poolbench.probe"


@pytest.mark.parametrize(("has_events", "flag"), [(True, "-E"), (False, "--without-heartbeat")])
def test_a_heartbeat_comes_with_events_alone(has_events: bool, flag: str) -> None:  # noqa: FBT001 -- pytest's
    """Without somebody to see them neither is sent."""
    command = launch(has_events=has_events).command()

    assert {"-E", "--without-heartbeat"} & set(command) == {flag}
    assert {"--without-mingle", "--without-gossip"} <= set(command)


def test_settings_travel_by_the_environment() -> None:
    """The app reads them where it reads all else; what isn't asked for is the setting's word."""
    asked = launch(prefetch_multiplier=1, acks_late=True, stores_results=True).environment({})
    silent = launch({"POOLBENCH_PREFETCH": "9", "POOLBENCH_ACKS_LATE": "1"}).environment({})
    names = ("POOLBENCH_PREFETCH", "POOLBENCH_ACKS_LATE", "POOLBENCH_RESULTS")

    assert [asked[name] for name in names] == ["1", "1", "1"]
    assert [silent[name] for name in names] == ["9", "1", "0"]


def test_an_option_goes_before_the_setting() -> None:
    """Be it to turn something off that the environment turns on."""
    found = launch({"POOLBENCH_ACKS_LATE": "1", "POOLBENCH_RESULTS": "1"}, acks_late=False)

    assert (found.settings.acks_late, found.settings.stores_results) == (False, True)


def test_a_contender_from_the_environment_is_taken() -> None:
    """A worker on another host is told its name so; an option goes before it."""
    environ = {"POOLBENCH_CONTENDER": "far-away"}

    assert launch(environ).settings.contender == "far-away"
    assert launch(environ, contender="near").settings.contender == "near"


def test_the_environment_names_the_contender() -> None:
    """The probe reads it there, and the checkout can be imported from any folder."""
    environ = launch(contender="mine").environment({"PYTHONPATH": "/elsewhere", "HOME": "/h"})

    assert environ["POOLBENCH_CONTENDER"] == "mine"
    assert environ["HOME"] == "/h"
    checkout, elsewhere = environ["PYTHONPATH"].split(os.pathsep)
    assert os.path.isfile(os.path.join(checkout, "worker", "app.py"))  # noqa: PTH113, PTH118 -- text
    assert elsewhere == "/elsewhere"


def test_what_celery_would_obey_is_left_behind() -> None:
    """A broker or an autoscale forgotten in a shell would go before our settings."""
    foreign = {"CELERY_BROKER_URL": "redis://else:1/0", "CELERY_WORKER_AUTOSCALE": "9"}

    assert not foreign.keys() & launch().environment(foreign).keys()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"pool": "threads", "slots": 0}, "slots = 0 is invalid: pool threads takes 1 to 10000"),
        ({"slots": -3}, "slots = -3 is invalid"),
        ({"slots": POOLS["prefork"].max_slots + 1}, "each a child process"),
        ({"pool": "solo", "slots": 2}, "slots = 2 is invalid: pool solo always has 1"),
        ({"contender": "No Name"}, "contender = 'No Name' is invalid"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any], words: str) -> None:
    """Each with the value seen and what would be right."""
    with pytest.raises(UsageError) as caught:
        launch(**asked)

    assert words in str(caught.value)
    assert len(caught.value.faults) == 1
