"""A Celery app with secrets wherever a recording might find one."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from kombu import Exchange, Queue

#: In every secret, so that one search finds them all.
SECRET = "s3cr3t-0f-th1s-t3st"

#: Both are set for its worker; the tests import this module for the secret.
QUEUE = os.environ.get("SECRETIVE_QUEUE", "secretive")
URL = os.environ.get("SECRETIVE_URL", "memory://")

app = Celery("secretive", broker=URL, backend=f"{URL}?client_name={SECRET}", set_as_current=False)
app.conf.update(
    task_default_queue=QUEUE,
    task_queues=[
        Queue(QUEUE, queue_arguments={"x-secret": SECRET}),
        Queue(f"{QUEUE}-topic", Exchange("topics", type="topic"), routing_key=f"{SECRET}.#"),
    ],
    task_default_routing_key=SECRET,
    worker_task_log_format=f"%(message)s {SECRET}",
    worker_state_db=None,
    security_key=f"/keys/{SECRET}",
    result_backend_transport_options={"global_keyprefix": SECRET},
    broker_transport_options={"client_name": SECRET, "visibility_timeout": 600},
    broker_connection_retry_on_startup=True,
    task_annotations={"secretive.fails": {"note": SECRET}},
    own_setting=SECRET,
)


@app.task(name="secretive.answers")
def answers(word: str) -> str:
    """Return what it is given."""
    return word


@app.task(name="secretive.fails")
def fails(word: str) -> None:
    """Fail with what it is given in the error's text."""
    raise ValueError(word)


@app.task(name="secretive.retries", bind=True, max_retries=1, default_retry_delay=0)
def retries(self: Any, word: str) -> None:
    """Retry once, with a reason."""
    if self.request.retries == 0:
        raise self.retry(exc=OSError(word))
