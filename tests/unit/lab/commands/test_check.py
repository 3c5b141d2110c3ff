"""`poolbench check`: what a valid file measures, and every fault of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.commands.main import app
from poolbench.errors import UsageError


def test_a_valid_file_shows_what_each_profile_measures_and_takes() -> None:
    """Contenders, workloads, trials in a repetition, and how long a run takes."""
    done = CliRunner().invoke(app, ["check", "experiments/mixed.toml"])

    assert done.exit_code == 0
    assert "How much may a job compute" in done.stdout
    assert "demo     2            36 " in done.stdout
    assert "prefork-8-twin" in done.stdout
    assert "workloads: only waits · a tenth computes" in done.stdout


def test_all_faults_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    """Each with its file; the valid file beside them is shown all the same."""
    broken, missing = tmp_path / "broken.toml", tmp_path / "missing.toml"
    text = Path("experiments/gil.toml").read_text(encoding="utf-8")
    broken.write_text(text.replace('"solo"\nslots = 1', '"sole"\nslots = 0', 1), encoding="utf-8")
    files = [str(broken), str(missing), "experiments/mix.toml"]

    done = CliRunner().invoke(app, ["check", *files])

    assert isinstance(done.exception, UsageError)
    assert {fault.where.split(":")[0] for fault in done.exception.faults} == set(files[:2])
    assert "Do long jobs slow down short ones?" in done.stdout


@pytest.mark.parametrize("file", sorted(Path("experiments").rglob("*.toml")), ids=str)
def test_every_shipped_experiment_is_valid(file: Path) -> None:
    """In each of its profiles."""
    assert CliRunner().invoke(app, ["check", str(file)]).exit_code == 0
