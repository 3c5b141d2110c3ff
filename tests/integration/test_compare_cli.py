"""`poolbench compare`, `export` and `report` as a CI job calls them: streams and exit codes."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from collector.store import RunFolder
from lab.commands.main import app
from poolbench.errors import UsageError
from report.result import to_json
from report.summary import summarize
from tests.pairs import make_pair
from tests.synthetic import BROKER_LOST, edit_manifest, flat_manifest, spoil, write_flat

Poolbench = Callable[..., Result]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with run ``a`` and run ``b``, whose gevent does 0.7 × the work."""
    path = tmp_path_factory.mktemp("results")
    make_pair(path, speeds={"gevent-4": 0.7})
    return path


@pytest.fixture
def poolbench(results: Path, monkeypatch: pytest.MonkeyPatch) -> Poolbench:
    """Call the command line in this process; what it raises for people is in the result."""
    monkeypatch.setenv("POOLBENCH_RESULTS_DIR", str(results))
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_only_a_missed_threshold_is_a_failure(poolbench: Poolbench) -> None:
    """Results on standard output in each case; what was missed, with row and number, beside it."""
    fail_on = ("--fail-on", "throughput < 0.95")

    # worse is news, and no threshold was set; latest is b, the last by its name
    worse, better = (
        poolbench("compare", "a", "b"),
        poolbench("compare", "latest", "a", "--markdown", *fail_on),
    )
    missed = poolbench("compare", "a", "b", *fail_on)
    as_json = poolbench("compare", "a", "b", "--json", *fail_on)

    assert [one.exit_code for one in (worse, better, missed, as_json)] == [0, 0, 99, 99]
    assert "worse" in worse.stdout
    assert '✅ `--fail-on "throughput < 0.95"`: 2 of 2 rows pass' in better.stdout
    assert "1 of 2 rows pass" in missed.stdout
    (found,) = [one for one in json.loads(as_json.stdout)["conditions"] if one["number"] < 0.95]
    assert (found["contender"], found["status"]) == ("gevent-4", "missed")
    assert f"missed: gevent-4/io.sleep: throughput {found['number']:.2f} ×" in as_json.stderr


def test_a_kept_summary_is_a_baseline(poolbench: Poolbench, results: Path, tmp_path: Path) -> None:
    """The file alone, without any folder: the same comparison as with the run."""
    baseline = tmp_path / "main.json"
    baseline.write_text(to_json(summarize(RunFolder(results / "a"))), encoding="utf-8")

    kept = poolbench("compare", baseline, "b", "--json")

    assert kept.exit_code == 0
    assert kept.stdout == poolbench("compare", "a", results / "b", "--json").stdout


def test_junit_is_written_beside(poolbench: Poolbench, tmp_path: Path) -> None:
    """The file holds the failure, standard output the tables."""
    file = tmp_path / "compare.xml"

    ended = poolbench("compare", "a", "b", "--junit", file, "--fail-on", "pss < 2")

    assert ended.exit_code == 99
    assert ET.parse(file).getroot().attrib["failures"] == "2"  # noqa: S314 -- our own file
    assert "0 of 2 rows pass" in ended.stdout


def test_unlike_conditions_are_refused_by_name(poolbench: Poolbench, tmp_path: Path) -> None:
    """Each of them, with both values and with what would let it pass; nothing is printed."""
    run = make_pair(tmp_path)[1]
    manifest = flat_manifest(run)
    manifest["machine"]["cores"] = 8
    manifest["celery"]["threads-4"]["worker_prefetch_multiplier"] = 1
    write_flat(run, manifest)

    ended = poolbench("compare", "a", run.path)

    assert isinstance(ended.exception, UsageError)
    assert ended.exception.exit_code == 2
    said = str(ended.exception)
    assert "machine cores: 2 in A, 8 in B. Add --across machine if you compare that" in said
    assert "settings threads-4: worker_prefetch_multiplier: 4 in A, 1 in B" in said
    assert ended.stdout == ""
    forced = poolbench("compare", "a", run.path, "--across", "machine", "--force")
    assert forced.exit_code == 0
    assert "FORCED, different conditions: settings threads-4" in " ".join(forced.stdout.split())


