"""The probe of a worker that tries a user's tasks: it follows each job to the messages it sends.

A message that a job publishes (the next link of a chain, a group, a chord's body, a retry, a call
of another task) gets the job's own header, so that its lines belong to the same job of the trial,
and a *published* line. Its id and attempt are not unique: the last link of a chain that replaces a
job has the job's own. Not followed: messages from threads that a job starts, errbacks that the
worker's main process calls for a child that was killed, and tasks that only another app has.
"""

from __future__ import annotations

import time
from typing import Any

from celery import signals
from celery._state import get_current_worker_task

from poolbench import lines
from poolbench.jobs import HEADER
from poolbench.probe import Probe, guarded
from poolbench.work import EXECUTION


class AppProbe(Probe):
    """The handlers of Celery's signals in a worker of the user's app."""

    def connect(self) -> None:
        """Connect the handlers to Celery's signals."""
        super().connect()
        signals.before_task_publish.connect(self.on_publish, weak=False)
        signals.after_task_publish.connect(self.on_published, weak=False)

    @guarded
    def on_publish(self, *, sender: Any, headers: Any = None, **_: object) -> None:
        """Give a message the header of the job that publishes it."""
        request = _publisher(sender)
        if request is not None and isinstance(headers, dict):
            header = request.get(HEADER)
            if header is not None:
                headers[HEADER] = header

    @guarded
    def on_published(self, *, sender: Any, headers: Any = None, **_: object) -> None:
        """Write that a job has published a message, before the job ends."""
        request = _publisher(sender)
        if request is None or self._pipe is None or not isinstance(headers, dict):
            return
        execution, job = request.get(EXECUTION), lines.job_members(headers.get(HEADER))
        if execution is None or job is None:
            return
        message = lines.identity(
            job,
            kind=str(headers["task"]),
            task_id=str(headers["id"]),
            attempt=headers.get("retries"),
            nonce=lines.nonce_of(execution),
        )
        self._pipe.write(lines.published_line(message, t_ns=time.time_ns()))


def _publisher(name: str) -> Any:
    """Return the request of the job that publishes a message of a task in this thread or greenlet.

    None without a job, or if its app doesn't have the task: then the message is for another app.
    """
    task = get_current_worker_task()
    return task.request if task is not None and name in task.app.tasks else None
