"""A run's reports on disk: written whole, and the same from the same records."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from collector.fold import fold
from collector.schema import LINE_SCHEMA
from collector.store import RunFolder
from poolbench.errors import UsageError
from report.build import write_chart, write_reports
from report.result import from_json
from tests.synthetic import WORKLOADS, make_run


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of all contenders on one workload."""
    return make_run(tmp_path / "run", workloads=WORKLOADS[:1])


def test_reports_come_from_the_raw_records_alone(folder: RunFolder, tmp_path: Path) -> None:
    """Written whole over old ones, from manifest, records and samples; what is returned is there.

    The collector's own fold makes what the report reads: the same summary.
    """
    (folder.path / "report.html").write_text("old")
    other = tmp_path / "other"
    raw = ("manifest.json", "jobs.parquet", "samples.parquet")
    reports = ("summary.json", "report.html")

    summary = write_reports(folder.path)

    assert {file.name for file in folder.path.iterdir()} == {*raw, *reports}
    assert from_json((folder.path / "summary.json").read_bytes()) == summary
    other.mkdir()
    for name in raw:
        shutil.copy(folder.path / name, other / name)
    write_reports(other)
    for name in reports:
        assert (other / name).read_bytes() == (folder.path / name).read_bytes()
    folder.write_jobs(fold(_lines(folder.read_jobs())))
    assert write_reports(folder.path) == summary


def test_a_chart_is_written_as_an_image(folder: RunFolder, tmp_path: Path) -> None:
    """By the name of the page's chart, or as the one of its first screen; no report is made.

    An unknown one is refused with the nearest and all names.
    """
    lead, latency, none = (tmp_path / name for name in ("lead.svg", "latency.png", "none.svg"))

    write_chart(folder.path, name="lead", output=lead)
    write_chart(folder.path, name="latency-cpu.primes", output=latency)
    with pytest.raises(UsageError, match=r"did you mean throughput-cpu\.primes\?") as caught:
        write_chart(folder.path, name="througput-cpu.primes", output=none)

    assert "times the throughput of solo" in lead.read_text(encoding="utf-8")
    assert latency.read_bytes().startswith(b"\x89PNG")
    assert not (folder.path / "report.html").exists()
    assert "lead, advantage, throughput-cpu.primes, latency-cpu.primes" in str(caught.value)
    assert not none.exists()


def _lines(records: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of which the records were folded: received, started, finished."""
    identity = ["run", "trial", "seq", "contender", "kind", "task_id", "attempt", "nonce"]
    identity += ["due_ns", "sent_ns"]
    slot = ["host", "boot_id", "pid", "slot", "pool_seen", "sockets_patched", "gil_enabled"]

    def moment(name: str, *columns: str, **constant: str) -> pl.DataFrame:
        return records.select(
            pl.lit(1, pl.Int64).alias("v"),
            pl.lit(name).alias("m"),
            pl.col(f"{name}_ns").alias("t_ns"),
            *identity,
            *columns,
            **{key: pl.lit(value) for key, value in constant.items()},
        )

    moments = [
        moment("received"),
        moment("started", "blocked_ns", *slot),
        moment("finished", "work_ns", "cpu_ns", "blocked_ns", *slot, state="SUCCESS"),
    ]
    return pl.concat([LINE_SCHEMA.to_frame(), *moments], how="diagonal")
