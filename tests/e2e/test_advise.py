"""`poolbench advise` on a built recording, with real workers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from poolbench.errors import ExitCode
from tests.processes import run_python
from tests.recordings import RecordedApp, jobs_of, poisson, write_recording

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording of jobs that wait for 30 ms in two slots of threads: few slots."""
    jobs = jobs_of("shop.fetch", poisson(per_s=40, duration_s=70), {"io_wait": 0.03})
    app = RecordedApp(pool="threads", slots=2, worker={"options": {"queues": ["default"]}})
    return write_recording(tmp_path_factory.mktemp("advise") / "shop.pbrec", jobs, app=app)


def test_waits_in_two_slots_lead_to_more_slots(shop: Path, tmp_path: Path) -> None:
    """Two slots do 67 jobs a second at most; the advice does more by far, and names its command."""
    environ = {**os.environ, "POOLBENCH_RESULTS_DIR": str(tmp_path)}
    words = ("-m", "poolbench", "advise", str(shop), "--slo", "p95_wait < 5s", "--json")

    done = run_python(
        *words, "--connections", "60", "--budget", "30s", environ=environ, within_s=200
    )

    assert done.returncode == ExitCode.OK, done.stderr
    advice = json.loads(done.stdout)
    advised, (today, *others) = advice["decision"]["advised"], advice["measured"][""]
    assert advice["decision"]["outcome"] == "change"
    assert advised in others
    assert advised["setting"]["slots"] * advised["setting"]["workers"] > 4
    assert advised["ratio"]["low"] > 1.5
    assert today["per_s"]["median"] < 67
    assert advice["command"].startswith(f"celery -A APP worker -P {advised['setting']['pool']}")
    assert "-Q default" in advice["command"]
    assert (Path(advice["run"]) / "report.html").exists()


def test_a_short_recording_is_no_basis_for_advice(tmp_path: Path) -> None:
    """Nothing is measured; the output names what to record."""
    jobs = jobs_of("shop.fetch", poisson(per_s=10, duration_s=5), {"io_wait": 0.1})
    path = write_recording(tmp_path / "shop.pbrec", jobs)

    done = run_python("-m", "poolbench", "advise", str(path), environ=os.environ)

    assert done.returncode == ExitCode.INVALID
    assert "Record for 60 s at least." in done.stdout
