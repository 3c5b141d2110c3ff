"""What the probe's tests share: real workers of a strange app, and a look at what they recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import redis
from celery import Celery

from lab.system.paths import ROOT
from poolbench.jobs import HEADER, JobHeader
from poolbench.keys import LINES_FIELD, records_stream
from poolbench.pools import POOLS
from poolbench.records import decode_line

#: Long enough for a worker on a busy machine to start, or to stop.
PATIENCE_S = 30.0


@dataclass(slots=True, kw_only=True)
class Worker:
    """A real worker with the probe, and where it writes."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def log(self) -> str:
        """What it and its recorder said."""
        return (self.folder / "worker.log").read_text(encoding="utf-8", errors="replace")

    @property
    def witnesses(self) -> list[str]:
        """Ids of the jobs whose finished line was due, in order."""
        path = self.folder / "witness"
        return path.read_text(encoding="ascii").splitlines() if path.exists() else []

    @property
    def recorder(self) -> psutil.Process | None:
        """Its recorder, while it lives."""
        return next((child for child in self.children if _is_recorder(child)), None)

    @property
    def children(self) -> list[psutil.Process]:
        """Its direct child processes that have not ended."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if not is_gone(child.pid)]

    def kill_slot(self) -> bool:
        """Kill one of its slots; return whether there was one."""
        slots = [child for child in self.children if not _is_recorder(child)]
        for slot in slots[:1]:
            slot.kill()
        return bool(slots)

    def leftovers(self) -> list[Path]:
        """Return the pipes' folders that are still there."""
        return sorted(self.folder.glob("poolbench-pipe-*"))


@contextmanager
def strange_worker(
    broker_url: str,
    *,
    pool: str,
    folder: Path,
    slots: int = 2,
    options: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
) -> Iterator[Worker]:
    """Run a worker of the strange app with the probe; kill what is left of it at the end."""
    broker_file = folder / "broker"
    broker_file.write_text(broker_url, encoding="utf-8")
    environ = {
        **os.environ,
        "PROBE_APP_BROKER_FILE": str(broker_file),
        "PROBE_WITNESS": str(folder / "witness"),
        "POOLBENCH_STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(ROOT),
        **{key: value for known in POOLS.values() for key, value in known.environment},
        **(environment or {}),
    }
    modules = "poolbench.probe,tests.integration.probe_witness"
    command = [sys.executable, "-m", "celery", "-A", "tests.integration.probe_app", "worker"]
    command += ["-P", pool, "-c", str(slots), "-I", modules, "-n", "Strange.1@here"]
    command += ["--without-mingle", "--without-gossip", *options]
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)
    worker = Worker(process=process, folder=folder)
    family: list[psutil.Process] = []
    try:
        yield worker
        family = worker.children if process.poll() is None else []
    finally:
        process.kill()
        process.wait()
        # slots die with their parent, the recorder when it has delivered
        _, left = psutil.wait_procs(family, timeout=PATIENCE_S)
        for member in left:
            member.kill()


@dataclass(slots=True, kw_only=True)
class Sender:
    """Sends jobs of one run to the strange app's queue."""

    app: Celery
    run: str
    sent: list[str] = field(default_factory=list)

    def send(self, name: str, *args: object, **options: Any) -> str:
        """Send one job with our header; return its id."""
        header = JobHeader(
            run=self.run, trial=1, seq=len(self.sent), contender="c", due_ns=5, sent_ns=6
        )
        result = self.app.send_task(name, args, headers={HEADER: header.as_dict()}, **options)
        self.sent.append(str(result.id))
        return self.sent[-1]


@contextmanager
def sending(broker_url: str, *, run: str) -> Iterator[Sender]:
    """Give a sender and close its connections."""
    with Celery("sender", broker=broker_url, set_as_current=False) as app:
        app.conf.task_ignore_result = True
        yield Sender(app=app, run=run)


def read_lines(client: redis.Redis, run: str) -> list[dict[str, Any]]:
    """Return the lines stored for a run, in the order of its stream."""
    entries: Any = client.xrange(records_stream(run))
    return [decode_line(line) for _, entry in entries for line in entry[LINES_FIELD].splitlines()]


def is_gone(pid: int) -> bool:
    """Return whether a process has ended, reaped or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _is_recorder(process: psutil.Process) -> bool:
    try:
        return "poolbench.recorder" in process.cmdline()
    except psutil.NoSuchProcess:
        return False
