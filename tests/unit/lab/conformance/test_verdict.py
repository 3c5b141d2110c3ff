"""What several tries of one row on one pool come to together."""

from __future__ import annotations

import pytest

from lab.conformance.finding import Finding, Outcome, breaks, ignored, not_tried, works
from lab.conformance.verdict import Verdict, judge_tries

WORKS, IGNORED, BREAKS = Outcome.WORKS, Outcome.IGNORED, Outcome.BREAKS


def test_the_worst_outcome_is_the_word_and_its_first_try_the_evidence() -> None:
    """A pool that breaks in one try of three breaks."""
    tries = [works("Fine."), breaks("Lost.", "jobs: 1 lost"), breaks("Twice.")]

    verdict = judge_tries(tries)

    assert verdict.finding == tries[1]
    assert verdict.outcomes == {BREAKS: 2, WORKS: 1}
    assert verdict.tries == 3


@pytest.mark.parametrize(
    ("first", "second", "worse"),
    [
        (works(""), ignored(""), IGNORED),
        (ignored(""), breaks(""), BREAKS),
        (not_tried(""), works(""), WORKS),
    ],
)
def test_outcomes_are_ranked(first: Finding, second: Finding, worse: Outcome) -> None:
    """Breaks, ignored, works; that nothing was tried is no outcome beside one that was."""
    tries = [first, second]

    assert judge_tries(tries).finding.outcome is worse
    assert judge_tries(tries[::-1]).finding.outcome is worse


def test_one_try_needs_no_count() -> None:
    """More have one, whether they agree or not."""
    assert judge_tries([works("")]).word == "works"
    assert judge_tries([works("")] * 2).word == "works 2 of 2"
    assert judge_tries([works(""), breaks("")]).word == "breaks 1 of 2"


def test_all_outcomes_are_told_the_worst_first() -> None:
    """So that a reader sees what the other tries came to."""
    tries = [works(""), breaks(""), works(""), ignored("")]

    assert judge_tries(tries).tell() == "breaks 1 of 4, ignored 1 of 4, works 2 of 4"
    assert judge_tries([works("")]).tell() == "works"


@pytest.mark.parametrize("outcomes", [{}, {BREAKS: 1}, {WORKS: 0}, {WORKS: "1"}])
def test_counts_that_do_not_fit_are_refused(outcomes: dict[Outcome, int]) -> None:
    """The word must be among the outcomes, each seen at least once."""
    with pytest.raises(ValueError, match="outcomes"):
        Verdict(finding=works(""), outcomes=outcomes)