def test_every_fault_of_the_input_is_told_at_once(poolbench: Poolbench, tmp_path: Path) -> None:
    """Conditions, topics, formats, places: one message."""
    ended = poolbench(
        "compare", "a", "c", "--fail-on", "thruput < x", "--across", "verions",
        "--json", "--markdown", "--junit", tmp_path / "no" / "x.xml",
    )  # fmt: skip

    assert isinstance(ended.exception, UsageError)
    assert len(ended.exception.faults) == 6
    assert "--across = verions is invalid: unknown topic. Did you mean versions?" in str(
        ended.exception
    )


def test_an_invalid_row_ends_with_1(poolbench: Poolbench, tmp_path: Path) -> None:
    """Nothing of it is compared, and the exit code says so."""
    pair = make_pair(tmp_path)
    spoil(pair[0], reasons=[BROKER_LOST])

    ended = poolbench("compare", pair[0].path, pair[1].path, "--fail-on", "throughput < 0.9")

    assert ended.exit_code == 1
    assert "18 not compared" in ended.stdout


def test_a_required_threshold_missed_is_99(poolbench: Poolbench, tmp_path: Path) -> None:
    """`poolbench report`: row and number on standard error and page."""
    pair = make_pair(tmp_path)
    edit_manifest(pair[0], fail_on=["gevent-4: throughput_per_s < 500"])

    ended = poolbench("report", pair[0].path)

    assert ended.exit_code == 99
    assert "missed: gevent-4/io.sleep: throughput_per_s 7" in ended.stderr
    assert "Thresholds" in ended.stdout
    page = (pair[0].path / "report.html").read_text(encoding="utf-8")
    assert "and must not be &lt; 500" in page


@pytest.mark.parametrize("words", [("report", "--json"), ("export",), ("compare", "a")])
def test_every_command_takes_latest(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest run, by the time at which it was made; its help says so."""
    monkeypatch.setenv("POOLBENCH_RESULTS_DIR", str(tmp_path))
    older, newer = make_pair(tmp_path, blocks=(1, 1))
    edit_manifest(older, created_ns=2)
    edit_manifest(newer, created_ns=3)

    ended = CliRunner().invoke(app, [*words, "latest"])

    said = CliRunner().invoke(app, [words[0], "--help"]).stdout.replace("│", " ")
    assert "or latest: the newest run" in " ".join(said.split())
    assert ended.exit_code == 0, ended.exception
    if words[0] == "report":
        assert [path.parent.name for path in tmp_path.glob("*/report.html")] == ["b"]


def test_a_reader_that_leaves_early_is_no_fault(results: Path) -> None:
    """`poolbench export RUN | head -1`: the line, and nothing on standard error."""
    words = [sys.executable, "-m", "poolbench", "export", str(results / "a")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()

    assert first.startswith(b"run,trial,seq,")
    assert (process.returncode, errors) == (0, b"")


def test_an_export_goes_to_a_file(poolbench: Poolbench, tmp_path: Path) -> None:
    """Whole or not at all, and the same as on standard output."""
    file = tmp_path / "jobs.csv"

    ended = poolbench("export", "a", "--output", file)

    assert ended.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert len(rows) == 2 * 6 * 40
    assert [one.name for one in tmp_path.iterdir()] == ["jobs.csv"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("report", "lastest"),
            "run = lastest is invalid: there is no such run. Did you mean latest?",
        ),
        (
            ("export", "lastest"),
            "run = lastest is invalid: there is no such run. Did you mean latest?",
        ),
        (
            ("export", "a", "--output", "no/x.csv"),
            "--output = no/x.csv is invalid: there is no folder no. Create",
        ),
        (
            ("report", "lastest", "--output", "x.svg"),
            "--output is invalid: needs --chart. Add --chart lead.",
        ),
        (
            ("report", "lastest", "--chart", "lead"),
            "--output is invalid: --chart needs it. Add --output FILE.svg or FILE.png.",
        ),
        (
            ("report", "lastest", "--chart", "lead", "--output", "x.gif"),
            "--output = x.gif is invalid: must end in .svg or .png.",
        ),
        (
            ("report", "lastest", "--chart", "lead", "--output", "no/x.svg"),
            "--output = no/x.svg is invalid: there is no folder no.",
        ),
    ],
)
def test_a_wrong_word_is_a_fault_of_the_input(
    poolbench: Poolbench, words: tuple[str, ...], said: str
) -> None:
    """Reported before anything is read."""
    ended = poolbench(*words)

    assert isinstance(ended.exception, UsageError)
    assert str(ended.exception).startswith(said)
