"""How the workers of a try ended, beside how they were asked to: each finding passes through it."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from dataclasses import dataclass

from lab.conformance.finding import Finding, Outcome, breaks

#: What a worker logs when an error of its own ends it; after other critical lines it goes on.
OWN_ERROR = r"^CRITICAL: Unrecoverable error"

#: Exit codes of a worker that ended as it was asked to, by the signal. Celery announces EX_FAILURE
#: (1) for a cold shutdown, and up to 5.7 exits with 0 all the same.
ASKED_CODES = {signal.SIGTERM: (0,), signal.SIGQUIT: (0, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerExit:
    """How one worker ended."""

    #: Its exit code before the try killed it; None if it still ran.
    exit_code: int | None
    #: The signal by which the try asked it to end; None if the try did not ask.
    asked: signal.Signals | None
    #: Its log lines of errors of its own, as evidence.
    errors: tuple[str, ...] = ()

    @property
    def is_failure(self) -> bool:
        """Whether an error ended it, or it ended otherwise than as it was asked to."""
        if self.errors:
            return True
        allowed = ASKED_CODES[self.asked] if self.asked else ()
        return self.exit_code is not None and self.exit_code not in allowed


def judge_exits(found: Finding, *, exits: Iterable[WorkerExit]) -> Finding:
    """Return what a row found, as a break if a worker failed meanwhile.

    A row judges by its jobs; a worker that died is no worker that works or ignores something.
    """
    failure = next((one for one in exits if one.is_failure), None)
    if failure is None or found.outcome not in {Outcome.WORKS, Outcome.IGNORED}:
        return found
    ended = "it did not end" if failure.exit_code is None else f"exit code {failure.exit_code}"
    evidence = dict.fromkeys((*found.evidence, *failure.errors))
    return breaks(f"The worker failed ({ended}). {found.seen}", *evidence)
