"""Contenders with settings: that each is really in effect, in one whole small run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from poolbench.errors import ExitCode
from tests.conftest import Server
from tests.integration.test_lab_run import leftovers, only_run, poolbench, read_manifest, write

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run left behind."""

    manifest: dict[str, Any]
    rows: dict[str, dict[str, Any]]

    def trial(self, contender: str) -> dict[str, Any]:
        """Return the measured trial of a contender."""
        measured = [trial for trial in self.manifest["trials"] if not trial["is_pilot"]]
        (found,) = [trial for trial in measured if trial["contender"] == contender]
        return dict(found)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Run:
    """A run on a broker that goes on living, in which each setting is tried once."""
    folder = tmp_path_factory.mktemp("settings")
    results = folder / "results"
    with redis.Redis.from_url(server.url) as client:
        client.flushdb()  # another module's workers were killed, and left jobs unacknowledged
    words = ("run", write(folder, EXPERIMENT))
    ended = poolbench(*words, results=results, within_s=200, POOLBENCH_REDIS_URL=server.url)
    assert ended.returncode == ExitCode.OK, ended.stderr + ended.stdout
    assert leftovers(results) == []
    with redis.Redis.from_url(server.url) as client:
        assert list(client.scan_iter(match=f"*{only_run(results).name}*")) == []
        assert not client.exists("unacked", "unacked_index")
    assert server.password not in (only_run(results) / "manifest.json").read_text()
    summary = json.loads((only_run(results) / "summary.json").read_text(encoding="utf-8"))
    rows = {row["contender"]: row for row in summary["rows"]}
    manifest = read_manifest(results)
    assert manifest["broker"]["origin"].startswith("POOLBENCH_REDIS_URL")
    return Run(manifest=manifest, rows=rows)


def test_celery_says_that_the_settings_hold(run: Run) -> None:
    """Each worker told its own configuration; the others are as they were."""
    celery = run.manifest["celery"]

    assert celery.keys() == SETTINGS.keys()
    assert celery["late"]["task_acks_late"] is True
    assert celery["late"]["worker_prefetch_multiplier"] == 1
    assert celery["results"]["task_ignore_result"] is False
    assert celery["plain"]["task_acks_late"] is False
    assert celery["plain"]["worker_prefetch_multiplier"] == 4
    assert celery["plain"]["task_ignore_result"] is True


def test_a_worker_asks_redis_for_what_its_jobs_need(run: Run) -> None:
    """Nine commands a job; a result costs more of them, a payload only bytes.

    The payload's bytes are there at least three times: read with its job, written to the jobs that
    are not acknowledged, and each time in base64.
    """
    rows, plain = run.rows, run.rows["plain"]

    assert 8 < plain["redis_commands_per_job"] < 13
    assert rows["results"]["redis_commands_per_job"] > plain["redis_commands_per_job"] + 2
    assert rows["heavy"]["redis_commands_per_job"] < plain["redis_commands_per_job"] + 2
    extra_bytes = rows["heavy"]["redis_bytes_per_job"] - plain["redis_bytes_per_job"]
    assert 2.5 * PAYLOAD_BYTES < extra_bytes < 6 * PAYLOAD_BYTES


def test_a_proxy_adds_its_delay(run: Run) -> None:
    """To each round trip of the worker, whose connections are found all the same.

    The server sees the proxy's, as many as another worker's; its jobs are all recorded.
    """
    far, plain = run.trial("far"), run.trial("plain")
    ((name, proxy),) = run.manifest["proxies"].items()

    assert name == "far"
    assert proxy["round_trip_s"] - proxy["direct_round_trip_s"] > 0.9 * DELAY_MS / 1_000
    assert far["redis"]["commands"] > 8 * far["sent"]
    assert abs(far["redis"]["connections"] - plain["redis"]["connections"]) <= 2
    assert run.rows["far"]["ledger"]["done"] == run.rows["far"]["ledger"]["sent"]


def test_a_flower_took_in_the_events_of_its_trial(run: Run) -> None:
    """Received, started and succeeded of each job; the others had no Flower."""
    flower = run.trial("flower")

    assert flower["flower_events"] >= flower["sent"]
    assert run.trial("plain")["flower_events"] is None
