"""The work as plain functions, by job kind. No Celery here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from worker.jobs import cpu, io

#: What each kind of `poolbench.jobs.JOB_KINDS` does; called with that kind's parameters by name.
FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "cpu.primes": cpu.primes,
    "cpu.sha256": cpu.sha256,
    "io.sleep": io.sleep,
    "io.http": io.http,
}
