"""The work as plain functions, by job kind. No Celery here."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from worker.jobs import cpu, io, mixed

_CPU: Mapping[str, Callable[..., object]] = {
    "cpu.primes": cpu.primes,
    "cpu.json": cpu.parse,
    "cpu.sha256": cpu.sha256,
    "cpu.zlib": cpu.compress,
}

#: What each kind of `poolbench.jobs.JOB_KINDS` does; called with that kind's
#: `message_parameters` by name.
FUNCTIONS: Mapping[str, Callable[..., object]] = {
    **_CPU,
    "io.sleep": io.sleep,
    "io.http": io.http,
    "io.redis": io.redis_commands,
    "io.file": io.file_round,
    "mixed.fetch": mixed.fetch,
    "mixed.share": mixed.share,
}

#: The same work as coroutines, for the kinds that have such a form.
COROUTINES: Mapping[str, Callable[..., Coroutine[Any, Any, object]]] = {
    "io.sleep": io.sleep_async,
    "io.http": io.http_async,
    "io.redis": io.redis_commands_async,
    "mixed.fetch": mixed.fetch_async,
    "mixed.share": mixed.share_async,
}

#: What of each kind computes, without its wait; called with the same parameters.
COMPUTING: Mapping[str, Callable[..., object]] = {
    **_CPU,
    "mixed.fetch": mixed.fetch_work,
    "mixed.share": mixed.share_work,
}
