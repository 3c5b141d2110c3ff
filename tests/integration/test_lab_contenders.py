"""Contenders that are more than a pool: any setting of Celery, several workers, several queues."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from collector.reasons import Code
from poolbench.errors import ExitCode
from report.build import write_reports
from tests.integration.test_lab_run import (
    Disturbance,
    conduct,
    experiment,
    only_run,
    poolbench,
    write,
)
from tests.synthetic import flat_manifest

EXPERIMENT = """\
# Which workers?
title = "Which workers?"
[profile.demo]
repetitions = 1
trial_s = 0.5
contenders = ["alone", "twice", "grouped", "tuned", "limited"]

[[contender]]
name = "alone"
pool = "threads"
slots = 2

[[contender]]
name = "twice"
pool = "threads"
slots = 2
workers = 2

[[contender]]
name = "grouped"
celery = { task_track_started = true }
[[contender.group]]
name = "all"
pool = "threads"
slots = 1
[[contender.group]]
name = "short"
pool = "prefork"
slots = 2
queues = ["short"]
celery = { broker_transport_options = { visibility_timeout = 5 } }

[[contender]]
name = "tuned"
pool = "prefork"
slots = 2
settings = { gossip = true, mingle = true, heartbeat = true }
celery = { worker_prefetch_multiplier = 0, task_time_limit = 30 }
arguments = ["--max-tasks-per-child", "1000", "--autoscale", "2,1"]

[[contender]]
name = "limited"
pool = "gevent"
slots = 8
celery = { task_annotations = { "io.sleep" = { rate_limit = "2/s" } } }

[[workload]]
name = "mail"
[[workload.mix]]
name = "short"
kind = "io.http"
parameters = { delay_ms = 5 }
queue = "short"
share = 0.8
[[workload.mix]]
name = "long"
kind = "io.http"
parameters = { delay_ms = 20 }
share = 0.2
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of one run of all of them."""
    folder = tmp_path_factory.mktemp("contenders")
    results = folder / "results"
    ended = poolbench("run", write(folder, EXPERIMENT), "--json", results=results)
    assert ended.returncode == ExitCode.OK, ended.stderr
    return results


def content(results: Path, name: str) -> dict[str, Any]:
    """Return a JSON file of the run."""
    found: dict[str, Any] = json.loads((only_run(results) / name).read_text(encoding="utf-8"))
    return found


def rows(results: Path) -> dict[str, dict[str, Any]]:
    """Return the run's rows by contender."""
    return {row["contender"]: row for row in content(results, "summary.json")["rows"]}


def test_every_job_is_done_whatever_the_workers(results: Path) -> None:
    """Each ledger closes, and the only mark is that of a single repetition."""
    for row in rows(results).values():
        assert row["ledger"]["sent"] == row["ledger"]["done"] > 0
        assert row["mark"] == "?", row["reasons"]


def test_each_worker_is_started_and_ended(results: Path) -> None:
    """With a log of its own; a contender's slots are those of all its workers."""
    manifest = content(results, "manifest.json")
    logs: dict[str, list[str]] = {}
    for worker in manifest["workers"]:
        assert worker["exit_code"] == 0
        logs.setdefault(worker["contender"], []).append(worker["log"])

    assert logs["alone"] == ["logs/000-alone.log"]
    assert logs["twice"] == ["logs/000-twice-1.log", "logs/000-twice-2.log"]
    assert logs["grouped"] == ["logs/000-grouped-all-1.log", "logs/000-grouped-short-1.log"]
    assert {name: row["slots"] for name, row in rows(results).items()} == {
        "alone": 2, "twice": 4, "grouped": 3, "tuned": 2, "limited": 8
    }  # fmt: skip


def test_the_settings_are_in_effect(results: Path) -> None:
    """As each worker reports them; a group's are its own."""
    manifest = content(results, "manifest.json")
    celery = manifest["celery"]

    assert manifest["settings_unmet"] == {}
    assert celery["tuned"]["worker_prefetch_multiplier"] == 0
    assert celery["tuned"]["task_time_limit"] == 30
    assert celery["grouped/all"]["task_track_started"] is True
    options = celery["grouped/short"]["broker_transport_options"]
    assert (options["visibility_timeout"], options["socket_keepalive"]) == (5, True)
    assert celery["grouped/all"]["broker_transport_options"]["visibility_timeout"] == 7_200


def test_each_group_runs_the_jobs_of_its_queues(results: Path) -> None:
    """Short jobs in the group that consumes their queue, all others in the other one."""
    both, short = rows(results)["grouped"]["groups"]

    assert (both["pool"], short["pool"]) == ("threads", "prefork")
    assert short["execution_share"] == pytest.approx(0.8, abs=0.05)
    assert both["p95_execution_s"] > short["p95_execution_s"]
    assert both["pss_bytes"] > 0
    assert short["cpu_s_per_1000_jobs"] > 0


def test_slots_that_settings_keep_idle_are_noted(results: Path) -> None:
    """A sleep of 0.3 s starts each half second; the contender is taken as ready all the same."""
    reasons = {one["code"]: one["parameters"] for one in rows(results)["limited"]["reasons"]}

    assert reasons["slots-unseen"]["slots"] == 8
    assert reasons["slots-unseen"]["seen"] < 4


def test_a_contender_of_which_one_worker_dies_is_replaced(tmp_path: Path) -> None:
    """Its trial is invalid although the other worker goes on; both are started anew."""
    text = experiment(
        pools={"threads": 2}, repetitions=2, kind="io.sleep", parameters="{ delay_ms = 200 }"
    ).replace("slots = 2", "slots = 2\nworkers = 2")
    killed: list[int] = []

    def kill_first(process: psutil.Process) -> None:
        if not killed:
            killed.append(process.pid)
            process.kill()

    folder = conduct(tmp_path, text, progress=Disturbance("threads", {0.5: kill_first}))

    row = write_reports(folder.path).rows[0]
    manifest = flat_manifest(folder)
    first, second = [trial for trial in manifest["trials"] if not trial["is_pilot"]]
    assert [one["code"] for one in first["reasons"]] == [Code.WORKER_EXITED]
    assert second["reasons"] == []
    assert row.reasons[0].code is Code.WORKER_EXITED
    codes = [worker["exit_code"] for worker in manifest["workers"]]
    assert sorted(codes) == [-signal.SIGKILL, 0, 0, 0, 0, 0]
