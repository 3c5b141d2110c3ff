"""What can be seen from outside after a try: the input of the judges. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.conformance.job_fates import JobFates
from lab.conformance.stamps import Stamps


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The jobs and the worker of a try, when it is over."""

    stamps: Stamps = field(default_factory=Stamps)
    fates: JobFates = field(default_factory=JobFates)
    #: State that Celery stored as a job's result, by job; a job without a result is absent.
    states: Mapping[str, str] = field(default_factory=dict)
    #: Exit code of the worker; None if it still runs.
    exit_code: int | None = None
    #: Whether the worker ran one more job that was sent at the end.
    takes_jobs: bool = True
    #: Log lines of the worker that show what happened.
    log: tuple[str, ...] = ()

    def state(self, label: str) -> str:
        """Return a job's stored state, ``none`` if it has no result."""
        return self.states.get(label, "none")
