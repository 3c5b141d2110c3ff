"""The jobs' work as plain functions, by job kind. It doesn't use Celery."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from poolbench import stand_in
from poolbench.jobs import STAND_IN
from worker.jobs import cpu, io, mixed

_CPU: Mapping[str, Callable[..., object]] = {
    "cpu.primes": cpu.primes,
    "cpu.json": cpu.parse,
    "cpu.sha256": cpu.sha256,
    "cpu.zlib": cpu.compress,
}

#: Function of each kind in `poolbench.jobs.JOB_KINDS`; its keyword arguments are that kind's
#: `message_parameters`.
FUNCTIONS: Mapping[str, Callable[..., object]] = {
    **_CPU,
    "io.sleep": io.sleep,
    "io.http": io.http,
    "io.redis": io.redis_commands,
    "io.file": io.file_round,
    "mixed.fetch": mixed.fetch,
    "mixed.share": mixed.share,
    STAND_IN: stand_in.work,
}

#: The same work as coroutine functions, for kinds that have such a form.
COROUTINES: Mapping[str, Callable[..., Coroutine[Any, Any, object]]] = {
    "io.sleep": io.sleep_async,
    "io.http": io.http_async,
    "io.redis": io.redis_commands_async,
    "mixed.fetch": mixed.fetch_async,
    "mixed.share": mixed.share_async,
    STAND_IN: stand_in.work_async,
}

#: Computing part of each kind, without its wait; called with the same parameters.
COMPUTING: Mapping[str, Callable[..., object]] = {
    **_CPU,
    "mixed.fetch": mixed.fetch_work,
    "mixed.share": mixed.share_work,
    STAND_IN: stand_in.compute,
}
