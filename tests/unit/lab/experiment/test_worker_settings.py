"""A contender's settings: what a worker is started with, and what a report compares."""

from __future__ import annotations

from lab.experiment.worker_settings import Tuning
from lab.trial.workers import options
from report.analyses.setting_effects import DEFAULTS
from worker.cli import _parser


def test_what_is_not_said_is_what_a_report_assumes() -> None:
    """Their names are those that a report compares, with the same defaults."""
    assert Tuning().model_dump() == DEFAULTS


def test_a_worker_is_told_by_options_that_it_has() -> None:
    """The lab never imports the worker, so its command line is tried here.

    Prefetch and acknowledgement are left to the environment where they are not said.
    """
    tuning = Tuning(prefetch_multiplier=2, acks_late=False, events=True, result_backend=True)

    found = _parser().parse_args(["--pool", "solo", *options(tuning)])

    assert (found.prefetch_multiplier, found.acks_late) == (2, False)
    assert (found.has_events, found.stores_results) == (True, True)
    assert options(Tuning()) == ["--no-events", "--no-results"]
