"""Which jobs of a user's app are still open, while their lines arrive. Pure.

The rules are those of `collector.job_trees`. Lines of one worker arrive in the order in which they
were written, so that a message is known before the execution that publishes it has ended.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from collector.job_trees import ENDED_OUTCOMES
from poolbench.records import OUTCOME_OF_STATE, Moment


@dataclass(slots=True)
class _Message:
    """One message of a job."""

    #: Name of its task.
    kind: str = ""
    #: How often a job has published it.
    announced: int = 0
    #: Nonces of its executions that have ended.
    ended: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Job:
    """One job with its messages, by Celery's id."""

    messages: dict[str, _Message] = field(default_factory=lambda: defaultdict(_Message))
    #: The message that was received first, and when, Unix ns.
    root: str = ""
    root_ns: int = 0

    @property
    def has_ended(self) -> bool:
        """Return whether each message has ended as often as it was sent."""
        return bool(self.root) and not any(self.open_kinds())

    def open_kinds(self) -> Iterator[str]:
        """Yield the name of the task of each message that has not."""
        for task_id, one in self.messages.items():
            if len(one.ended) < max(1, one.announced + (task_id == self.root)):
                yield one.kind


class OpenJobs:
    """The jobs of one trial, by seq."""

    def __init__(self) -> None:
        self._jobs: dict[int, _Job] = defaultdict(_Job)

    def take(self, line: Mapping[str, Any]) -> bool:
        """Count one line; return whether its job has ended."""
        job, task_id = self._jobs[line["seq"]], line["task_id"]
        message = job.messages[task_id]
        message.kind = line["kind"]
        match line["m"]:
            case Moment.PUBLISHED:
                message.announced += 1
            case Moment.RECEIVED if not job.root or line["t_ns"] < job.root_ns:
                job.root, job.root_ns = task_id, line["t_ns"]
            case Moment.FINISHED:
                if OUTCOME_OF_STATE.get(line.get("state") or "") in ENDED_OUTCOMES:
                    message.ended.add(line["nonce"])
            case Moment.VERDICT if line.get("outcome") in ENDED_OUTCOMES:
                message.ended.add(line["nonce"])
                # revoked or unknown to the worker before it was received
                if not job.root:
                    job.root, job.root_ns = task_id, line["t_ns"]
        return job.has_ended

    def describe_open(self) -> list[str]:
        """Return the tasks of the messages that have not ended, with their number, most first."""
        counts = Counter(kind for job in self._jobs.values() for kind in job.open_kinds())
        return [f"{count:,} {kind}" for kind, count in counts.most_common()]
