"""What makes a trial unstable, from its numbers."""

from __future__ import annotations

import statistics
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest

from collector.reasons import Code, Reason, Severity
from collector.run_manifest import Disturbance, JobCost, TrialResult
from collector.store import RunFolder
from report.build import write_reports
from report.summary import summarize
from report.trials.disturbances import CLOCK_STEP_BOUND_S, STOLEN_CPU_BOUND, disturbances
from tests.summaries import codes, details, known, row_of
from tests.synthetic import (
    DEMO,
    WORKLOADS,
    find_trial,
    flat_manifest,
    make_run,
    measure_again,
    spoil,
    write_flat,
)

STEPPED = Reason.of(Code.CLOCK_STEP, bound_s=CLOCK_STEP_BOUND_S)
CALM = Disturbance(foreign_cpu_share=0.02, stolen_cpu_share=0.01, clock_step_s=0.00001)


def result(**change: float | None) -> TrialResult:
    """Return the result of a calm trial, but for what is given."""
    cost_after = JobCost(cpu_s=change.pop("after_s", 0.0105))
    disturbance = Disturbance(**{**asdict(CALM), **change})
    return TrialResult(
        cost_before=JobCost(cpu_s=0.0100), cost_after=cost_after, disturbance=disturbance
    )


@pytest.mark.parametrize(
    "calm",
    [
        result(),
        TrialResult(),
        result(foreign_cpu_share=None, stolen_cpu_share=None),
        result(stolen_cpu_share=STOLEN_CPU_BOUND, clock_step_s=CLOCK_STEP_BOUND_S),
        result(foreign_cpu_share=0.9),
    ],
    ids=["calm", "unknown", "in-part-unknown", "at-the-bounds", "beside-others"],
)
def test_a_calm_trial_raises_no_doubt(calm: TrialResult) -> None:
    """Neither does one of which nothing is known, or one that reaches a bound and is not beyond."""
    assert [*disturbances(calm)] == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"after_s": 0.0114}, Code.CEILING_DRIFT),
        ({"foreign_cpu_share": 0.9, "stolen_cpu_share": 0.28}, Code.STOLEN_CPU),
        ({"clock_step_s": -0.25}, Code.CLOCK_STEP),
    ],
)
def test_each_disturbance_has_its_code(change: dict[str, float], code: Code) -> None:
    """With the bound and without the number, so that several trials share a line."""
    seen = set(change.values())
    (doubt,) = disturbances(result(**change))

    assert doubt.code is code
    assert not {*doubt.parameters.values()} & seen


def test_a_disturbed_row_has_its_mark_and_its_reason(tmp_path: Path) -> None:
    """Shown once with its repetitions, whoever saw it; the number is the trial's."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1], contenders=DEMO)
    stepped = asdict(CALM) | {"clock_step_s": 0.25}
    spoil(folder, contender="solo", block=2, disturbance=stepped)
    spoil(folder, contender="solo", block=4, reasons=[STEPPED])

    summary = summarize(folder)

    row = row_of(summary, "solo")
    assert row.mark is Severity.UNSTABLE
    assert [(one.code, one.repetitions) for one in row.reasons] == [(Code.CLOCK_STEP, (3, 5))]
    assert 0.25 in {trial.clock_step_s for trial in summary.trials}


@pytest.mark.parametrize(
    ("blocks", "stolen", "mark"),
    [([0, 2, 4], 0.0, Severity.UNSTABLE), ([0, 2], 0.0, Severity.NOTE), ([0, 2, 4], 0.09, "")],
)
def test_other_processes_mark_a_row_that_they_disturbed_most_of_the_time(
    tmp_path: Path, blocks: list[int], stolen: float, mark: str
) -> None:
    """A burst is spread, which the interval contains; what the host took has its own reason."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1], contenders=DEMO[3:])
    spoil(folder, disturbance=asdict(CALM))
    noisy = asdict(CALM) | {"foreign_cpu_share": 0.12, "stolen_cpu_share": stolen}
    for block in blocks:
        spoil(folder, block=block, disturbance=noisy | {"cpu_s": {"foreign": 0.3}})

    summary = summarize(folder)

    assert summary.rows[0].mark == mark
    assert (Code.FOREIGN_CPU in codes(summary.rows[0])) is bool(mark)
    assert [one.block for one in summary.trials if one.cpu_s == {"foreign": 0.3}] == blocks
    assert {one.mark for one in summary.trials} == {""}


