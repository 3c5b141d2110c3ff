"""A collector killed with SIGKILL at any instant, again and again: no line lost, none doubled."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import redis

from collector import ingest as ingest_module
from collector.ingest import Ingest
from collector.store import RunFolder
from poolbench.keys import records_stream
from tests.conftest import Server
from tests.wire import add_lines, stored_lines

LINES = 60_000
LINES_PER_ENTRY = 25
KILLS = 40
#: A collector lives at most this long here: some reach a trim or a compaction, some not a read.
LIFE_MAX_S = 0.25


def test_kill_at_any_instant_loses_and_doubles_no_line(
    server: Server, client: redis.Redis, run_id: str, results_dir: Path
) -> None:
    """Each line has a nonce of its own; at the end each is in the folder exactly once."""
    folder = results_dir / run_id
    arguments = [server.url, run_id, str(folder)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.test_collector_kill", *arguments],
        stdout=subprocess.PIPE,
    ) as killer:
        for first in range(0, LINES, LINES_PER_ENTRY):
            add_lines(client, run_id, *range(first, first + LINES_PER_ENTRY))
            if killer.poll() is None:
                # spread over the killer's life, so that lines come in while it kills
                time.sleep(KILLS * LIFE_MAX_S / 2 / (LINES / LINES_PER_ENTRY))
    assert killer.returncode == 0

    with Ingest(client, run=run_id, folder=folder) as ingest:
        ingest.drain()

    lines = stored_lines(RunFolder(folder))
    assert lines["seq"].to_list() == list(range(LINES))
    assert lines["nonce"].n_unique() == LINES
    assert ingest.rejected_lines == 0
    assert client.xlen(records_stream(run_id)) == 0


def collect_until_killed(url: str, *, run: str, folder: Path) -> NoReturn:
    """Collect for ever, in small parts that are soon compacted: more instants to be killed at."""
    ingest_module.READ_ENTRIES = 4
    ingest_module.PART_MAX_BYTES = 1
    ingest_module.COMPACT_AT_PARTS = 5
    with (
        redis.Redis.from_url(url) as client,
        Ingest(client, run=run, folder=folder) as ingest,
    ):
        while True:
            if not ingest.step():
                time.sleep(0.001)


def kill_repeatedly(url: str, *, run: str, folder: Path, seed: int) -> None:
    """Fork a collector and kill it at a random instant, `KILLS` times.

    Forked, since starting an interpreter for each would take most of the test's time; this process
    runs nothing of polars itself, so there are no threads that a fork would lose.
    """
    draw = random.Random(seed)
    for _ in range(KILLS):
        pid = os.fork()
        if pid == 0:
            collect_until_killed(url, run=run, folder=folder)
        time.sleep(draw.uniform(0, LIFE_MAX_S))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(f"a collector ended by itself, with status {status}")


if __name__ == "__main__":
    kill_repeatedly(sys.argv[1], run=sys.argv[2], folder=Path(sys.argv[3]), seed=os.getpid())
