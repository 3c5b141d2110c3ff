"""Stamps each message that this process publishes with the time; the app is not changed otherwise.

The probe of a recorded worker imports it, so that chains, retries and jobs that jobs send have the
stamp. A web process that imports it too, as ``import poolbench.publisher``, adds the time for which
its messages wait in the broker. It must stay light: it imports nothing of Poolbench's
other parts but names.
"""

from __future__ import annotations

import time
from typing import Any

from celery.signals import before_task_publish

from poolbench.work import EXECUTION

#: Name of the message header with the time of publishing, Unix ns.
PUBLISHED_NS = "poolbench_published_ns"


def stamp(*, headers: Any = None, **_: object) -> None:
    """Set the header; a retry replaces the one of the attempt before it."""
    if isinstance(headers, dict):
        headers[PUBLISHED_NS] = time.time_ns()
        # a retry copies that of its attempt
        headers.pop(EXECUTION, None)


before_task_publish.connect(stamp, weak=False)
