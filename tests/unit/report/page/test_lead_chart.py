"""The first screen: which chart answers the question, and what is said of it in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from collector.reasons import Severity
from report.page.headline import headline, trust
from report.page.lead_chart import Answer, choose_answer, choose_lead
from report.result import Summary
from tests.shapes import SHAPES, empty

ANSWERS = {
    "capacity": Answer.ADVANTAGE,
    "rate": Answer.RESPONSE,
    "sustain": Answer.SUSTAINED,
    "curve": Answer.CURVE,
    "sweep": Answer.SWEEP,
    "mix": Answer.FAIRNESS,
    "mixed.share": Answer.CROSSOVER,
}


@pytest.fixture(scope="module")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Summary]:
    """A summary of each shape of run."""
    return {name: make(tmp_path_factory.mktemp("run")) for name, make in SHAPES.items()}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_chart_that_answers_comes_first(summaries: Mapping[str, Summary], shape: str) -> None:
    """By what the summary holds, since that is what was asked."""
    summary = summaries[shape]

    assert choose_answer(summary) is ANSWERS[shape]
    assert choose_lead(summary).chart.cells


def test_an_empty_run_has_an_empty_chart(tmp_path: Path) -> None:
    """The advantage that nobody has, and words for it."""
    summary = empty(tmp_path / "run")

    assert choose_answer(summary) is Answer.ADVANTAGE
    assert headline(summary, answer=Answer.ADVANTAGE).startswith("Nothing could be compared on")


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (
            "capacity",
            "Fastest: prefork-cores or prefork-4 on cpu.primes (1.98 × solo) and cpu.sha256",
        ),
        ("rate", "On io.sleep, 95 of 100 jobs took up to "),
        ("sustain", "Sustained with p95 wait 1.00 s: on io.sleep gevent-100 5"),
        ("curve", "At 80 % of its contender's sustained rate, a job waits up to "),
        ("sweep", "Threads did most, "),
        ("mix", "differ least with gevent-4, 5.00 ×, and most with solo, 20.0 ×."),
        ("mixed.share", "prefork-10 leads every other pool from a CPU share of 0.1 on"),
    ],
)
def test_its_sentence_says_what_it_shows(
    summaries: Mapping[str, Summary], shape: str, words: str
) -> None:
    """In plain words, with the figure."""
    assert words in headline(summaries[shape], answer=ANSWERS[shape])


def test_one_workload_has_its_whole_verdict(summaries: Mapping[str, Summary]) -> None:
    """There is room for it."""
    summary = summaries["capacity"]
    one = replace(summary, verdicts=summary.verdicts[:1])

    assert headline(one, answer=Answer.ADVANTAGE) == summary.verdicts[0].text


@pytest.mark.parametrize(
    ("ties", "words"),
    [(("threads-50",), "or threads-50"), (("threads-50", "gevent-4"), "or 2 others")],
)
def test_equals_share_the_lead(
    summaries: Mapping[str, Summary], ties: tuple[str, ...], words: str
) -> None:
    """A contender without a difference to the first is named beside it."""
    summary = summaries["capacity"]
    tied = tuple(replace(one, ties=ties) for one in summary.verdicts)

    found = headline(replace(summary, verdicts=tied), answer=Answer.ADVANTAGE)

    assert f"gevent-100 {words} on io.sleep" in found


def test_too_few_repetitions_are_no_claim(summaries: Mapping[str, Summary]) -> None:
    """The sentence says so."""
    summary = summaries["capacity"]
    early = tuple(replace(one, mark="?") for one in summary.verdicts)

    words = headline(replace(summary, verdicts=early), answer=Answer.ADVANTAGE)

    assert words.startswith("Fastest so far: ")
    assert words.endswith("(too few repetitions for a claim).")


def test_no_difference_is_said_plainly(summaries: Mapping[str, Summary]) -> None:
    """On which workloads, too."""
    summary = summaries["capacity"]
    equal = tuple(replace(one, best=None) for one in summary.verdicts)

    words = headline(replace(summary, verdicts=equal), answer=Answer.ADVANTAGE)

    assert words == "No difference shows on cpu.primes, cpu.sha256, io.sleep and io.http."


def test_a_sweep_without_a_law_names_what_did_most(summaries: Mapping[str, Summary]) -> None:
    """And no peak."""
    summary = summaries["sweep"]
    lawless = tuple(replace(one, usl=None, usl_reason="too few") for one in summary.sweeps)

    words = headline(replace(summary, sweeps=lawless), answer=Answer.SWEEP)

    assert "at 16 slots." in words
    assert "peak" not in words


def test_a_sweep_of_another_setting_compares_its_ends(summaries: Mapping[str, Summary]) -> None:
    """What throughput comes to as the setting goes from its first value to its last."""
    summary = summaries["sweep"]
    swept = replace(summary.sweeps[0], setting="redis_delay_ms", of="gevent-4")

    words = headline(replace(summary, sweeps=(swept,)), answer=Answer.SWEEP)

    assert words.startswith("gevent-4 did ")
    assert "/s with delay of Redis 1 ms, and " in words
    assert words.endswith("/s with delay of Redis 32 ms.")


def test_the_runs_worth_is_told_in_few_words(summaries: Mapping[str, Summary]) -> None:
    """The noise floor, and how many rows are marked."""
    summary = replace(summaries["capacity"], noise_floor={"a": 0.02, "b": None, "c": 0.05})

    words = [said for said, _ in trust(summary)]

    assert words == ["noise floor 2 % to 5 %", "32 rows, none marked"]


def test_marks_are_counted(summaries: Mapping[str, Summary]) -> None:
    """By what they say, the strongest first."""
    summary = summaries["mix"]
    marks = [Severity(mark) for mark in ("~", "!", "~", "?", "", "", "", "")]
    rows = tuple(replace(row, mark=mark) for row, mark in zip(summary.rows, marks, strict=True))

    ((words, _),) = trust(replace(summary, rows=rows))

    assert words == "8 rows: 1 ! invalid, 2 ~ unstable, 1 ? too few"
