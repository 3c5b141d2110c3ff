"""Comparisons of equals in runs that were made up: which pairs there are, and what they claim."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from benchmarks.equal import EXPERIMENT, equals_of
from collector.run_manifest import Contender
from collector.store import RunFolder
from lab.experiment_file.loader import load_experiment
from report.summary import summarize
from tests.synthetic import WORKLOADS, find_trial, make_run

CONTENDERS = (
    *(Contender(name=f"threads-{letter}", pool="threads", slots=4) for letter in "abc"),
    Contender(name="solo", pool="solo", slots=1),
)


def run(path: Path) -> RunFolder:
    """Three equal contenders, and one that has no equal."""
    per_s = {one.name: 100.0 * one.slots for one in CONTENDERS}
    workloads = [replace(one, per_s=per_s) for one in WORKLOADS[:2]]
    return make_run(path, workloads=workloads, contenders=CONTENDERS, blocks=5, noise=0.02)


def test_a_fresh_run_has_five_pairs_of_equals(tmp_path: Path) -> None:
    """Its experiment is one that people could write."""
    file = tmp_path / "equal.toml"
    file.write_text(EXPERIMENT.format(seed=1), encoding="utf-8")

    found = load_experiment(file, profile="bench", cores=2)

    assert len({(one.pool, one.slots) for one in found.contenders}) == 5
    assert (len(found.contenders), len(found.workloads)) == (10, 4)


def test_equals_are_compared_once_in_each_workload(tmp_path: Path) -> None:
    """A third one is in no pair, since a pair that shares a contender is not independent."""
    found = [*equals_of(summarize(run(tmp_path / "run")))]

    assert {one.pair for one in found} == {("threads-a", "threads-b")}
    assert [one.workload for one in found] == [one.name for one in WORKLOADS[:2]]
    assert not any(one.answer.decision.is_difference for one in found)


def test_an_equal_that_is_slower_is_found(tmp_path: Path) -> None:
    """Half as fast in each repetition of one workload."""
    folder = run(tmp_path / "run")
    slow = [
        find_trial(folder, contender="threads-b", workload=WORKLOADS[0].name, block=block)
        for block in range(5)
    ]
    jobs, names = folder.read_jobs(), ("received_ns", "started_ns", "finished_ns")
    start_ns = pl.col("due_ns").min().over("trial")
    folder.write_jobs(
        jobs.with_columns(
            pl.when(pl.col("trial").is_in(slow))
            .then(start_ns + 2 * (pl.col(name) - start_ns))
            .otherwise(name)
            .alias(name)
            for name in names
        )
    )

    found = [*equals_of(summarize(folder))]

    assert [one.answer.decision.is_difference for one in found] == [True, False]
    assert str(found[0]).startswith("! ")
