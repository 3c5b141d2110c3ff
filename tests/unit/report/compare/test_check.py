"""The conditions of --fail-on: what can be said, what is said of faults, what becomes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolbench.errors import UsageError
from report.compare.check import check_conditions
from report.compare.model import Comparison
from report.result import Checked, Status
from report.verdicts.fail_on import parse_conditions
from report.verdicts.metrics import FIGURES
from tests.pairs import SLEEP, compare_folders, make_pair
from tests.summaries import known
from tests.synthetic import BROKER_LOST, spoil


def check(comparison: Comparison, *texts: str) -> list[Checked]:
    """Return what becomes of conditions that can be read."""
    conditions, faults = parse_conditions(texts)
    assert faults == []
    return check_conditions(conditions, comparison=comparison)


@pytest.mark.parametrize(
    ("field", "text", "parts"),
    [
        ("--fail-on", "throughput < 0.95", ("*/*", "throughput", "", "<", 0.95, "")),
        ("--fail-on", "p99_wait>1.2", ("*/*", "p99_wait", "", ">", 1.2, "")),
        ("--fail-on", "p99_wait_s >= 2", ("*/*", "p99_wait", "", ">=", 2.0, "")),
        ("--fail-on", "cpu_s_per_1000_jobs <= .5", ("*/*", "cpu", "", "<=", 0.5, "")),
        ("--fail-on", "throughput.high < 0.95", ("*/*", "throughput", "high", "<", 0.95, "")),
        ("--fail-on", " gevent-* : pss . low > 1.1 ", ("gevent-*/*", "pss", "low", ">", 1.1, "")),
        ("--fail-on", "solo/x:p50_execution>1e1", ("solo/x", "p50_execution", "", ">", 10.0, "")),
        ("fail_on", "throughput_per_s < 500", ("*/*", "throughput_per_s", "", "<", 500.0, "")),
        ("fail_on", "solo: failed_jobs>0", ("solo/*", "failed_jobs", "", ">", 0.0, "")),
        ("fail_on", "p99_wait > .5*solo", ("*/*", "p99_wait", "", ">", 0.5, "solo")),
        ("fail_on", "pss_bytes . high >= 2 * t.x-1 ", ("*/*", "pss", "high", ">=", 2.0, "t.x-1")),
    ],
)
def test_a_condition_is_read(field: str, text: str, parts: tuple[object, ...]) -> None:
    """Rows, figure with or without its unit, end, sign and number; blanks don't matter.

    Within one run the number is in its figure's unit, or times that of another contender.
    """
    (one,), faults = parse_conditions([text], is_one_run=field == "fail_on")

    assert faults == []
    assert (one.rows, one.measure, one.end, one.sign, one.number, one.against) == parts


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("--fail-on", "throuput < 0.9", "unknown figure: throuput. Did you mean throughput?"),
        ("--fail-on", "p99_wiat > 1", "unknown figure: p99_wiat. Did you mean p99_wait?"),
        ("--fail-on", "throughput.hihg < 0.9", "unknown end: hihg. Did you mean high?"),
        ("--fail-on", "throughput < 0,95", "must be a ratio above 0: 0,95. Write one"),
        ("--fail-on", "throughput < nan", "must be a ratio above 0: nan"),
        ("--fail-on", "throughput < -1", "must be a ratio above 0: -1"),
        (
            "--fail-on", "throughput < 1.5 * solo",
            'already uses the ratio B ÷ A. Leave out "* solo"',
        ),
        ("--fail-on", "throughput <", "must be a ratio above 0: none"),
        ("--fail-on", "failed > 1", "unknown figure: failed"),
        ("--fail-on", "< 1", "unknown figure: none. Use one of cpu"),
        ("--fail-on", "throughput", 'must be a condition. Write it like "throughput < 0.95"'),
        ("--fail-on", "throughput == 1", "must be a condition"),
        ("--fail-on", "a: b: throughput < 1", "must be a condition"),
        ("--fail-on", "", "must be a condition"),
        ("fail_on", "throughput < 1", 'its unit: throughput. Write "throughput_per_s", or "* CONT'),
        ("fail_on", "p99_wiat_s > 1", "unknown figure: p99_wiat_s. Did you mean p99_wait_s?"),
        ("fail_on", "failed > 1", "unknown figure: failed. Did you mean failed_jobs?"),
        ("fail_on", "failed_jobs > 1 * solo", "unknown figure: failed_jobs. Use one of cpu"),
        (
            "fail_on", "pss_bytes.low > 1",
            'no low end. Write "* CONTENDER"',
        ),
        ("fail_on", "pss_bytes > -1", "must be a number: -1. Write a number, such as 500"),
        ("fail_on", "pss > 0 * solo", "must be a ratio above 0: 0"),
        ("fail_on", "pss > 2 *", "* needs a contender after it. Write it like"),
        (
            "fail_on", "pss",
            'must be a condition. Write it like "gevent-*/io.http: throughput_per_s < 500"',
        ),
    ],
)  # fmt: skip
def test_a_fault_names_the_condition_and_what_is_right(field: str, text: str, said: str) -> None:
    """What is wrong, the value seen, the nearest right word; of two runs and of an experiment's."""
    _, (fault,) = parse_conditions([text], is_one_run=field == "fail_on")

    assert str(fault).startswith(f'{field} = "{text}" is invalid: ')
    assert said in str(fault)