@pytest.fixture
def repeated(tmp_path: Path) -> RunFolder:
    """A run whose second repetition, slow beside a thief, was measured once more."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1], contenders=DEMO[3:], blocks=6)
    first = find_trial(folder, contender="solo", workload="cpu.primes", block=1)
    spent = {"cpu_s": {"foreign": 0.5, "workers": 1.25}, "largest_foreign": "make"}
    spoil(folder, block=1, disturbance=asdict(CALM) | {"stolen_cpu_share": 0.4} | spent)

    later = find_trial(folder, contender="solo", workload="cpu.primes", block=5)
    measure_again(folder, trial=first, by=later)
    jobs, ended_ns = folder.read_jobs(), pl.col("finished_ns")
    late_ns = pl.when(pl.col("trial") == first).then(2 * (ended_ns - ended_ns.min().over("trial")))
    folder.write_jobs(jobs.with_columns(finished_ns=ended_ns + late_ns.otherwise(0)))
    return folder


def test_a_trial_measured_once_more_is_kept_and_does_not_count(repeated: RunFolder) -> None:
    """The row has no mark, every job in its account, and its figure with either trial."""
    summary = summarize(repeated)

    (row,) = summary.rows
    (again,) = [one for one in row.reasons if one.code is Code.MEASURED_AGAIN]
    first, *others, later = summary.trials[1:]
    assert (row.mark, row.repetitions, row.ledger.done) == ("", 5, 6 * 40)
    assert (first.is_replaced, first.is_shown, first.mark) == (True, False, "~")
    assert (later.repeats, later.block, later.is_shown) == (first.trial, 1, True)
    assert again.repetitions == (2,)
    per_s = [one.throughput_per_s for one in (summary.trials[0], *others)]
    for name, trial in {"per_s": later, "first_per_s": first}.items():
        middle = statistics.median(known(one) for one in [*per_s, trial.throughput_per_s])
        assert again.parameters[name] == pytest.approx(middle, rel=1e-5)
    assert known(first.throughput_per_s) < 0.5 * known(later.throughput_per_s)


def test_the_screen_and_the_page_show_what_was_measured_once_more(repeated: RunFolder) -> None:
    """With both figures; the page's trials name the one that was replaced, and who spent CPU."""
    write_reports(repeated.path)

    page = (repeated.path / "report.html").read_text(encoding="utf-8")
    assert "2, replaced" in page
    assert "2, again" in page
    assert "workers 1.25, foreign (make) 0.5<" in page
    text = "measured once more after steal or a clock step"
    assert text in page
    assert text in details(summarize(repeated))


def test_an_interrupted_repeat_replaces_nothing(repeated: RunFolder) -> None:
    """The first trial counts; the repeat is in the account, and in no row."""
    manifest = flat_manifest(repeated)
    (later,) = [one for one in manifest["trials"] if one.get("repeats") is not None]
    later["end_ns"] = None
    write_flat(repeated, manifest)

    row = summarize(repeated).rows[0]

    assert (row.repetitions, row.valid_repetitions) == (5, 5)
    assert Code.MEASURED_AGAIN not in codes(row)


def test_an_invalid_trial_is_never_replaced(repeated: RunFolder) -> None:
    """A worker that died beside a thief marks its row, whatever came later."""
    manifest = flat_manifest(repeated)
    first = next(one["repeats"] for one in manifest["trials"] if one.get("repeats") is not None)
    manifest["trials"][first]["sent"] += 1
    write_flat(repeated, manifest)
    row = summarize(repeated).rows[0]

    assert (row.mark, row.repetitions, row.valid_repetitions) == ("!", 6, 5)
    assert Code.MEASURED_AGAIN not in codes(row)
