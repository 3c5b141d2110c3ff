"""Raw records for everyone: documented columns, of which every figure can be recomputed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from collector.schema import RECORD_SCHEMA, SAMPLE_SCHEMA
from collector.store import RunFolder
from report.export import JOB_COLUMNS, Format, Table, export
from report.result import to_json
from report.summary import summarize
from tests.recompute import Record, read, row_figures
from tests.synthetic import BENCH, WORKLOADS, find_trial, make_run, measure_again, spoil

#: Two contenders at sizes of their own, on work that computes and work that waits.
CONTENDERS = (BENCH[0], BENCH[6])


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run in which jobs failed, came again, ran twice and were lost; with a pilot and a rate.

    One trial was measured once more.
    """
    folder = make_run(tmp_path / "run", contenders=CONTENDERS, workloads=WORKLOADS[1:3])
    let_go_wrong(folder)
    return folder


def let_go_wrong(folder: RunFolder) -> None:
    """Let go wrong what can, each in a trial of its own."""
    failed, lost, twice, again = (
        find_trial(folder, contender="prefork-4", workload="cpu.sha256", block=block)
        for block in range(4)
    )
    disturbed, later = (
        find_trial(folder, contender="gevent-100", workload="cpu.sha256", block=block)
        for block in (3, 4)
    )
    jobs = folder.read_jobs()
    trial, seq = pl.col("trial"), pl.col("seq")
    bad = pl.when((trial == failed) & (seq < 4)).then(pl.lit("failed")).otherwise("outcome")
    jobs = jobs.with_columns(outcome=bad)
    ended = pl.when((trial == again) & (seq == 1)).then(pl.col("finished_ns") + 9)
    jobs = jobs.with_columns(finished_again_ns=ended.otherwise("finished_again_ns"))
    repeated = jobs.filter((trial == twice) & (seq == 7)).with_columns(nonce=pl.lit("f" * 16))
    retried = jobs.filter((trial == failed) & (seq < 3)).with_columns(
        outcome=pl.lit("retried"), attempt=pl.lit(1, pl.Int64), nonce=pl.lit("e" * 16)
    )
    kept = jobs.filter((trial != lost) | ~seq.is_in([0, 17, 39]))
    folder.write_jobs(pl.concat([kept, repeated, retried]))
    spoil(folder, contender="prefork-4", workload="cpu.sha256", block=4, is_pilot=True)
    at_a_rate: dict[str, Any] = {"arrivals": "constant", "rate_per_s": 40.0}
    spoil(folder, contender="gevent-100", workload="io.sleep", block=2, **at_a_rate)
    measure_again(folder, trial=disturbed, by=later)


def exported(folder: RunFolder, *, table: Table = Table.JOBS, form: Format = Format.CSV) -> bytes:
    """Return a table's export."""
    file = io.BytesIO()
    export(folder, file, table=table, form=form)
    return file.getvalue()


def rows_of(folder: RunFolder, *, table: Table = Table.JOBS) -> list[Record]:
    """Return a table as plain Python reads its CSV."""
    file = folder.path / "exported.csv"
    file.write_bytes(exported(folder, table=table))
    return read(file)


def of_row(rows: list[Record], row: dict[str, Any]) -> list[Record]:
    """Return the records of one row of the summary."""
    wanted = (row["contender"], row["workload"])
    return [one for one in rows if (one["contender"], one["workload"]) == wanted]


def is_close(value: Any, expected: Any) -> bool:
    """Tell whether both are the same to six digits, table by table; counts to the last one."""
    if isinstance(expected, dict):
        return value.keys() == expected.keys() and all(
            is_close(value[name], expected[name]) for name in expected
        )
    if expected is None or isinstance(expected, int):
        return bool(value == expected)
    return bool(value == pytest.approx(expected, rel=1e-5))


