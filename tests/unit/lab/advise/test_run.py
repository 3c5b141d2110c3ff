"""The whole advice, where nothing has to be measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collector.recording import Recording, read_recording
from lab.advise.candidates import rank
from lab.advise.decision import Outcome
from lab.advise.model import Demand, Limits
from lab.advise.run import advise
from lab.experiment.model import Experiment
from report.result import Summary
from tests.demands import HARD_LIMIT, demand
from tests.recordings import jobs_of, poisson, write_recording


def not_called(_: Experiment) -> tuple[Summary, Path]:
    """Fail: nothing may be measured."""
    pytest.fail("nothing had to be measured")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Return a recording, which none of these tests reads."""
    jobs = jobs_of("shop.fetch", poisson(per_s=9, duration_s=10), {"io_wait": 0.05})
    return read_recording(write_recording(tmp_path_factory.mktemp("run") / "shop.pbrec", jobs))


def found(asked: Demand, *, recording: Recording, limits: Limits | None = None) -> Any:
    """Return the advice."""
    return advise(
        asked,
        recording=recording,
        paths=[Path("shop.pbrec")],
        limits=limits or Limits(),
        slo={},
        budget_s=300,
        seed=1,
        measure=not_called,
    )


def test_thin_evidence_carries_no_advice_and_is_not_measured(recording: Recording) -> None:
    """The gap is part of the advice, and so are the rules."""
    advice = found(demand(gaps=("Only 3 executions ended.",)), recording=recording)

    assert advice.decision.outcome is Outcome.ABSTAIN
    assert advice.demand.gaps == ("Only 3 executions ended.",)
    assert not advice.measured
    assert not advice.is_advice


def test_without_another_setting_the_advice_is_to_stay(recording: Recording) -> None:
    """No other pool can run the app, and today's has the best number of slots."""
    lost = dict.fromkeys(("threads", "gevent", "solo"), "ignored")
    asked = demand(features=(replace(HARD_LIMIT, lost_in=lost),))
    (best,) = rank(asked, limits=Limits())

    advice = found(replace(asked, today=best), recording=recording)

    assert advice.decision.outcome is Outcome.STAY
    assert advice.decision.reasons == ("The rules leave no other setting to try.",)


def test_limits_that_nothing_keeps_are_not_met(recording: Recording) -> None:
    """16 MiB hold no worker, today's neither."""
    advice = found(demand(), recording=recording, limits=Limits(memory_bytes=16 << 20))

    assert advice.decision.outcome is Outcome.NONE
    assert {"prefork", "threads", "gevent"} <= advice.excluded.keys()


def test_a_recording_without_ended_executions_is_thin(recording: Recording) -> None:
    """There is no mean execution, so no rule applies."""
    advice = found(demand(tasks=(), gaps=("No execution ended.",)), recording=recording)

    assert advice.decision.outcome is Outcome.ABSTAIN
    assert advice.rules == ()
