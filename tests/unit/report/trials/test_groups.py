"""Figures of each group of a contender with several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from collector.run_manifest import Contender, WorkerGroup
from report.page.row_table import groups_of
from report.result import RowSummary
from report.summary import summarize
from report.terminal.group_table import group_table
from tests.summaries import printed, row_of
from tests.synthetic import Workload, make_run

TWO = Contender(
    name="two",
    pool="groups",
    slots=8,
    groups=(
        WorkerGroup(name="web", pool="threads", slots=3, workers=2),
        WorkerGroup(name="mail", pool="solo", slots=1),
        WorkerGroup(name="idle", pool="solo", slots=1, queues=("other",)),
    ),
)


@pytest.fixture
def row(tmp_path: Path) -> RowSummary:
    """A run whose jobs were all run by two of three groups, three quarters by the first."""
    workload = Workload(name="io.sleep", kind="io.sleep", per_s={"two": 80.0})
    folder = make_run(tmp_path / "run", blocks=2, contenders=[TWO], workloads=[workload], jobs=80)
    names = ["two:web:1.r@host", "two:web:2.r@host", "two:web:2.r@host", "two:mail:1.r@host"]
    worker = pl.col("seq").mod(4).replace_strict(dict(enumerate(names)), return_dtype=pl.String)
    folder.write_jobs(folder.read_jobs().with_columns(worker=worker))
    samples = folder.read_samples()
    shares = {"two/web": 0.9, "two/mail": 0.1}
    of_groups = [
        samples.with_columns(
            contender=pl.lit(name),
            cpu_s=pl.col("cpu_s") * share,
            pss_bytes=(pl.col("pss_bytes") * share).cast(pl.Int64),
        )
        for name, share in shares.items()
    ]
    folder.write_samples(pl.concat([samples, *of_groups]))
    return row_of(summarize(folder), "two")


def test_a_group_s_figures_are_of_its_own_workers(row: RowSummary) -> None:
    """Its executions and processes alone; throughputs and costs add up to the contender's."""
    web, mail, idle = row.groups

    assert (web.execution_share, mail.execution_share, idle.execution_share) == (0.75, 0.25, 0.0)
    assert web.throughput_per_s is not None
    assert mail.throughput_per_s is not None
    assert row.throughput_per_s is not None
    whole = web.throughput_per_s.median + mail.throughput_per_s.median
    assert whole == pytest.approx(row.throughput_per_s.median, rel=0.1)
    assert web.pss_bytes == pytest.approx(0.9 * (row.pss_bytes or 0))
    costs = [0.75 * (web.cpu_s_per_1000_jobs or 0), 0.25 * (mail.cpu_s_per_1000_jobs or 0)]
    assert sum(costs) == pytest.approx(row.cpu_s_per_1000_jobs, rel=0.01)
    assert (idle.throughput_per_s, idle.p95_execution_s) == (None, None)


def test_a_trial_without_records_has_groups_without_figures(tmp_path: Path) -> None:
    """As of a run whose broker was lost before it stored any."""
    workload = Workload(name="io.sleep", kind="io.sleep", per_s={"two": 80.0})
    folder = make_run(tmp_path / "run", blocks=1, contenders=[TWO], workloads=[workload], jobs=80)
    folder.write_jobs(folder.read_jobs().clear())

    lost = row_of(summarize(folder), "two")

    assert lost.mark == "!"
    assert {(one.throughput_per_s, one.execution_share) for one in lost.groups} <= {(None, None)}


def test_the_page_has_columns_for_each_group(row: RowSummary) -> None:
    """None for a row without groups."""
    table = groups_of([row])

    assert table.groups == [("web", 5), ("mail", 5), ("idle", 1)]
    assert "75 %" in [column.show(row) for column in table.columns]
    assert groups_of([replace(row, groups=())]).columns == ()


def test_details_show_each_group(row: RowSummary) -> None:
    """Below its contender, with the slots of each worker; nothing without groups."""
    table = group_table([row])
    assert table is not None

    text = printed(table, width=100)

    assert "2 × 3" in text
    assert "75 %" in text
    assert text.count("two") == 1
