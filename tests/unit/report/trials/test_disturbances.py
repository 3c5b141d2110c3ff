"""What makes a trial doubtful, from its numbers, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from report.rows.remedies import UNKNOWN, remedy_of

from collector.run_manifest import Disturbance, JobCost, TrialResult
from collector.store import RunFolder
from report.summary import summarize
from report.trials.disturbances import CLOCK_STEP_BOUND_S, FOREIGN_CPU_BOUND, doubts
from tests.synthetic import DEMO, WORKLOADS, edit_trials, flat_manifest, make_run

CALM = Disturbance(foreign_cpu_share=0.02, stolen_cpu_share=0.01, clock_step_s=0.00001)


def result(**change: float | None) -> TrialResult:
    """Return the result of a calm trial, but for what is given."""
    cost_after = JobCost(cpu_s=change.pop("after_s", 0.0105))
    disturbance = Disturbance(**{**asdict(CALM), **change})
    return TrialResult(
        cost_before=JobCost(cpu_s=0.0100), cost_after=cost_after, disturbance=disturbance
    )


def test_a_calm_trial_raises_no_doubt() -> None:
    """Neither does one of which nothing is known."""
    assert doubts(result()) == []
    assert doubts(TrialResult()) == []
    assert doubts(result(foreign_cpu_share=None, stolen_cpu_share=None)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"after_s": 0.0114}, "over 10 % more or less CPU after the trial"),
        ({"foreign_cpu_share": 0.3}, "other processes took over 10 % of the machine's CPU"),
        (
            {"foreign_cpu_share": 0.3, "stolen_cpu_share": 0.28},
            "host gave over 10 % of its CPU to others (steal)",
        ),
        ({"clock_step_s": -0.25}, "the clock was set by over 1.00 ms"),
    ],
)
def test_each_disturbance_is_told_with_its_cause(change: dict[str, float], words: str) -> None:
    """In words without the number, so that several trials share a line; and with what helps."""
    (doubt,) = doubts(result(**change))

    assert words in doubt
    assert remedy_of(doubt) != UNKNOWN


def test_bounds_are_crossed_and_not_reached() -> None:
    """Exactly at a bound nothing is said."""
    at_bounds = {"foreign_cpu_share": FOREIGN_CPU_BOUND, "clock_step_s": CLOCK_STEP_BOUND_S}

    assert doubts(result(**at_bounds)) == []


def test_a_disturbed_row_has_its_mark_its_reason_and_its_remedy(tmp_path: Path) -> None:
    """The repetition is named; the number stands with the trial."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1], contenders=DEMO)

    def disturb(trial: dict[str, Any]) -> None:
        if (trial["contender"], trial["block"]) == ("solo", 2):
            trial["disturbance"] = asdict(CALM) | {"foreign_cpu_share": 0.41}

    edit_trials(folder, change=disturb)
    summary = summarize(folder)

    row = next(row for row in summary["rows"] if row["contender"] == "solo")
    assert row["mark"] == "~"
    assert row["reasons"] == [
        "repetition 3: other processes took over 10 % of the machine's CPU",
    ]
    assert row["remedies"] == ["end what else runs on this machine, and repeat"]
    assert 0.41 in {trial["foreign_cpu_share"] for trial in summary["trials"]}


@pytest.mark.parametrize(
    "reason",
    [
        "too few for a claim: 3 repetitions with a valid throughput, and a claim needs 5",
        "unstable: the standard deviation of its repetitions is over 10 %",
        "drifts: 23 % more in the last repetition than in the first, along a line through all",
        "repetition 2: the worker ended with exit code -9 in the trial, 3 of 9 jobs not done",
        "repetitions 1 and 2: no line for 10 s, 4 of 9 jobs not done",
        "the broker was lost before the trial's records were kept",
        "repetition 1: the run was stopped in this trial",
        "no repetition was measured",
        "repetition 1: 3 of 40 jobs lost",
        "repetition 1: 1 job ran twice",
        "repetition 1: 2 jobs more finished than sent",
        "repetition 1: gevent ran with unpatched sockets",
        "repetition 1: threads was to run the jobs, and solo did",
        "repetition 1: the GIL was on in a Python that can run without it: importing x turns it on",
        "repetition 1: 3 of 40 jobs failed",
        "repetition 1: no throughput: no job was done",
        "repetition 1: clocks of other hosts are not corrected",
    ],
)
def test_every_reason_has_its_own_remedy(reason: str) -> None:
    """None falls back to the general one."""
    assert remedy_of(reason) != UNKNOWN


def test_a_reason_of_another_version_still_gets_advice() -> None:
    """The log is always worth a look."""
    assert "worker's log" in remedy_of("something unheard of")


def test_a_row_that_goes_one_way_says_so(tmp_path: Path) -> None:
    """Each repetition a tenth faster than the one before: unstable, and it drifts."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[2:3], contenders=DEMO[3:])
    whole = summarize(folder)["rows"][0]
    assert not any("drifts" in reason for reason in whole["reasons"])

    _speed_up(folder)
    row = summarize(folder)["rows"][0]

    assert row["mark"] == "~"
    assert any(reason.startswith("drifts: ") for reason in row["reasons"])
    assert len(row["reasons"]) == len(row["remedies"])


def _speed_up(folder: RunFolder) -> None:
    """Let the finishes of each block come a sixth sooner than those of the one before."""
    jobs = folder.read_jobs()
    starts = {trial["trial"]: trial for trial in flat_manifest(folder)["trials"]}
    factor = {index: 1.16 ** -trial["block"] for index, trial in starts.items()}
    base = {index: trial["start_ns"] for index, trial in starts.items()}
    rows = jobs.to_dicts()
    for row in rows:
        for name in ("received_ns", "started_ns", "finished_ns"):
            since = row[name] - base[row["trial"]]
            row[name] = base[row["trial"]] + int(since * factor[row["trial"]])
    folder.write_jobs(pl.DataFrame(rows, schema=jobs.schema))
