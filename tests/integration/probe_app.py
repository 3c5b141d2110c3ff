"""A Celery app that knows nothing of Poolbench: the probe must work in it unchanged."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from celery import Celery
from celery.exceptions import Ignore, Reject

#: Holds the broker's address: what the recorder knows of it, it must not have from here.
BROKER_FILE = Path(os.environ["PROBE_APP_BROKER_FILE"])

app = Celery("strangers", broker=BROKER_FILE.read_text(encoding="utf-8"))
app.conf.update(
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    worker_cancel_long_running_tasks_on_connection_loss=True,
)


@app.task(name="strange.works")
def works(delay_s: float = 0.0) -> None:
    """Do what it is asked."""
    time.sleep(delay_s)


@app.task(name="strange.fails")
def fails() -> None:
    """Fail for an ordinary reason."""
    raise ValueError("out of tea")


@app.task(name="strange.retries", bind=True)
def retries(self: Any) -> None:
    """Ask for another attempt, once."""
    if not self.request.retries:
        raise self.retry(countdown=0)


@app.task(name="strange.rejects")
def rejects() -> None:
    """Refuse its message for good."""
    raise Reject("not mine", requeue=False)


@app.task(name="strange.ignores")
def ignores() -> None:
    """Leave no result."""
    raise Ignore


@app.task(name="strange.exits")
def exits() -> None:
    """Take its process along."""
    os.kill(os.getpid(), signal.SIGKILL)
