"""A contender's settings: what may be said, and what is said of every fault."""

from __future__ import annotations

from typing import Any

import pytest

from lab.experiment.worker_settings import SETTINGS, Tuning, setting_faults
from lab.trial.workers import options
from report.analyses.setting_effects import DEFAULTS
from worker.cli import _parser


def told(settings: dict[str, Any]) -> list[str]:
    """Return the faults of settings, as a person reads them."""
    return [str(fault) for _, fault in setting_faults(settings)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"prefetch_multiplyer": 1}, "did you mean prefetch_multiplier?"),
        ({"slots": 4}, "write it beside pool, not in settings"),
        ({"acks_late": 1}, "acks_late: 1; it takes true or false"),
        ({"prefetch_multiplier": True}, "it takes a whole number"),
        ({"prefetch_multiplier": 0}, "prefetch_multiplier: 0; it takes 1 to 1000"),
        ({"payload_bytes": 1.5}, "payload_bytes: 1.5; it takes a whole number"),
        ({"payload_bytes": 10**400}, "it takes 0 to 100000"),
        ({"redis_delay_ms": -0.1}, "redis_delay_ms: -0.1; it takes 0 to 1000"),
        ({"redis_delay_ms": float("nan")}, "redis_delay_ms: nan"),
        ({"flower": True}, "Flower without events; Flower sees what events tell"),
        ({"flower": True, "events": False}, "add events = true"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], words: str) -> None:
    """Each with what was seen and what would be right."""
    (fault,) = told(settings)

    assert words in fault


def test_all_faults_are_said_at_once() -> None:
    """Somebody who made three mistakes reads of three mistakes."""
    assert len(told({"evnts": True, "acks_late": "yes", "payload_bytes": -1})) == 3


def test_every_setting_may_be_given() -> None:
    """Their names are the fields of what a worker is started by, and of what a report compares."""
    given: dict[str, Any] = {
        name: True if one.type is bool else one.type(one.high) for name, one in SETTINGS.items()
    }

    assert told(given) == []
    assert {name: getattr(Tuning.of(given), name) for name in SETTINGS} == given
    assert {name: getattr(Tuning(), name) for name in SETTINGS} == DEFAULTS


def test_a_worker_is_told_by_options_that_it_has() -> None:
    """The lab never imports the worker, so its command line is tried here."""
    tuning = Tuning(prefetch_multiplier=2, acks_late=False, events=True, result_backend=True)

    found = _parser().parse_args(["--pool", "solo", *options(tuning)])

    assert (found.prefetch_multiplier, found.acks_late) == (2, False)
    assert (found.has_events, found.stores_results) == (True, True)


def test_what_is_not_said_is_left_to_the_environment() -> None:
    """Prefetch and acknowledgement are what POOLBENCH_PREFETCH and _ACKS_LATE say."""
    assert options(Tuning()) == ["--no-events", "--no-results"]
