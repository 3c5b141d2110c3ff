"""An experiment's thresholds, held against a run's rows: met, missed, or nobody knows."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from collector.store import RunFolder
from report.page.page import _environment
from report.summary import summarize
from report.terminal.screen import render
from report.verdicts.thresholds import Requirement, missed, unchecked
from tests.synthetic import DEMO, WORKLOADS, edit_manifest, edit_trials, make_run

Summary = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Five repetitions of gevent-4 and solo on two workloads."""
    return make_run(tmp_path / "run", contenders=DEMO[2:], workloads=WORKLOADS[1:3])


def checked(folder: RunFolder, **values: Any) -> list[dict[str, Any]]:
    """Return what becomes of one threshold."""
    edit_manifest(folder, requirements=[asdict(Requirement(**values))])
    found: list[dict[str, Any]] = summarize(folder)["requirements"]
    return found


def row(summary: Summary, contender: str, workload: str) -> Summary:
    """Return a row of the summary."""
    rows: list[Summary] = summary["rows"]
    return next(one for one in rows if (one["contender"], one["workload"]) == (contender, workload))


@pytest.mark.parametrize(
    ("bounds", "status"),
    [
        ({"at_least": 70}, "met"),
        ({"at_least": 90}, "missed"),
        ({"at_most": 90}, "met"),
        ({"at_most": 70}, "missed"),
        ({"at_least": 70, "at_most": 90}, "met"),
        ({"at_least": 85, "at_most": 90}, "missed"),
    ],
)
def test_a_number_is_held_against_its_bounds(
    folder: RunFolder, bounds: dict[str, float], status: str
) -> None:
    """The row's own figure, as the report shows it: about 77 jobs a second."""
    (found,) = checked(
        folder, contender="gevent-4", workload="io.sleep", figure="throughput_per_s", **bounds
    )

    shown = row(summarize(folder), "gevent-4", "io.sleep")
    assert found["value"] == shown["throughput_per_s"]["median"]
    assert found["status"] == status


def test_a_bound_that_is_reached_is_met(folder: RunFolder) -> None:
    """`at_most = 0` failed jobs is met by none."""
    found = checked(folder, figure="failed_jobs", at_most=0)

    assert [one["status"] for one in found] == ["met"] * 4


def test_row_and_number_are_said(folder: RunFolder) -> None:
    """What was seen, and what was required."""
    (found,) = checked(
        folder, contender="solo", workload="io.sleep", figure="p99_wait_s", at_most=0.001
    )

    number = row(summarize(folder), "solo", "io.sleep")["wait_s"]["p99"]
    assert found["text"] == f"solo/io.sleep: p99_wait_s {number:g}, and at most 0.001 is required"


def test_what_is_left_out_means_every_row(folder: RunFolder) -> None:
    """No workload: all of them; no contender: everyone."""
    every = checked(folder, figure="throughput_per_s", at_least=1)
    some = checked(folder, figure="throughput_per_s", at_least=1, contender="solo")

    assert [(one["contender"], one["workload"]) for one in every] == [
        ("gevent-4", "cpu.sha256"), ("solo", "cpu.sha256"),
        ("gevent-4", "io.sleep"), ("solo", "io.sleep"),
    ]  # fmt: skip
    assert [one["contender"] for one in some] == ["solo", "solo"]


def test_a_ratio_is_taken_block_by_block(folder: RunFolder) -> None:
    """As the verdict's: the same number, with its interval in the sentence."""
    (found,) = checked(
        folder,
        contender="gevent-4",
        workload="io.sleep",
        figure="throughput",
        against="solo",
        at_least=5.0,
    )

    verdict = summarize(folder)["verdicts"][1]["ratio"]
    assert found["status"] == "missed"
    assert (found["value"], found["low"], found["high"]) == pytest.approx(
        (verdict["value"], verdict["low"], verdict["high"]), rel=1e-4
    )
    assert f"throughput against solo {found['value']:.2f} × [" in found["text"]


def test_nobody_is_held_against_itself(folder: RunFolder) -> None:
    """Everyone against solo, in one workload, leaves out solo."""
    found = checked(folder, figure="cpu", against="solo", workload="io.sleep", at_most=2)

    assert [one["contender"] for one in found] == ["gevent-4"]
    assert found[0]["status"] == "met"


@pytest.mark.parametrize("spoiled", ["gevent-4", "solo"])
def test_an_invalid_row_can_not_be_checked(folder: RunFolder, spoiled: str) -> None:
    """Neither met nor missed, whichever side of a ratio is invalid."""

    def spoil(plan: dict[str, Any]) -> None:
        if (plan["contender"], plan["block"]) == (spoiled, 1):
            plan["reasons"] = ["the worker died"]

    edit_trials(folder, change=spoil)
    found = checked(folder, contender="gevent-4", figure="throughput", against="solo", at_least=9)

    assert {one["status"] for one in found} == {"not checked"}
    assert f"not checked: {spoiled} invalid" in found[0]["text"]
    assert found[0]["value"] is None


def test_a_row_that_was_not_measured_fails_nothing(folder: RunFolder) -> None:
    """The contender of another profile: said, and neither missed nor unchecked."""
    (found,) = checked(folder, contender="prefork-cores", figure="throughput_per_s", at_least=9)
    summary = summarize(folder)

    assert found["status"] == "not measured"
    assert (missed(summary), unchecked(summary)) == ([], [])


def test_missed_and_unchecked_are_told_apart(folder: RunFolder) -> None:
    """Each list holds its own sentences."""
    edit_manifest(
        folder,
        requirements=[
            asdict(Requirement(figure="throughput_per_s", contender="solo", at_least=1e6)),
            asdict(Requirement(figure="throughput_per_s", contender="solo", at_least=1)),
        ],
    )
    summary = summarize(folder)

    assert len(missed(summary)) == 2
    assert unchecked(summary) == []


def test_a_run_without_thresholds_has_none(folder: RunFolder) -> None:
    """An empty list in summary.json, nothing in the terminal or on the page."""
    summary = summarize(folder)

    assert summary["requirements"] == []
    assert "Required" not in terminal(summary)
    assert section(summary).strip() == ""


def test_terminal_and_page_show_each(folder: RunFolder) -> None:
    """What was met and what was missed, with row and number."""
    checked(folder, figure="throughput_per_s", workload="io.sleep", at_least=50)
    summary = summarize(folder)

    for one, sign in zip(summary["requirements"], ("met", "missed"), strict=True):
        assert f"{sign:6} {one['text']}" in terminal(summary)
        assert f"{sign}</b>" in section(summary)
    assert "and at least 50 is required" in section(summary)


def section(summary: Summary) -> str:
    """Return the page's section on thresholds alone: the charts take seconds."""
    return _environment().get_template("requirements.html.j2").render(summary=summary)


def terminal(summary: Summary) -> str:
    """Return the report as a wide terminal shows it."""
    out = io.StringIO()
    Console(file=out, width=160, color_system=None).print(render(summary))
    return out.getvalue()
