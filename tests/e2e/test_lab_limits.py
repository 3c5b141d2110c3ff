"""Contenders with limits, in one whole small run: throttled, killed, and left to Celery."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from collector.reasons import Code, Severity
from lab.system.cgroup import LimitError, Limits, check
from poolbench.errors import ExitCode
from tests.integration.test_lab_run import only_run, poolbench, read_manifest, write

CONTENDERS = {
    "free": 'pool = "threads"\nslots = 2',
    # so little that it is used up on a busy machine too
    "tenth": 'pool = "threads"\nslots = 2\ncpus = 0.1\nmemory = "1G"',
    "unset": 'pool = "prefork"\nslots = "unset"\ncpus = 0.5',
}

#: Answers that threads hold in memory, all slots at once.
LARGE = {
    "free": 'pool = "threads"\nslots = 80',
    "small": 'pool = "threads"\nslots = 80\nmemory = "100M"',
}

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def experiment(contenders: dict[str, str], *, workload: str) -> str:
    """Return the text of an experiment of one repetition."""
    tables = (f'[[contender]]\nname = "{name}"\n{keys}\n' for name, keys in contenders.items())
    return (
        '# Are they limited?\ntitle = "Are they limited?"\nstall_s = 20.0\n'
        "[profile.demo]\nrepetitions = 1\ntrial_s = 1.0\n"
        f"contenders = {json.dumps(list(contenders))}\n"
        f"{''.join(tables)}[[workload]]\n{workload}\n"
    )


def rows_of(results: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of the one run in a folder, by contender."""
    summary = json.loads((only_run(results) / "summary.json").read_text(encoding="utf-8"))
    return {row["contender"]: row for row in summary["rows"]}


@pytest.fixture(scope="module", autouse=True)
def _limits_are_allowed() -> None:
    """Skip where this machine doesn't allow them."""
    try:
        check(Limits(cpus=0.5, memory_bytes=1 << 30))
    except LimitError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run with limits that nobody dies of."""
    folder = tmp_path_factory.mktemp("limits")
    text = experiment(CONTENDERS, workload='kind = "cpu.primes"\nparameters = { work_ms = 10 }')
    ended = poolbench("run", write(folder, text), results=folder / "results", within_s=200)
    assert ended.returncode == ExitCode.OK, ended.stderr + ended.stdout
    return folder / "results"


@pytest.fixture(scope="module")
def rows(results: Path) -> dict[str, dict[str, Any]]:
    """The rows of that run, by contender."""
    return rows_of(results)


def test_a_worker_that_is_killed_at_its_limit_is_invalid_and_the_others_are_measured(
    tmp_path: Path,
) -> None:
    """With a reason that names the kernel and the limit, and not only an exit code."""
    workload = 'kind = "io.http"\nparameters = { delay_ms = 200, size_bytes = 2_000_000 }'
    text = experiment(LARGE, workload=workload)

    ended = poolbench("run", write(tmp_path, text), results=tmp_path / "results", within_s=200)

    assert ended.returncode == ExitCode.INVALID, ended.stderr + ended.stdout
    rows = rows_of(tmp_path / "results")
    (reason, *_) = rows["small"]["reasons"]
    assert reason["code"] == Code.WORKER_OOM_KILLED
    assert "the kernel killed the worker at its memory limit of 105 MB" in ended.stdout
    assert rows["small"]["limits"]["memory_peak_bytes"] <= 100 << 20
    assert rows["small"]["limits"]["oom_kills"] >= 1
    assert rows["free"]["mark"] != Severity.INVALID


def test_a_quota_throttles_its_contender_alone(rows: dict[str, dict[str, Any]]) -> None:
    """It was stopped in some periods, and its memory was enough; the other has no limits."""
    limits = rows["tenth"]["limits"]

    assert (limits["cpus"], limits["oom_kills"]) == (0.1, 0)
    assert limits["throttled_share"] > 0
    assert limits["throttled_cores"] > 0
    assert 0 < limits["memory_peak_bytes"] <= limits["memory_bytes"]
    assert rows["free"]["limits"] is None


def test_unset_slots_are_the_hosts_cores(rows: dict[str, dict[str, Any]]) -> None:
    """Whatever the quota: a parent and a child for each core."""
    assert rows["unset"]["slots"] == os.cpu_count()
    assert rows["unset"]["processes"] == 1 + (os.cpu_count() or 1)
    assert rows["free"]["processes"] is None


def test_the_conditions_name_what_limits(results: Path) -> None:
    """Which version of cgroup, and where; no group is left there."""
    cgroup = read_manifest(results)["cgroup"]

    assert "cpu by cgroup v" in cgroup["limits"]
    for folder in map(Path, cgroup["limits_in"].split(", ")):
        assert list(folder.glob(f"poolbench-{os.getpid()}-*")) == []
