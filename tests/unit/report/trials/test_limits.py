"""What limits did, over the trials of a row."""

from __future__ import annotations

from collector.run_manifest import Contender, LimitUse
from report.trials.limits import LimitedTrial, RowLimits, row_limits

HALF = Contender(name="half", pool="threads", slots=4, cpus=0.5, memory_bytes=100_000_000)


def trial(
    *, periods: int = 0, throttled: int = 0, stopped_s: float = 0.0, peak: int = 0, kills: int = 0
) -> LimitedTrial:
    """Return a trial of two seconds."""
    use = LimitUse(
        periods=periods,
        throttled_periods=throttled,
        throttled_s=stopped_s,
        memory_peak_bytes=peak,
        oom_kills=kills,
    )
    return LimitedTrial(use=use, duration_s=2.0)


def test_a_row_has_its_limits_and_their_effects() -> None:
    """Periods, times and kills add up, and the peak is the largest."""
    trials = [
        trial(periods=20, throttled=20, stopped_s=1.0, peak=80, kills=1),
        trial(periods=20, throttled=10, stopped_s=2.0, peak=90),
        trial(periods=10, throttled=10, stopped_s=6.0, peak=70),
    ]

    assert row_limits(HALF, trials=trials) == RowLimits(
        cpus=0.5,
        memory_bytes=100_000_000,
        throttled_share=0.8,
        throttled_cores=1.5,
        memory_peak_bytes=90,
        oom_kills=1,
    )


def test_a_row_without_a_trial_has_its_limits_alone() -> None:
    """Nothing is zero that was not measured."""
    assert row_limits(HALF, trials=[]) == RowLimits(cpus=0.5, memory_bytes=100_000_000)


def test_a_contender_without_limits_has_none() -> None:
    """Its row shows nothing of limits."""
    assert row_limits(Contender(name="free", pool="threads", slots=4), trials=[]) is None
