"""An experiment's thresholds, held against a run's rows: met, missed, or nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.store import RunFolder
from report.result import Checked
from report.summary import summarize
from tests.summaries import known, shown
from tests.synthetic import BROKER_LOST, DEMO, WORKLOADS, edit_manifest, make_run, spoil


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Five repetitions of gevent-4 and solo on two workloads."""
    return make_run(tmp_path / "run", contenders=DEMO[2:], workloads=WORKLOADS[1:3])


def checked(folder: RunFolder, *conditions: str) -> tuple[Checked, ...]:
    """Return what becomes of thresholds."""
    edit_manifest(folder, fail_on=conditions)
    return summarize(folder).thresholds


@pytest.mark.parametrize(
    ("bound", "status"),
    [("< 70", "met"), ("< 90", "missed"), ("> 90", "met"), (">= 70", "missed")],
)
def test_a_number_is_held_against_its_bound(folder: RunFolder, bound: str, status: str) -> None:
    """The row's own figure, as the report shows it: about 77 jobs a second."""
    (found,) = checked(folder, f"gevent-4/io.sleep: throughput_per_s {bound}")

    row = known(summarize(folder).row("gevent-4", workload="io.sleep"))
    assert found.number == known(row.throughput_per_s).median
    assert found.status == status


@pytest.mark.parametrize(
    ("condition", "becomes"),
    [
        # a bound that is reached: none failed
        ("*/io.sleep: failed_jobs > 0", {"gevent-4": "met", "solo": "met"}),
        # nobody is held against itself
        ("*/io.sleep: cpu > 2 * solo", {"gevent-4": "met"}),
        # contenders of another profile
        ("gevent-4/io.sleep: throughput < 9 * prefork-4", {"gevent-4": "not checked"}),
        ("prefork-cores: throughput_per_s < 9", {"": "not measured"}),
    ],
)
def test_who_is_held_against_what(
    folder: RunFolder, condition: str, becomes: dict[str, str]
) -> None:
    """Who was not measured fails nothing, and is no measure of others: that is said."""
    found = checked(folder, condition)

    assert {one.contender: one.status for one in found} == becomes
    if "not checked" in becomes.values():
        assert found[0].text.endswith(": prefork-4 was not measured")


def test_row_and_number_are_said(folder: RunFolder) -> None:
    """What was seen, and what must not be."""
    (found,) = checked(folder, "solo/io.sleep: p99_wait_s > 0.001")

    row = known(summarize(folder).row("solo", workload="io.sleep"))
    number = known(row.wait_s).p99
    assert found.text == f"solo/io.sleep: p99_wait_s {number:g}, and must not be > 0.001"


def test_what_is_left_out_means_every_row(folder: RunFolder) -> None:
    """No workload: all of them; no contender: everyone."""
    every = checked(folder, "throughput_per_s < 1")
    some = checked(folder, "solo: throughput_per_s < 1")

    assert [(one.contender, one.workload) for one in every] == [
        ("gevent-4", "cpu.sha256"), ("solo", "cpu.sha256"),
        ("gevent-4", "io.sleep"), ("solo", "io.sleep"),
    ]  # fmt: skip
    assert [one.contender for one in some] == ["solo", "solo"]


def test_a_ratio_is_taken_block_by_block(folder: RunFolder) -> None:
    """As the verdict's: the same number, and the ends of its interval by name."""
    ratio = known(summarize(folder).verdicts[1].ratio)

    found = checked(
        folder, *(f"*/io.sleep: throughput{end} < 5 * solo" for end in ("", ".low", ".high"))
    )

    assert [one.status for one in found] == ["missed"] * 3
    assert [one.number for one in found] == pytest.approx(
        [ratio.value, ratio.low, ratio.high], rel=1e-4
    )
    assert f"throughput {ratio.value:.2f} × solo [" in found[0].text
    assert found[1].text.endswith("], and its low end must not be < 5 × solo")


def test_an_end_without_an_interval_can_not_be_checked(tmp_path: Path) -> None:
    """Three repetitions prove nothing."""
    few = make_run(tmp_path / "few", contenders=DEMO[2:], workloads=WORKLOADS[1:2], blocks=3)

    (found,) = checked(few, "gevent-4: throughput.low < 0.1 * solo")

    assert (found.status, found.number) == ("not checked", None)
    assert found.text.endswith(": too few repetitions for an interval")


@pytest.mark.parametrize("spoiled", ["gevent-4", "solo"])
def test_an_invalid_row_can_not_be_checked(folder: RunFolder, spoiled: str) -> None:
    """Neither met nor missed, whichever side of a ratio is invalid."""
    spoil(folder, contender=spoiled, block=1, reasons=[BROKER_LOST])

    found = checked(folder, "gevent-4: throughput < 9 * solo")

    assert {one.status for one in found} == {"not checked"}
    assert found[0].text.endswith(f": throughput: {spoiled} invalid")
    assert found[0].number is None


def test_the_terminal_shows_each(folder: RunFolder) -> None:
    """What was met and what was missed, with row and number; without thresholds nothing."""
    assert "Thresholds" not in shown(summarize(folder))
    checked(folder, "*/io.sleep: throughput_per_s < 50")
    summary = summarize(folder)

    for one, sign in zip(summary.thresholds, ("met", "missed"), strict=True):
        assert f"{sign:6} {one.text}" in shown(summary, width=160)
