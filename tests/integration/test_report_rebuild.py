"""A run's reports on disk: written whole, rebuilt alike, refused in one line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from collector.fold import fold
from collector.schema import LINE_SCHEMA
from poolbench.errors import StorageError, UsageError
from report.build import write_chart, write_reports
from report.result import from_json
from tests.synthetic import WORKLOADS, flat_manifest, make_run

_TOP = Path(__file__).resolve().parents[2]
_REBUILD = (
    "import pathlib, sys; from report.build import write_chart, write_reports;"
    "write_reports(pathlib.Path(sys.argv[1]))"
)


def rebuild(path: Path, *, hash_seed: str, threads: str) -> tuple[bytes, bytes]:
    """Report the run in a fresh interpreter; return summary.json and report.html."""
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "POLARS_MAX_THREADS": threads}
    subprocess.run([sys.executable, "-c", _REBUILD, path], cwd=_TOP, env=environment, check=True)
    return (path / "summary.json").read_bytes(), (path / "report.html").read_bytes()


def test_another_process_rebuilds_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the hash seed and the count of threads: summary and page, byte for byte."""
    path = make_run(tmp_path / "run", workloads=WORKLOADS[:1]).path

    first = rebuild(path, hash_seed="1", threads="1")

    assert rebuild(path, hash_seed="2", threads="2") == first


def test_reports_come_from_the_raw_records_alone(tmp_path: Path) -> None:
    """Manifest, records and samples in another folder make the same reports."""
    path = make_run(tmp_path / "run", workloads=WORKLOADS[:1]).path
    write_reports(path)
    other = tmp_path / "other"
    other.mkdir()
    for name in ("manifest.json", "jobs.parquet", "samples.parquet"):
        shutil.copy(path / name, other / name)

    write_reports(other)

    for name in ("summary.json", "report.html"):
        assert (other / name).read_bytes() == (path / name).read_bytes()


def test_what_is_returned_is_what_is_written(tmp_path: Path) -> None:
    """The summary in memory and the one on disk are one."""
    path = make_run(tmp_path / "run", workloads=WORKLOADS[:1]).path

    summary = write_reports(path)

    assert from_json((path / "summary.json").read_bytes()) == summary


def test_records_folded_from_lines_are_reported(tmp_path: Path) -> None:
    """The collector's own fold makes what the report reads: the same summary."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    before = write_reports(folder.path)
    folder.write_jobs(fold(_lines(folder.read_jobs())))

    assert write_reports(folder.path) == before


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    """A report writes over an old one and leaves no temporary file."""
    path = make_run(tmp_path / "run", workloads=WORKLOADS[:1]).path
    (path / "report.html").write_text("old")

    write_reports(path)

    names = {file.name for file in path.iterdir()}
    assert names == {
        "manifest.json", "jobs.parquet", "samples.parquet", "summary.json", "report.html",
    }  # fmt: skip
    assert (path / "report.html").stat().st_size > 10_000


def test_a_folder_that_is_no_run_is_one_line(tmp_path: Path) -> None:
    """No manifest: a line that names the file, and no report."""
    with pytest.raises(StorageError, match=r"manifest\.json: no such file") as caught:
        write_reports(tmp_path)

    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_another_format_version_is_refused(tmp_path: Path) -> None:
    """A folder of tomorrow's Poolbench is not guessed at."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    manifest = flat_manifest(folder) | {"format": 99}
    folder.manifest_path.write_text(json.dumps(manifest))

    with pytest.raises(StorageError, match="format version 99"):
        write_reports(folder.path)


def test_a_chart_is_written_as_an_image(tmp_path: Path) -> None:
    """By the name of the page's chart, or as the one of its first screen; no report is made."""
    path = make_run(tmp_path / "run", workloads=WORKLOADS[:1]).path

    write_chart(path, name="lead", output=tmp_path / "lead.svg")
    write_chart(path, name="latency-cpu.primes", output=tmp_path / "latency.png")

    assert "times the throughput of solo" in (tmp_path / "lead.svg").read_text(encoding="utf-8")
    assert (tmp_path / "latency.png").read_bytes().startswith(b"\x89PNG")
    assert not (path / "report.html").exists()


def test_an_unknown_chart_is_refused_with_the_nearest_and_all_names(tmp_path: Path) -> None:
    """Nothing is written."""
    path = make_run(tmp_path / "run", workloads=WORKLOADS[:1]).path

    with pytest.raises(UsageError) as caught:
        write_chart(path, name="througput-cpu.primes", output=tmp_path / "chart.svg")

    text = str(caught.value)
    assert "did you mean throughput-cpu.primes?" in text
    assert "lead, advantage, throughput-cpu.primes, latency-cpu.primes" in text
    assert not (tmp_path / "chart.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "chart.svg"], "--output: no chart; add --chart lead"),
        (["--chart", "lead"], "--output: no image file; add --output FILE.svg or FILE.png"),
        (
            ["--chart", "lead", "--output", "chart.gif"],
            "--output: no image file: chart.gif; add --output FILE.svg or FILE.png",
        ),
        (["--chart", "lead", "--output", "none/chart.svg"], "--output: no such folder: none;"),
    ],
)
def test_an_image_takes_a_chart_and_a_file(arguments: list[str], message: str) -> None:
    """One without the other is refused, before the run is looked for."""
    command = [sys.executable, "-m", "poolbench", "report", "latest", *arguments]

    done = subprocess.run(command, cwd=_TOP, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())


def _lines(records: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of which the records were folded: received, started, finished."""
    identity = ["run", "trial", "seq", "contender", "kind", "task_id", "attempt", "nonce"]
    identity += ["due_ns", "sent_ns"]
    slot = ["work_ns", "cpu_ns", "blocked_ns", "host", "boot_id", "pid", "slot", "pool_seen"]
    slot += ["sockets_patched", "gil_enabled"]
    empty = LINE_SCHEMA.to_frame()

    def moment(name: str, columns: list[str], **constant: str) -> pl.DataFrame:
        values = [pl.lit(value).alias(key) for key, value in constant.items()]
        return records.select(
            pl.lit(1, pl.Int64).alias("v"),
            pl.lit(name).alias("m"),
            pl.col(f"{name}_ns").alias("t_ns"),
            *identity,
            *columns,
            *values,
        )

    return pl.concat(
        [
            empty,
            moment("received", []),
            moment("started", slot[2:]),
            moment("finished", slot, state="SUCCESS"),
        ],
        how="diagonal",
    )
