"""Included after the probe: an independent witness of each job whose finished line was due."""

from __future__ import annotations

import os

from celery import signals


@signals.task_postrun.connect
def write_down(task_id: str, **_: object) -> None:
    """Append the job's id to a file; Celery calls this after the probe's handler."""
    with open(os.environ["PROBE_WITNESS"], "ab", buffering=0) as file:  # noqa: PTH123 -- unbuffered
        file.write(f"{task_id}\n".encode())
