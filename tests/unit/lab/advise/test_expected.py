"""What each setting is expected to do, read from a measurement."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collector.reasons import Code, Reason
from lab.advise.expected import connections_of, corrections, is_met, lost_now, memory_of
from lab.advise.model import Setting
from report.result import PartSummary, RowSummary, TargetSummary
from report.statistics.ratios import Median
from report.trials.trial import TrialSummary
from tests.demands import HARD_LIMIT, TODAY, candidate, demand, expected

ROW = RowSummary(
    contender="today",
    pool="prefork",
    slots=8,
    workload="recorded",
    kind="mix",
    parts={"fetch": PartSummary(jobs=600), "report": PartSummary(jobs=12)},
)

BEHIND = Reason.of(Code.FELL_BEHIND, share=0.2)


def target(part: str, *, is_met: bool | None) -> TargetSummary:
    """Return a bound on the p95 wait of a part."""
    return TargetSummary(
        part=part,
        figure="p95_wait_s",
        bound_s=2.0,
        seen_s=1.0,
        met=5,
        repetitions=5,
        missed_share=Median(median=0, low=0, high=0),
        is_met=is_met,
    )


def trials(*reasons: Reason | None) -> list[TrialSummary]:
    """Return repetitions, each with a reason why its rate was not sustained, or none."""
    return [
        TrialSummary(
            trial=block,
            block=block,
            contender="today",
            workload="recorded",
            why_not_sustained=(reason,) if reason else (),
        )
        for block, reason in enumerate(reasons)
    ]


@pytest.mark.parametrize(
    ("targets", "reasons", "found"),
    [
        ([True], [None, None], True),
        ([False], [None, None], False),
        ([None], [None, None], None),
        ([True], [BEHIND, BEHIND], False),
        ([True], [BEHIND, None], None),
    ],
    ids=["met", "missed", "unclear", "fell behind", "fell behind once"],
)
def test_a_setting_has_to_meet_its_bounds_and_to_keep_up(
    targets: list[bool | None], reasons: list[Reason | None], *, found: bool | None
) -> None:
    """None if its repetitions don't agree."""
    row = replace(ROW, targets=tuple(target("fetch", is_met=one) for one in targets))

    assert is_met(row, trials=trials(*reasons)) is found


def test_a_rare_task_does_not_decide_over_a_percentile() -> None:
    """The p95 of twelve jobs is their maximum, and says little."""
    row = replace(ROW, targets=(target("fetch", is_met=True), target("report", is_met=False)))

    assert is_met(row, trials=trials(None, None)) is True


def test_memory_and_connections_are_as_recorded_for_the_setting() -> None:
    """A process of prefork shares pages with the others; a worker of threads is one process."""
    asked = demand()
    prefork, threads = Setting(pool="prefork", slots=3), Setting(pool="threads", slots=8, workers=2)

    assert [found.median for one in (prefork, threads) if (found := memory_of(one, asked))] == [
        4 * 25e6,
        2 * 80e6,
    ]
    found = connections_of(threads, asked)
    assert found
    assert found.median == 16 * 1.5


def test_unknown_memory_stays_unknown() -> None:
    """It is not measured on stand-ins, which don't have the app's."""
    assert memory_of(TODAY, demand(child_bytes=None)) is None


def test_a_pool_stops_only_what_todays_does() -> None:
    """By the survey."""
    asked = demand(features=(HARD_LIMIT,))
    on_threads = replace(asked, today=Setting(pool="threads", slots=8))

    assert lost_now(candidate("threads"), demand=asked) == {"hard time limit": "ignored"}
    assert lost_now(candidate("threads"), demand=on_threads) == {}
    assert lost_now(candidate("gevent"), demand=asked) == {}


def test_the_estimate_is_corrected_by_the_fastest_setting_of_each_pool() -> None:
    """Measured ÷ estimated; a setting without a figure is left out."""
    asked = demand()
    slow = expected(Setting(pool="prefork", slots=4), per_s=50)
    broken = replace(candidate("gevent"), per_s=None)

    found = corrections([expected(per_s=100), slow, broken], demand=asked)

    assert found.keys() == {"prefork"}
    assert found["prefork"] == pytest.approx(100 / (8 / 0.0472), rel=0.01)
