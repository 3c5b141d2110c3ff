"""The first screen: which chart answers the question, and what is said of it in a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from collector.reasons import Severity
from report.page.headline import headline, trust
from report.page.lead_chart import Answer, choose_answer, choose_lead
from report.result import Decided, EqualPair, Summary
from report.statistics.ratios import Ratio
from report.statistics.significance import Decision, Finding

_FAR_BEHIND = Decided(
    contender="threads-4",
    against="solo",
    ratio=Ratio(value=10.0, low=9.0, high=11.0, blocks=5),
    decision=Decision(finding=Finding.MORE),
)


@pytest.mark.parametrize(
    ("shape", "answer", "words"),
    [
        (
            "capacity",
            Answer.ADVANTAGE,
            "Fastest: prefork-cores on cpu.primes (1.98 × solo) and cpu.sha256",
        ),
        ("rate", Answer.RESPONSE, "On io.sleep, 95 of 100 jobs took up to "),
        ("sustain", Answer.SUSTAINED, "Sustained with p95 wait 1.00 s: on io.sleep gevent-100 5"),
        ("curve", Answer.CURVE, "At 80 % of its contender's sustained rate, a job waits up to "),
        ("sweep", Answer.SWEEP, "Threads: highest throughput "),
        ("mix", Answer.FAIRNESS, "io.sleep: All kept up with "),
        ("mixed.share", Answer.CROSSOVER, "prefork-10 leads every other pool from a CPU share of"),
        ("empty", Answer.ADVANTAGE, "Nothing could be compared on"),
    ],
)
def test_the_chart_that_answers_comes_first_with_its_sentence(
    summaries: Mapping[str, Summary], shape: str, answer: Answer, words: str
) -> None:
    """By what the summary holds, since that is what was asked; without it, who was faster."""
    summary = summaries[shape]

    assert choose_answer(summary) is answer
    assert choose_lead(summary).chart.cells
    assert words in headline(summary, answer=answer)


def test_without_targets_a_mix_is_told_by_its_fairness(summaries: Mapping[str, Summary]) -> None:
    """With them, the verdicts say who is enough."""
    summary = summaries["mix"]
    rows = tuple(replace(row, targets=()) for row in summary.rows)

    text = headline(replace(summary, rows=rows), answer=Answer.FAIRNESS)

    assert "least with gevent-4, 5.00 ×, and most with solo, 20.0 ×." in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ties": ("threads-50",)}, "gevent-100 or threads-50 on io.sleep"),
        ({"ties": ("threads-50", "gevent-4")}, "gevent-100 or 2 others on io.sleep"),
        (
            {"furthest_behind": _FAR_BEHIND},
            r"^Furthest behind: solo on cpu\.primes \(threads-4 does 10\.0 × its work\); .*Fas",
        ),
        ({"mark": "?"}, r"^Fastest so far: .*\(too few repetitions for a claim\)\.$"),
        (
            {"best": None},
            r"^No difference on cpu\.primes, cpu\.sha256, io\.sleep and io\.http\.$",
        ),
    ],
    ids=["tie", "ties", "far-behind", "too-few", "no-difference"],
)
def test_a_lead_is_claimed_as_far_as_the_verdicts_do(
    summaries: Mapping[str, Summary], change: dict[str, Any], words: str
) -> None:
    """Equals share it, few repetitions qualify it, and where nobody leads nobody is named."""
    summary = summaries["capacity"]
    verdicts = tuple(replace(one, **change) for one in summary.verdicts)

    assert re.search(words, headline(replace(summary, verdicts=verdicts), answer=Answer.ADVANTAGE))


def test_one_workload_has_its_whole_verdict(summaries: Mapping[str, Summary]) -> None:
    """There is room for it."""
    summary = summaries["capacity"]
    one = replace(summary, verdicts=summary.verdicts[:1])

    assert headline(one, answer=Answer.ADVANTAGE) == summary.verdicts[0].text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"usl": None, "usl_reason": "too few"}, r"^(?!.*peak).*at 16 slots\."),
        (
            {"setting": "redis_delay_ms", "of": "gevent-4"},
            r"^gevent-4 did .*/s with delay of Redis 1 ms, and .*/s with delay of Redis 32 ms\.$",
        ),
    ],
    ids=["no-law", "another-setting"],
)
def test_a_sweep_names_what_did_most_or_its_ends(
    summaries: Mapping[str, Summary], change: dict[str, Any], words: str
) -> None:
    """Without a law no peak; of another setting, the throughput at its first and last value."""
    summary = summaries["sweep"]
    swept = replace(summary, sweeps=(replace(summary.sweeps[0], **change),))

    assert re.search(words, headline(swept, answer=Answer.SWEEP))


def test_the_runs_worth_is_told_in_few_words(summaries: Mapping[str, Summary]) -> None:
    """In how many workloads the A/A control differs, and how many rows are marked."""
    summary = summaries["capacity"]
    alike = Ratio(value=1.0, low=0.9, high=1.1, blocks=5)
    pairs = [alike, replace(alike, low=1.01), replace(alike, blocks=4), None]
    verdicts = [
        replace(one, equal_pair=EqualPair(contender="a", twin="a-twin", ratio=ratio))
        for one, ratio in zip(summary.verdicts, pairs, strict=True)
    ]

    words = [said for said, _ in trust(replace(summary, verdicts=tuple(verdicts)))]

    assert words == ["A/A control: no difference in 1 of 2", "32 rows, none marked"]


def test_marks_are_counted(summaries: Mapping[str, Summary]) -> None:
    """By what they say, the strongest first."""
    summary = summaries["mix"]
    marks = [Severity(mark) for mark in ("~", "!", "~", "?", "", "", "", "")]
    rows = tuple(replace(row, mark=mark) for row, mark in zip(summary.rows, marks, strict=True))

    ((words, _),) = trust(replace(summary, rows=rows))

    assert words == "8 rows: 1 ! invalid, 2 ~ unstable, 1 ? too few"
