"""Contenders with settings: that each is really in effect, in one whole small run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import redis

from collector.store import RunFolder
from poolbench.errors import ExitCode
from tests.conftest import Server
from tests.integration.test_lab_run import leftovers, only_run, poolbench, write
from tests.synthetic import flat_manifest

#: What the proxy adds to an answer, and what the payload weighs.
DELAY_MS, PAYLOAD_BYTES = 5, 20_000

SETTINGS = {
    "plain": "",
    "late": "settings = { acks_late = true, prefetch_multiplier = 1 }",
    "results": "settings = { result_backend = true }",
    "far": f"settings = {{ redis_delay_ms = {DELAY_MS} }}",
    "heavy": f"settings = {{ payload_bytes = {PAYLOAD_BYTES} }}",
    "flower": "settings = { events = true, flower = true }",
}

EXPERIMENT = (
    '# Do they work?\ntitle = "Do they work?"\nstall_s = 20.0\n'
    "[profile.demo]\nrepetitions = 1\ntrial_s = 0.3\n"
    f"contenders = {json.dumps(list(SETTINGS))}\n"
    + "".join(
        f'[[contender]]\nname = "{name}"\npool = "threads"\nslots = 2\n{settings}\n'
        for name, settings in SETTINGS.items()
    )
    + '[[workload]]\nkind = "io.sleep"\nparameters = { delay_ms = 5 }\n'
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Path:
    """The folder of a run on a broker that goes on living, in which each setting is tried once."""
    folder = tmp_path_factory.mktemp("settings")
    results = folder / "results"
    ended = poolbench(
        "run",
        write(folder, EXPERIMENT),
        results=results,
        within_s=200,
        POOLBENCH_REDIS_URL=server.url,
    )
    assert ended.returncode == ExitCode.OK, ended.stderr + ended.stdout
    assert leftovers(results) == []
    with redis.Redis.from_url(server.url) as client:
        assert list(client.scan_iter(match=f"*{only_run(results).name}*")) == []
    return only_run(results)


@pytest.fixture(scope="module")
def manifest(run_folder: Path) -> dict[str, Any]:
    """The run's manifest."""
    return flat_manifest(RunFolder(run_folder))


@pytest.fixture(scope="module")
def rows(run_folder: Path) -> dict[str, dict[str, Any]]:
    """The summary's rows by contender."""
    summary = json.loads((run_folder / "summary.json").read_text(encoding="utf-8"))
    return {row["contender"]: row for row in summary["rows"]}


def trial_of(manifest: dict[str, Any], contender: str) -> dict[str, Any]:
    """Return the measured trial of a contender."""
    (found,) = (
        trial
        for trial in manifest["trials"]
        if trial["contender"] == contender and not trial["is_pilot"]
    )
    return dict(found)


def test_celery_says_that_the_settings_hold(manifest: dict[str, Any]) -> None:
    """Each worker told its own configuration; the others are as they were."""
    celery = manifest["celery"]

    assert celery.keys() == SETTINGS.keys()
    assert celery["late"]["task_acks_late"] is True
    assert celery["late"]["worker_prefetch_multiplier"] == 1
    assert celery["results"]["task_ignore_result"] is False
    assert celery["plain"]["task_acks_late"] is False
    assert celery["plain"]["worker_prefetch_multiplier"] == 4
    assert celery["plain"]["task_ignore_result"] is True


def test_a_worker_asks_redis_for_what_its_jobs_need(rows: dict[str, dict[str, Any]]) -> None:
    """Nine commands a job; a result costs more of them, a payload only bytes.

    The payload's bytes are there at least three times: read with its job, written to the jobs that
    are not acknowledged, and each time in base64.
    """
    plain = rows["plain"]

    assert 8 < plain["redis_commands_per_job"] < 13
    assert rows["results"]["redis_commands_per_job"] > plain["redis_commands_per_job"] + 2
    assert rows["heavy"]["redis_commands_per_job"] < plain["redis_commands_per_job"] + 2
    extra_bytes = rows["heavy"]["redis_bytes_per_job"] - plain["redis_bytes_per_job"]
    assert 2.5 * PAYLOAD_BYTES < extra_bytes < 6 * PAYLOAD_BYTES


def test_connections_of_a_delayed_worker_are_found(manifest: dict[str, Any]) -> None:
    """The server sees the proxy's, and they are as many as another worker's."""
    far, plain = trial_of(manifest, "far"), trial_of(manifest, "plain")

    assert far["redis"]["commands"] > 8 * far["sent"]
    assert abs(far["redis"]["connections"] - plain["redis"]["connections"]) <= 2


def test_a_proxy_adds_its_delay(manifest: dict[str, Any], rows: dict[str, dict[str, Any]]) -> None:
    """To each round trip of the worker; its jobs are all recorded, by the other way."""
    (name,) = manifest["proxies"]
    found = manifest["proxies"][name]

    assert name == "far"
    assert found["round_trip_s"] - found["direct_round_trip_s"] > 0.9 * DELAY_MS / 1_000
    assert rows["far"]["ledger"]["done"] == rows["far"]["ledger"]["sent"]


def test_a_flower_took_in_the_events_of_its_trial(manifest: dict[str, Any]) -> None:
    """Received, started and succeeded of each job; the others had no Flower."""
    flower = trial_of(manifest, "flower")

    assert flower["flower_events"] >= flower["sent"]
    assert trial_of(manifest, "plain")["flower_events"] is None
