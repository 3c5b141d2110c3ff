"""Observations from outside the worker after a try, and the fate of each job. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lab.conformance.stamps import Stamps


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFates:
    """Each job that was sent, in exactly one of these sets."""

    #: Finished once, and neither in the queue nor in unacked.
    done: frozenset[str] = frozenset()
    #: Not finished, and in the queue: the next worker runs it.
    queued: frozenset[str] = frozenset()
    #: Not finished, and fetched by a worker: redelivered after the visibility timeout.
    unacked: frozenset[str] = frozenset()
    #: Finished more than once, or finished and still in the queue or in unacked.
    doubled: frozenset[str] = frozenset()
    #: Not finished, and neither in the queue nor in unacked.
    lost: frozenset[str] = frozenset()

    def describe(self) -> str:
        """Return the counts as one line."""
        names = ("done", "in the queue", "in unacked", "run twice or about to be", "lost")
        fates = (self.done, self.queued, self.unacked, self.doubled, self.lost)
        shown = [f"{len(jobs)} {name}" for name, jobs in zip(names, fates, strict=True) if jobs]
        return f"jobs: {', '.join(shown)}"

    def harm(self) -> str:
        """Return how many jobs were lost, doubled or left in unacked; empty if none."""
        harms = (
            (self.lost, "lost"),
            (self.doubled, "run twice or about to be"),
            (self.unacked, "left in unacked until the visibility timeout"),
        )
        return "; ".join(f"{len(jobs)} job(s) {what}" for jobs, what in harms if jobs)


def job_fates(
    sent: Iterable[str], *, stamps: Stamps, queued: Iterable[str], unacked: Iterable[str]
) -> JobFates:
    """Return the fate of each job that was sent."""
    wanted = frozenset(sent)
    finishes = stamps.count("finished")
    finished = wanted & finishes.keys()
    waiting, held = wanted & frozenset(queued), wanted & frozenset(unacked)
    doubled = {label for label in finished if finishes[label] > 1 or label in waiting | held}
    return JobFates(
        done=finished - doubled,
        queued=waiting - finished,
        unacked=held - waiting - finished,
        doubled=frozenset(doubled),
        lost=wanted - finished - waiting - held,
    )


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
