"""What the probe's tests share: real workers with the probe, and a look at what they recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import redis

from poolbench.jobs import HEADER, JobHeader
from poolbench.keys import LINES_FIELD, records_stream
from poolbench.records import decode_line
from tests.integration.pooling import PoolWorker, running_pool

#: Long enough for a worker on a busy machine to start, or to stop.
PATIENCE_S = 30.0


@contextmanager
def recorded_pool(
    url: str, *, folder: Path, slots: int = 2, **options: Any
) -> Iterator[PoolWorker]:
    """Run a worker with the probe, and behind it the witness, as `running_pool` does.

    Its recorder ends with it: a later test must not find what this one's still had to deliver.
    """
    modules = "poolbench.probe,tests.integration.probe_witness"
    options["options"] = ("-I", modules, *options.get("options", ()))
    options["environment"] = {
        "PROBE_WITNESS": str(folder / "witness"),
        "TMPDIR": str(folder),
        "POOLBENCH_CONTENDER": options["queue"],
        **options.get("environment", {}),
    }
    recorder: psutil.Process | None = None
    try:
        with running_pool(
            url, folder=folder, slots=slots, has_coroutines=False, **options
        ) as worker:
            recorder = recorder_of(worker)
            yield worker
    finally:
        if recorder is not None:
            with suppress(psutil.NoSuchProcess):
                recorder.kill()


def send(worker: PoolWorker, name: str, *args: object, **options: Any) -> str:
    """Send one job with our header, of a run that has the queue's name; return its id."""
    header = JobHeader(
        run=worker.queue, trial=1, seq=len(worker.sent), contender="c", due_ns=5, sent_ns=6
    )
    headers = {HEADER: header.as_dict()}
    worker.sent.append(worker.send(name, *args, headers=headers, ignore_result=True, **options).id)
    return worker.sent[-1]


def witnesses(worker: PoolWorker) -> list[str]:
    """Return the ids of the jobs whose finished line was due, in order."""
    path = worker.folder / "witness"
    return path.read_text(encoding="ascii").splitlines() if path.exists() else []


def recorder_of(worker: PoolWorker) -> psutil.Process | None:
    """Return a worker's recorder, while it lives."""
    return next((child for child in worker.children if _is_recorder(child)), None)


def kill_slot(worker: PoolWorker) -> bool:
    """Kill one of a worker's slots; return whether there was one."""
    for slot in worker.children:
        if not _is_recorder(slot):
            # it may end at any time
            with suppress(psutil.NoSuchProcess):
                slot.kill()
                return True
    return False


def leftovers(worker: PoolWorker) -> list[Path]:
    """Return the pipes' folders that are still there."""
    return sorted(worker.folder.glob("poolbench-pipe-*"))


def read_lines(client: redis.Redis, run: str) -> list[dict[str, Any]]:
    """Return the lines stored for a run, in the order of its stream."""
    entries: Any = client.xrange(records_stream(run))
    return [decode_line(line) for _, entry in entries for line in entry[LINES_FIELD].splitlines()]


def _is_recorder(process: psutil.Process) -> bool:
    try:
        return "poolbench.recorder" in process.cmdline()
    except psutil.NoSuchProcess:
        return False
