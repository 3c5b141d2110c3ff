"""What became of each job of a try: pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lab.conformance.stamps import Story


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Each job sent, under exactly one heading."""

    #: Finished once, and nowhere to be found any more.
    done: frozenset[str]
    #: Not finished, and in the queue: the next worker runs it.
    queued: frozenset[str]
    #: Not finished, and held as fetched by a worker: it comes again after the visibility timeout.
    unacked: frozenset[str]
    #: Finished more than once, or finished and still to be run by somebody.
    doubled: frozenset[str]
    #: Not finished and nowhere.
    lost: frozenset[str]

    def tell(self) -> str:
        """Return the counts as one line."""
        headings = (
            ("done", self.done),
            ("in the queue", self.queued),
            ("in unacked", self.unacked),
            ("run twice or about to be", self.doubled),
            ("lost", self.lost),
        )
        told = [f"{len(jobs)} {name}" for name, jobs in headings if jobs]
        return f"jobs: {', '.join(told)}"


def account(
    sent: Iterable[str], *, story: Story, queued: Iterable[str], unacked: Iterable[str]
) -> Account:
    """Return the account of the jobs that were sent."""
    wanted = frozenset(sent)
    finishes = story.count("finished")
    finished = wanted & finishes.keys()
    waiting, held = wanted & frozenset(queued), wanted & frozenset(unacked)
    doubled = {label for label in finished if finishes[label] > 1 or label in waiting | held}
    return Account(
        done=finished - doubled,
        queued=waiting - finished,
        unacked=held - waiting - finished,
        doubled=frozenset(doubled),
        lost=wanted - finished - waiting - held,
    )