def test_plain_python_recomputes_every_figure(folder: RunFolder) -> None:
    """Ledger, throughput, all percentiles, CPU and memory of each row, from two CSV files."""
    jobs, samples = rows_of(folder), rows_of(folder, table=Table.SAMPLES)
    rows = json.loads(to_json(summarize(folder)))["rows"]

    for row in rows:
        mine = of_row(jobs, row)
        found = row_figures(mine, samples)
        for name, value in found.items():
            assert is_close(value, row[name]), (row, name)
    assert {name for row in rows for name, count in row["ledger"].items() if count} == {
        "sent", "done", "failed", "retried", "lost", "duplicated",
    }  # fmt: skip


def test_a_job_without_a_record_has_a_row(folder: RunFolder) -> None:
    """Its trial and its seq, nothing else, at its place: what is lost can be counted."""
    trial = str(find_trial(folder, contender="prefork-4", workload="cpu.sha256", block=1))
    mine = [row for row in rows_of(folder) if row["trial"] == trial]
    lost = [row for row in mine if not row["nonce"]]

    assert [row["seq"] for row in lost] == ["0", "17", "39"]
    assert [int(row["seq"]) for row in mine] == list(range(40))
    assert {row["contender"] + row["workload"] for row in lost} == {"prefork-4cpu.sha256"}
    assert {row["outcome"] + row["due_ns"] for row in lost} == {""}


def test_formats_hold_the_same(folder: RunFolder) -> None:
    """CSV, NDJSON and Parquet, in the order of the documented columns, value by value."""
    found = {form: exported(folder, form=form) for form in Format}
    rows = pl.read_parquet(found[Format.PARQUET])
    lines = [json.loads(line) for line in found[Format.NDJSON].splitlines()]
    types = {name: rows.schema[name] for name in JOB_COLUMNS}

    assert rows.columns == list(JOB_COLUMNS) == list(lines[0])
    assert lines == rows.to_dicts()
    assert pl.read_csv(found[Format.CSV], schema=types, null_values="").equals(rows)


def test_every_record_is_there_unchanged(tmp_path: Path) -> None:
    """The columns of jobs.parquet, row by row; without records, every job that was sent is lost."""
    folder = make_run(tmp_path / "run", contenders=CONTENDERS[:1], workloads=WORKLOADS[2:3])

    rows = pl.read_parquet(exported(folder, form=Format.PARQUET))

    assert rows.select(RECORD_SCHEMA.names()).equals(folder.read_jobs())
    folder.jobs_path.unlink()
    folder.samples_path.unlink()
    assert (len(rows_of(folder)), rows_of(folder, table=Table.SAMPLES)) == (5 * 40, [])


def test_a_run_of_yesterday_lacks_a_column(folder: RunFolder) -> None:
    """A column that it didn't write is empty, not a fault."""
    jobs = pl.read_parquet(folder.jobs_path)
    metadata = pl.read_parquet_metadata(folder.jobs_path)
    kept = {key: value for key, value in metadata.items() if key.startswith("poolbench")}
    jobs.drop("slot").write_parquet(folder.jobs_path, metadata=kept)

    assert {row["slot"] for row in rows_of(folder)} == {""}


def test_the_page_of_columns_is_current() -> None:
    """docs/columns.md has every column in the order of the files, with its type and meaning."""
    page = Path("docs/columns.md").read_text(encoding="utf-8")
    found = [line.split(" | ", 2) for line in page.splitlines() if line.startswith("| `")]

    kinds = {int: "int64", str: "string", bool: "bool"}
    jobs = [[name, kinds[kind], text] for name, (kind, text) in JOB_COLUMNS.items()]
    types = [[name, str(dtype).lower()] for name, dtype in SAMPLE_SCHEMA.items()]
    rows = [[name.strip("|` "), kind, text.removesuffix(" |")] for name, kind, text in found]
    assert rows[: len(jobs)] == jobs
    assert [row[:2] for row in rows[len(jobs) :]] == types
