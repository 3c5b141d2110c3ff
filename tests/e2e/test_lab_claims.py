"""Runs that make claims: one contender measured twice, and blocks added until it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.run.blocks import FIRST_LOOK_BLOCKS
from poolbench.errors import ExitCode
from report.result import Summary, from_json
from tests.integration.test_lab_run import (
    experiment,
    leftovers,
    only_run,
    poolbench,
    read_manifest,
    write,
)

#: Two contenders far apart and hardly any work: what a claim takes in the shortest time.
QUICK = experiment(
    pools={"solo": 1, "threads": 3}, repetitions=1, kind="io.sleep", parameters="{ delay_ms = 20 }"
).replace("trial_s = 0.3", "trial_s = 0.1")

#: Seven blocks take 40 s on two free cores.
WITHIN_S = 300.0

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(WITHIN_S + 20.0)]


def summary_of(folder: Path) -> Summary:
    """Return a run's summary."""
    return from_json((folder / "summary.json").read_bytes())


def test_blocks_are_added_until_the_interval_is_narrow(tmp_path: Path, results_dir: Path) -> None:
    """The first look finds it within ± 50 %; what was asked and what came of it is kept.

    The twin is measured like any other: its own worker, the same backlog, a row of its own; and
    the noise is known.
    """
    words = ("--until", "50%", "--at-most", f"{WITHIN_S - 60:.0f}s")

    ended = poolbench("run", write(tmp_path, QUICK), *words, results=results_dir, within_s=WITHIN_S)

    assert ended.returncode == ExitCode.OK, ended.stderr
    manifest, summary = read_manifest(results_dir), summary_of(only_run(results_dir))
    assert manifest["repetitions"] == FIRST_LOOK_BLOCKS
    assert manifest["until"].keys() == {"half_width", "at_most_s", "block_s"}
    assert summary.precision
    assert summary.precision.is_reached
    (width,) = summary.precision.widths
    assert (width.contender, width.against) == ("threads", "solo")
    assert 0 < (width.half_width or 0) < 0.5
    assert f"reached after {FIRST_LOOK_BLOCKS} repetitions." in summary.notes[-1]

    twins = [(one["name"], one["twin_of"]) for one in manifest["contenders"]]
    assert twins == [("solo", ""), ("solo-twin", "solo"), ("threads", "")]
    measured = [trial for trial in manifest["trials"] if not trial["is_pilot"]]
    solo, twin = (
        {trial["count"] for trial in measured if trial["contender"] == name}
        for name in ("solo", "solo-twin")
    )
    assert solo == twin != set()
    assert "solo-twin" not in manifest["ceilings"]["noop_per_s"]
    assert {row.contender for row in summary.rows if row.is_twin} == {"solo-twin"}
    assert summary.verdicts[0].equal_pair
    (verdict,) = summary.verdicts
    assert (verdict.best, verdict.against) == ("threads", "solo")
    assert "solo-twin" not in {one.contender for one in verdict.decisions}
    assert "A/A" in ended.stdout


def test_a_budget_is_used_up_by_whole_repetitions(tmp_path: Path, results_dir: Path) -> None:
    """The run is finished, not interrupted; what was asked is kept, and no width was."""
    ended = poolbench("run", write(tmp_path, QUICK), "--budget", "25s", results=results_dir)

    manifest, summary = read_manifest(results_dir), summary_of(only_run(results_dir))
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert (manifest["until"]["at_most_s"], manifest["until"]["half_width"]) == (25, None)
    assert (manifest["state"], summary.precision) == ("finished", None)
    assert "interrupted" not in " ".join(summary.notes)
    assert manifest["repetitions"] == len({one["block"] for one in manifest["trials"]}) > 1


def test_time_that_is_over_is_said(tmp_path: Path, results_dir: Path) -> None:
    """No block begins that would end too late; the wide rows are named, and nothing is left."""
    words = ("--until", "0.2%", "--budget", "12s")

    ended = poolbench("run", write(tmp_path, QUICK), *words, results=results_dir)

    summary = summary_of(only_run(results_dir))
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert summary.precision
    assert not summary.precision.is_reached
    assert "not reached in" in summary.notes[-1]
    assert "Still wide: io.sleep (threads against solo)" in summary.notes[-1]
    assert leftovers(results_dir) == []
