"""What changed from one run to another, and what of it is claimed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from report.compare.compare import compare
from report.compare.model import Comparison, Outcome, RowChange
from report.summary import summarize
from report.verdicts.metrics import FIGURES
from tests.pairs import SLEEP, compare_folders, make_pair
from tests.summaries import known
from tests.synthetic import (
    DEMO,
    DISTURBED,
    WORKLOADS,
    edit_manifest,
    flat_manifest,
    make_run,
    spoil,
    write_flat,
)


def row(comparison: Comparison, contender: str = "gevent-4") -> RowChange:
    """Return the row of a contender."""
    return next(row for row in comparison.rows if row.contender == contender)


def outcome(comparison: Comparison, figure: str, contender: str = "gevent-4") -> Outcome:
    """Return what a figure of a contender came to."""
    return row(comparison, contender).change(FIGURES[figure]).outcome


@pytest.mark.parametrize(
    ("contender", "figure", "ratio", "expected"),
    [
        ("gevent-4", "throughput", 0.7, Outcome.WORSE),
        # fewer jobs a second make longer waits and executions: worse, above 1
        ("gevent-4", "p50_wait", 1 / 0.7, Outcome.WORSE),
        ("gevent-4", "p99_wait", 1 / 0.7, Outcome.WORSE),
        ("gevent-4", "p50_execution", 1 / 0.7, Outcome.WORSE),
        ("gevent-4", "p99_execution", 1 / 0.7, Outcome.WORSE),
        # what did not change
        ("gevent-4", "pss", 1.0, Outcome.SAME),
        ("gevent-4", "cpu", 1.0, Outcome.SAME),
        ("threads-4", "throughput", 1.0, Outcome.SAME),
    ],
)
def test_a_slower_contender_is_worse(
    slower: Comparison, contender: str, figure: str, ratio: float, expected: Outcome
) -> None:
    """The ratio is that of the values beside it, and its interval holds the true one."""
    change = row(slower, contender).change(FIGURES[figure])
    found = known(change.ratio)

    assert change.outcome is expected
    assert found.low * 0.99 <= ratio <= found.high * 1.01
    assert found.value == pytest.approx(ratio, rel=0.15)
    assert found.value == pytest.approx(known(change.b) / known(change.a), rel=1e-6)


def test_the_other_way_round_better_is_worse(tmp_path: Path) -> None:
    """B against A mirrors A against B, figure by figure: more work and shorter waits are better."""
    a, b = make_pair(tmp_path, speeds={"gevent-4": 0.7})
    there, back = compare_folders((a, b)), compare_folders((b, a))
    mirror = {Outcome.BETTER: Outcome.WORSE, Outcome.WORSE: Outcome.BETTER}

    assert outcome(back, "throughput") is outcome(back, "p99_wait") is Outcome.BETTER
    assert back.count(Outcome.WORSE) == 0
    for mine, theirs in zip(there.rows, back.rows, strict=True):
        for change, other in zip(mine.changes, theirs.changes, strict=True):
            product = known(change.ratio).value * known(other.ratio).value
            assert product == pytest.approx(1.0)
            assert mirror.get(change.outcome, change.outcome) is other.outcome


def test_a_change_within_the_noise_is_none(tmp_path: Path) -> None:
    """However narrow the interval: 0.95 × is worse at ± 1 % and no difference at ± 10 %."""
    pair = make_pair(tmp_path, speeds={"gevent-4": 0.8}, noise=0.001)

    assert outcome(compare_folders(pair), "throughput") is Outcome.WORSE
    assert outcome(compare_folders(pair, noise=0.5), "throughput") is Outcome.SAME


def test_so_many_comparisons_make_no_difference_by_chance(tmp_path: Path) -> None:
    """Equal runs of four contenders on four workloads: of 144 figures none is claimed to differ.

    The intervals of some lie beyond the noise all the same, and are told to be not proved.
    """
    a = summarize(make_run(tmp_path / "a", seed=11, noise=0.03))
    b = summarize(make_run(tmp_path / "b", seed=12, noise=0.03))

    found = compare(a, b=b)

    assert len(found.rows) * len(FIGURES) == 144
    assert found.count(Outcome.WORSE) == found.count(Outcome.BETTER) == 0
    assert 0 < found.count(Outcome.UNPROVED) < 15
    assert found.count(Outcome.UNPROVED) + found.count(Outcome.SAME) == 144


def test_what_a_run_says_of_itself_is_named(tmp_path: Path) -> None:
    """A busy machine may be all the difference there is; Ctrl-C leaves a part, compared and said.

    More cores are refused, unless the comparison is across machines.
    """
    pair = make_pair(tmp_path)
    machine = flat_manifest(pair[1])["machine"] | {"load_average": [9.2, 1.0, 0.5], "cores": 8}
    edit_manifest(pair[0], state="unfinished")
    edit_manifest(pair[1], machine=machine)

    found = compare_folders(pair)

    assert "A was interrupted; its results are partial." in found.notes
    assert "The machine was busy when B began: load 9.20 on 8 cores." in found.notes
    assert [one.what for one in found.refusals] == ["cores"]
    assert compare_folders(pair, across=["machine"]).refusals == ()


def test_under_five_repetitions_nothing_is_claimed(tmp_path: Path) -> None:
    """Half the speed in three repetitions is a number, and no claim."""
    found = compare_folders(make_pair(tmp_path, speeds={"gevent-4": 0.5}, blocks=(6, 3)))

    assert found.count(Outcome.TOO_FEW) == len(found.rows) * len(FIGURES)
    assert row(found).mark == "?"
    assert any("fewer than 5 repetitions" in note for note in found.notes)


@pytest.mark.parametrize("place", [0, 1])
def test_an_invalid_row_is_never_compared(tmp_path: Path, place: int) -> None:
    """Five of its six repetitions are fine, and still there is no ratio; the reason says whose."""
    pair = make_pair(tmp_path)
    folder = pair[place]
    jobs = folder.read_jobs()
    lost = jobs.filter(pl.col("contender") == "gevent-4")["trial"][0]
    folder.write_jobs(jobs.filter((pl.col("trial") != lost) | (pl.col("seq") > 2)))

    found = compare_folders(pair)

    assert row(found).mark == "!"
    assert {change.outcome for change in row(found).changes} == {Outcome.NOT_COMPARED}
    assert all(change.ratio is None for change in row(found).changes)
    assert row(found).changes[0].reason == f"invalid in {'AB'[place]}"
    assert any("3 of 40 jobs lost" in reason for reason in row(found).reasons)
    assert outcome(found, "throughput", "threads-4") is Outcome.SAME


def test_a_figure_that_a_run_lacks_is_named(tmp_path: Path) -> None:
    """Where memory can't be told, its ratio is absent with the reason, and the rest is there.

    So it is in an unstable row, which has the mark and the reasons of both runs, by name.
    """
    pair = make_pair(tmp_path)
    samples = pair[1].read_samples()
    pair[1].write_samples(samples.with_columns(pss_bytes=pl.lit(None, pl.Int64)))
    spoil(pair[1], reasons=[DISTURBED])

    found = compare_folders(pair)

    change = row(found).change(FIGURES["pss"])
    assert (change.ratio, change.reason) == (None, "no figure in B")
    assert change.a is not None
    assert row(found).mark == "~"
    assert any(one.startswith("B: ") and str(DISTURBED) in one for one in row(found).reasons)
    assert outcome(found, "throughput") is Outcome.SAME


def test_rows_that_one_run_alone_has_are_named(tmp_path: Path) -> None:
    """Neither contenders nor workloads are left out in silence; only a twin is, as no row."""
    contenders = (*DEMO[1:3], replace(DEMO[3], twin_of=DEMO[1].name))
    a = make_run(tmp_path / "a", contenders=contenders, workloads=WORKLOADS[2:4])
    b = make_run(tmp_path / "b", contenders=DEMO[1:2], workloads=[SLEEP])

    found = compare_folders((a, b))

    assert [row.name for row in found.rows] == ["threads-4/io.sleep"]
    assert "Only in A, not compared: gevent-4 and io.http." in found.notes


def test_waits_of_a_larger_backlog_are_compared_by_place(tmp_path: Path) -> None:
    """40 jobs and 80 at the same speed: half the wait is the queue, and no difference is told.

    Of jobs that came at a rate, which are no backlog, the ratio stays as it was measured.
    """
    pair = make_pair(tmp_path, jobs=(40, 80))
    found = compare_folders(pair)

    for figure in ("p50_wait", "p95_wait", "p99_wait"):
        change = row(found).change(FIGURES[figure])
        ratio = known(change.ratio)
        assert change.b == pytest.approx(2 * known(change.a), rel=0.4)
        assert ratio.low < 1 < ratio.high
        assert change.outcome is Outcome.SAME
    assert any("its ratio is per place" in note for note in found.notes)

    for folder in pair:
        spoil(folder, arrivals="constant", rate_per_s=60.0)
    at_a_rate = compare_folders(pair)
    change = row(at_a_rate).change(FIGURES["p99_wait"])
    assert known(change.ratio).value == pytest.approx(known(change.b) / known(change.a))
    assert not any("per place" in note for note in at_a_rate.notes)


def test_a_slower_machine_is_told_apart_from_a_slower_pool(tmp_path: Path) -> None:
    """The same work without Celery took twice as long in B: `~`, and the row says so."""
    pair = make_pair(tmp_path, workload=WORKLOADS[0])
    for folder, cpu_s in zip(pair, (0.01, 0.02), strict=True):
        spoil(folder, cost_before={"cpu_s": cpu_s}, cost_after={"cpu_s": cpu_s})

    found = compare_folders(pair)

    assert row(found).machine_ratio == pytest.approx(0.5)
    assert row(found).mark == "~"
    assert "without Celery, B's machine did 0.5" in row(found).reasons[-1]


def test_submissions_to_a_running_stack_are_compared_too(tmp_path: Path) -> None:
    """Their manifests know no settings, no limits and no broker: nothing is made up for them."""
    pair = make_pair(tmp_path, blocks=(1, 1))
    for folder in pair:
        manifest = flat_manifest(folder)
        for key in ("celery", "cgroup", "broker", "ceilings"):
            del manifest[key]
        write_flat(folder, manifest | {"machine": {"cores": 2, "os": "x", "python": "3.13.1"}})

    found = compare_folders(pair)

    assert found.refusals == ()
    assert found.count(Outcome.TOO_FEW) == len(found.rows) * len(FIGURES)