def test_all_faults_are_told_at_once() -> None:
    """Two in one condition, one in another; the good one between them is kept."""
    conditions, faults = parse_conditions(["thru.mid < x", "cpu > 1.1", "cpu"])

    assert [one.text for one in conditions] == ["cpu > 1.1"]
    assert len(faults) == 4


@given(st.text(alphabet="apu9_.:*/<>= \n", max_size=20), st.booleans())
def test_any_text_is_a_condition_or_a_fault(text: str, is_one_run: bool) -> None:  # noqa: FBT001 -- hypothesis'
    """Nothing that a person types is a traceback."""
    conditions, faults = parse_conditions([text], is_one_run=is_one_run)

    assert bool(conditions) != bool(faults)


def test_a_condition_that_holds_is_a_threshold_missed(slower: Comparison) -> None:
    """The row and the number, in the row that it is true of and in no other."""
    threads, gevent = check(slower, "throughput < 0.95")

    assert (threads.status, gevent.status) == (Status.MET, Status.MISSED)
    assert gevent.number == pytest.approx(0.7, rel=0.1)
    assert gevent.text.startswith(f"gevent-4/io.sleep: throughput {gevent.number:.2f} × [")
    assert gevent.text.endswith("], worse")


def test_an_end_of_the_interval_asks_for_proof(slower: Comparison) -> None:
    """0.7 × is below 0.72 as a number; whether it is proved, its upper end says."""
    ratio = known(slower.rows[1].change(FIGURES["throughput"]).ratio)
    middle = (ratio.value + ratio.high) / 2

    number, proof = check(
        slower, f"gevent-4: throughput < {middle}", f"gevent-4: throughput.high < {middle}"
    )

    assert (number.status, proof.status) == (Status.MISSED, Status.MET)
    assert proof.number == ratio.high


@pytest.mark.parametrize(
    ("rows", "count"),
    [("", 2), ("*: ", 2), ("gevent-*: ", 1), ("*/io.sleep: ", 2), ("threads-4/io.sleep: ", 1)],
)
def test_rows_are_chosen_by_name(slower: Comparison, rows: str, count: int) -> None:
    """A contender, one in a workload, or a pattern; what a matrix of CI says twice counts once."""
    assert len(check(slower, f"{rows}pss > 2", f"{rows}pss > 2")) == count


def test_conditions_without_a_row_are_faults(slower: Comparison) -> None:
    """A gate that watches nothing must not be green: every such condition is named."""
    with pytest.raises(UsageError) as caught:
        check(slower, "gevnt-4/io.sleep: cpu > 1", "solo: cpu > 1", "cpu > 1")

    assert len(caught.value.faults) == 2
    assert "no such row: gevnt-4/io.sleep. Did you mean gevent-4/io.sleep?" in str(caught.value)


def test_every_row_that_a_fault_names_is_accepted(tmp_path: Path) -> None:
    """Also where a workload's name holds what means something in a condition."""
    workload = replace(SLEEP, name="fetch: [a] <50 ms>?")
    comparison = compare_folders(make_pair(tmp_path, blocks=(1, 1), workload=workload))
    with pytest.raises(UsageError) as caught:
        check(comparison, "solo: cpu > 1")
    (fault,) = caught.value.faults
    rows = fault.remedy.removeprefix("use one of ").split(", ")

    assert len(rows) == 4
    for row in rows:
        assert len(check(comparison, f"{row}: cpu > 1")) == 1


def test_what_cannot_be_checked_is_no_pass(tmp_path: Path) -> None:
    """An invalid row and an end without an interval: not checked, with the reason.

    A number of three repetitions is checked, and the line tells what it is worth.
    """
    pair = make_pair(tmp_path, speeds={"gevent-4": 0.5}, blocks=(5, 3))
    spoil(pair[1], contender="threads-4", reasons=[BROKER_LOST])
    comparison = compare_folders(pair)

    invalid, few = check(comparison, "throughput.low < 0.95")
    (number,) = check(comparison, "gevent-4: throughput < 0.95")

    assert (invalid.status, few.status) == (Status.UNCHECKED, Status.UNCHECKED)
    assert invalid.text == "threads-4/io.sleep: throughput: invalid in B"
    assert few.text.endswith("too few repetitions for an interval")
    assert (invalid.number, few.number) == (None, None)
    assert number.status is Status.MISSED
    assert number.text.endswith("too few repetitions for a claim")
