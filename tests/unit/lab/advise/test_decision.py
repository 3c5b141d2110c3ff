"""Change, stay, or abstain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lab.advise.decision import Decision, Outcome, agree, decide
from lab.advise.model import Limits
from report.statistics.ratios import Ratio
from tests.demands import TODAY, about, candidate, expected

NO_LIMITS = Limits()


def decided(*others: float, **more: Any) -> Decision:
    """Return the decision on today's setting and candidates of other throughputs."""
    names = ("threads", "gevent", "asyncio")
    found = [candidate(pool, times=times) for pool, times in zip(names, others, strict=False)]
    return decide(expected(**more), others=found, limits=NO_LIMITS)


def test_a_better_candidate_is_advised() -> None:
    """The one with the highest throughput at the limit."""
    decision = decided(2.0, 3.0)

    assert decision.outcome is Outcome.CHANGE
    assert decision.advised
    assert decision.advised.setting.pool == "gevent"


def test_an_interval_that_includes_today_is_no_reason_to_change() -> None:
    """1.2 × within 0.9 to 1.5 may be nothing; the reason has the numbers."""
    wide = replace(candidate(times=1.2), ratio=Ratio(value=1.2, low=0.9, high=1.5, blocks=5))

    decision = decide(expected(), others=[wide], limits=NO_LIMITS)

    assert decision.outcome is Outcome.STAY
    assert "0.90–1.50 ×" in decision.reasons[0]


def test_a_little_more_is_no_reason_to_change() -> None:
    """Proved to be 2 % to 6 % more: nobody changes a worker for that."""
    little = replace(candidate(times=1.04), ratio=Ratio(value=1.04, low=1.02, high=1.06, blocks=9))

    assert decide(expected(), others=[little], limits=NO_LIMITS).outcome is Outcome.STAY


def test_a_setting_that_misses_the_slo_is_not_advised() -> None:
    """Whatever its throughput."""
    fast = replace(candidate(times=9.0), is_met=False)

    assert decide(expected(), others=[fast], limits=NO_LIMITS).outcome is Outcome.STAY


def test_a_slower_setting_is_advised_if_today_misses_the_slo() -> None:
    """The SLO comes first."""
    decision = decide(expected(is_met=False), others=[candidate(times=0.8)], limits=NO_LIMITS)

    assert decision.outcome is Outcome.CHANGE
    assert decision.reasons == ("Today's setting missed the SLO at the recorded pace.",)


def test_a_setting_above_the_memory_limit_is_not_advised() -> None:
    """Its memory is what was recorded, for its processes."""
    large = candidate(times=2.0, memory_bytes=about(2e9))
    limits = Limits(memory_bytes=1_000_000_000)

    assert decide(expected(), others=[large], limits=limits).outcome is Outcome.STAY


def test_if_none_meets_the_slo_the_nearest_is_named() -> None:
    """The one with the shortest wait."""
    near = candidate("gevent", is_met=False, wait_s=about(3.0))
    far = expected(is_met=False, wait_s=about(9.0))

    decision = decide(far, others=[near], limits=NO_LIMITS)

    assert (decision.outcome, decision.advised) == (Outcome.NONE, near)


def test_of_equals_the_one_that_loses_least_is_advised() -> None:
    """Within 5 %: first what the app relies on, then memory."""
    lossy = candidate("gevent", times=2.04, lost=("hard time limit",), memory_bytes=about(1e8))
    whole = candidate("threads", times=2.0, memory_bytes=about(3e8))

    decision = decide(expected(), others=[lossy, whole], limits=NO_LIMITS)

    assert decision.advised is whole


def test_without_a_valid_baseline_there_is_no_advice() -> None:
    """An invalid measurement of today's setting carries nothing; its fault is the reason."""
    decision = decided(2.0, faults=("12 jobs lost",))

    assert decision.outcome is Outcome.ABSTAIN
    assert "12 jobs lost" in decision.reasons[0]


def test_an_invalid_candidate_is_left_out() -> None:
    """Others still count; alone it leaves nothing to compare."""
    bad = replace(candidate(times=9.0), faults=("12 jobs lost",))

    assert decide(expected(), others=[bad], limits=NO_LIMITS).outcome is Outcome.ABSTAIN
    both = decide(expected(), others=[bad, candidate("gevent")], limits=NO_LIMITS)
    assert both.advised
    assert both.advised.setting.pool == "gevent"


def test_both_assumptions_about_the_gil_have_to_lead_to_the_same_advice() -> None:
    """Otherwise the reason names both, and what to record."""
    held, released = decided(1.0, 3.0), decided(3.0, 1.0)

    assert agree(held, released=held, today=TODAY).advised == held.advised
    split = agree(held, released=released, today=TODAY)
    assert split.outcome is Outcome.ABSTAIN
    assert "gevent-12 is best" in split.reasons[0]
    assert "threads-12 is best" in split.reasons[0]
    assert "--gil-probe" in split.reasons[0]


def test_a_setting_that_is_among_the_best_under_both_is_advised() -> None:
    """Threads do as much as gevent if the GIL is held, and more if it is released."""
    held, released = decided(2.97, 3.0), decided(3.0, 1.0)

    found = agree(held, released=released, today=TODAY)

    assert found.outcome is Outcome.CHANGE
    assert found.advised
    assert found.advised.setting.pool == "threads"


def test_a_change_that_costs_nothing_under_the_other_assumption_is_advised() -> None:
    """The reverse, a change that loses, is not."""
    same, more, less = decided(1.02), decided(2.0), decided(0.5)

    change = agree(same, released=more, today=TODAY)
    assert (change.outcome, change.advised) == (Outcome.CHANGE, more.advised)
    assert "as much under the other" in change.reasons[0]
    assert agree(less, released=more, today=TODAY).outcome is Outcome.ABSTAIN


def test_if_none_meets_the_slo_under_both_that_is_the_result() -> None:
    """Under one of them, the reason names it."""
    none = decide(expected(is_met=False), others=[candidate(is_met=False)], limits=NO_LIMITS)

    assert agree(none, released=none, today=TODAY) is none
    split = agree(none, released=decided(2.0), today=TODAY)
    assert "If the computing holds the GIL, no setting meets the SLO" in split.reasons[0]


def test_nothing_measured_under_one_assumption_is_no_advice() -> None:
    """Its fault is the reason."""
    nothing = decided(2.0, faults=("12 jobs lost",))

    assert agree(decided(2.0), released=nothing, today=TODAY) is nothing
