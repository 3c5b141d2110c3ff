"""The profile of a real worker's recording has what its jobs did."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from celery import chain

from collector.recording import read_recording
from lab.conformance.kept import kept_verdicts
from poolbench.pools import POOLS
from report.profile.measure import measure_profile
from tests.conftest import Server, wait_until
from tests.integration.probing import PATIENCE_S, recorded_pool

#: A worker's options, of which threads ignore the first.
_OPTIONS = ("--max-tasks-per-child", "9", "--prefetch-multiplier", "3")


def test_a_recorded_worker_is_profiled(server: Server, run_id: str, tmp_path: Path) -> None:
    """Waits, retries, failures, a chain and the settings of a worker with two threads."""
    file = tmp_path / "shop.pbrec"
    with recorded_pool(
        server.url,
        folder=tmp_path,
        queue=run_id,
        pool=POOLS["threads"],
        options=_OPTIONS,
        environment={"POOLBENCH_RECORD": str(file)},
    ) as worker:
        for _ in range(4):
            worker.send("waits", 0.5)
        worker.send("retries", 1)
        worker.send("fails")
        chain(worker.sign("add", 1), worker.sign("add"))()
        wait_until(
            lambda: file.exists() and file.read_bytes().count(b'"m":"finished"') >= 9,
            what="nine executions to be recorded",
        )
        worker.process.terminate()
        assert worker.process.wait(PATIENCE_S) == 0

    recording = read_recording(file)
    profile = measure_profile(recording, verdicts=kept_verdicts())
    tasks = {task.name: task for task in profile.tasks}
    assert {name: task.executions for name, task in tasks.items()} == {
        "waits": 4,
        "retries": 2,
        "fails": 1,
        "add": 2,
    }
    assert (tasks["retries"].retries, tasks["fails"].failures) == (1, 1)
    waits = tasks["waits"]
    assert waits.wall_s.p50 is None
    assert waits.wall_mean_s >= 0.5
    assert waits.cpu_s is not None
    assert profile.slots.most == 2
    assert profile.slots.available == pytest.approx(2.0)
    assert profile.waits is not None
    assert sum(one.share for one in profile.waits.causes.values()) == pytest.approx(1.0)
    assert {one.feature for one in profile.relied_on} >= {
        "late acknowledgement",
        "max tasks per child",
        "chains, groups and chords",
    }
    assert "--max-tasks-per-child 9" in {one.asked for one in profile.unmet}
    [use] = profile.prefetch
    assert (use.start, use.asked) == (6, 6)
    counts = recording.counts
    assert (counts.garbled, counts.cut, counts.missed, counts.unfinished) == (0, 0, 0, 0)
    if sys.platform == "linux":
        # on a busy machine, the rest is a wait for a core
        assert waits.states["io_wait"] > 0.2
        assert profile.pss_bytes is not None
        assert profile.connections is not None
        assert profile.connections.most >= 1
