"""A built recording, repeated on real workers: its jobs, when they are due, and what they take."""

from __future__ import annotations

import polars as pl
import pytest
from rich.console import Console

from collector.run_manifest import Manifest
from collector.store import RunFolder
from lab.run.progress import RunProgress
from report.result import Summary
from report.summary import summarize
from tests.integration.test_lab_run import CONTENDER, conduct
from tests.recordings import RecordedApp, RecordedJob, jobs_of, poisson, write_recording

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

POOLS = {"threads": 4, "prefork": 4}

#: Recorded, and repeated at twice the pace.
SPAN_S, SPEED = 6.0, 2.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Return one run of a recording on two pools."""
    place = tmp_path_factory.mktemp("replay")
    fetches = jobs_of(
        "shop.fetch",
        poisson(per_s=10, duration_s=SPAN_S),
        lambda number: {"core_held": 0.002, "io_wait": 0.2 if number % 10 == 9 else 0.02},
        queue="default",
    )
    flaky = {"core_released": 0.004}
    others = [
        RecordedJob(task="shop.flaky", at_s=1, states=flaky, outcome="retried", task_id="5" * 16),
        RecordedJob(task="shop.flaky", at_s=2, states=flaky, attempt=1, task_id="5" * 16),
        RecordedJob(task="shop.broken", at_s=3, states=flaky, outcome="failed", size_bytes=5_000),
        RecordedJob(task="shop.later", at_s=1, states=flaky, countdown_s=2.0, priority=3),
    ]
    write_recording(place / "shop.pbrec", [*fetches, *others], app=RecordedApp(pool="threads"))
    names = ", ".join(f'"{name}"' for name in POOLS)
    contenders = "".join(
        CONTENDER.format(name=name, pool=name, slots=slots) for name, slots in POOLS.items()
    )
    text = (
        f'title = "Replay"\n[profile.demo]\nrepetitions = 1\ntrial_s = 1\ncontenders = [{names}]\n'
        f'{contenders}[[workload]]\nrecorded = "../shop.pbrec"\nspeed = {SPEED}\n'
    )
    inner = place / "run"
    inner.mkdir()
    quiet = RunProgress(Console(quiet=True), title="replay", trials=2, blocks=1)
    return conduct(inner, text, progress=quiet)


@pytest.fixture(scope="module")
def summary(folder: RunFolder) -> Summary:
    """Return its result."""
    return summarize(folder)


def records_of(folder: RunFolder, contender: str) -> pl.DataFrame:
    """Return the executions of one contender's trial."""
    manifest: Manifest = folder.read_manifest()
    (trial,) = (
        index
        for index, entry in enumerate(manifest.trials)
        if entry.plan.contender == contender and not entry.plan.is_pilot
    )
    jobs = pl.read_parquet(folder.path / "jobs.parquet")
    return jobs.filter(pl.col("trial") == trial).sort("due_ns")


@pytest.mark.parametrize("pool", POOLS)
def test_every_recorded_message_is_one_job(summary: Summary, pool: str) -> None:
    """Failures and retries of the recording are planned, and the ledger closes."""
    (row,) = (one for one in summary.rows if one.contender == pool)

    source = summary.workloads[0].recorded
    assert source is not None
    assert row.ledger.sent == source.jobs
    assert (row.ledger.lost, row.ledger.failed, row.ledger.duplicated) == (0, 0, 0)
    assert (row.ledger.retried, row.ledger.failed_as_planned) == (1, 1)


@pytest.mark.parametrize("pool", POOLS)
def test_jobs_are_due_and_last_as_recorded(folder: RunFolder, pool: str) -> None:
    """Due at the recorded times and twice the pace; the long ones are as long as they were."""
    records = records_of(folder, pool)
    fetches = records.filter(pl.col("part") == "shop.fetch.stand-in")
    took_ms = (fetches["work_ns"] / 1e6).to_list()

    recorded_s = [at_s / SPEED for at_s in poisson(per_s=10, duration_s=SPAN_S)]
    due_s = [(due - fetches["due_ns"][0]) / 1e9 for due in fetches["due_ns"]]
    assert due_s == pytest.approx([at_s - recorded_s[0] for at_s in recorded_s], abs=1e-3)
    is_long = [index % 10 == 9 for index in range(len(took_ms))]
    assert min(ms for ms, one in zip(took_ms, is_long, strict=True) if one) > 200
    assert min(took_ms) > 20
    assert sorted(took_ms)[len(took_ms) // 2] < 200


def test_a_countdown_is_as_recorded(folder: RunFolder) -> None:
    """It delays the start, not the message, and isn't shortened by the pace."""
    (later,) = (
        records_of(folder, "threads").filter(pl.col("part") == "shop.later.stand-in").to_dicts()
    )

    assert later["eta_ns"] - later["due_ns"] == pytest.approx(2e9, abs=1e3)
    assert later["started_ns"] >= later["eta_ns"]
