"""Which samples a trial has: whole ones only where they can't change what is measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.instruments.job_levels import JobLevels
from lab.instruments.process_sampler import Sample
from lab.trial.watch import Watch


class Reader:
    """Levels of a worker at rest."""

    def read(self) -> JobLevels:
        """Return them."""
        return JobLevels(queue_jobs=0, unacked_jobs=0, prefetch_count=16)

    def read_at_rest(self, **_: object) -> JobLevels:
        """Return them."""
        return self.read()


def _sample(*, trial: int, is_whole: bool = False) -> Sample:
    return Sample(
        trial=trial,
        contender="solo",
        t_ns=1,
        cpu_s=1.0,
        recorder_cpu_s=0.1,
        pss_bytes=7 if is_whole else None,
        rss_bytes=9,
        connections=3 if is_whole else None,
        processes=1,
    )


def watched(
    monkeypatch: pytest.MonkeyPatch, *, lasts_s: float, has_options: bool = False, **plan: Any
) -> list[Sample]:
    """Return the samples of a trial that is looked at ten times a second."""
    # patched, since neither time nor a worker is needed
    clock = SimpleNamespace(now_s=0.0)
    monkeypatch.setattr("lab.trial.watch.time.monotonic", lambda: clock.now_s)
    bench = SimpleNamespace(samples=[], level_reader=lambda _: Reader())
    worker = SimpleNamespace(
        sampler=SimpleNamespace(sample=_sample), group_samplers=(), contender=None, is_alive=True
    )
    known = {"trial": 0, "block": 0, "step": None, "is_pilot": False}
    of_trial = SimpleNamespace(**{**known, **plan})
    found = Watch(
        cast("Any", bench), cast("Any", worker), plan=cast("Any", of_trial), has_options=has_options
    )
    found.begin()
    for tenth in range(1, round(lasts_s * 10) + 1):
        clock.now_s = tenth / 10 + 0.01
        found.look()
    found.end()
    found.rest(end_ns=1)
    return cast("list[Sample]", bench.samples)


def whole(samples: list[Sample]) -> list[bool]:
    """Return which samples have PSS."""
    return [one.pss_bytes is not None for one in samples]


@pytest.mark.parametrize(
    "plan",
    [{"arrivals": "poisson"}, {"arrivals": "burst", "has_options": True}],
    ids=["rate", "countdowns"],
)
def test_levels_are_read_each_second(monkeypatch: pytest.MonkeyPatch, plan: Any) -> None:
    """And before and after the trial."""
    samples = watched(monkeypatch, lasts_s=3.0, **plan)

    counted = [one for one in samples if one.prefetch_count is not None]
    assert len(counted) == 5
    assert samples[0] is counted[0]
    assert samples[-1] is counted[-1]
    assert [one.is_after for one in samples] == [False] * (len(samples) - 1) + [True]


@pytest.mark.parametrize(
    "plan",
    [{"arrivals": "burst"}, {"arrivals": "poisson", "step": 2}],
    ids=["backlog", "step"],
)
def test_short_trials_are_whole_at_their_end_only(
    monkeypatch: pytest.MonkeyPatch, plan: Any
) -> None:
    """As ever: reading PSS would cost a backlog throughput."""
    samples = watched(monkeypatch, lasts_s=3.0, **plan)

    assert whole(samples) == [False] * (len(samples) - 1) + [True]
    assert all(one.queue_jobs is None for one in samples)


def test_a_long_backlog_is_whole_from_the_fifth_second_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its first five seconds are like those of a short one; a pilot is never whole."""
    assert sum(whole(watched(monkeypatch, lasts_s=8.0, arrivals="burst"))) == 5
    pilot = watched(monkeypatch, lasts_s=8.0, arrivals="burst", is_pilot=True)
    assert not any(whole(pilot))
