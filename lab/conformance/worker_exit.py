"""Judges how the workers of a try ended, after the promise's own judge."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from dataclasses import dataclass

from lab.conformance.finding import Finding, Outcome

#: Logged by a worker that one of its own errors ends; it survives other critical errors.
OWN_ERROR = r"^CRITICAL: Unrecoverable error"

#: Exit codes of a worker that ended as requested, by signal. Celery announces EX_FAILURE (1) for a
#: cold shutdown, and up to 5.7 exits with 0 all the same.
EXPECTED_CODES = {signal.SIGTERM: (0,), signal.SIGQUIT: (0, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerExit:
    """How one worker ended."""

    #: Its exit code before the try killed it; None if it still ran.
    exit_code: int | None
    #: The signal by which the try stopped it; None if the try sent none.
    stop_signal: signal.Signals | None
    #: Log lines of errors of its own that ended it, as evidence.
    errors: tuple[str, ...] = ()

    @property
    def is_failure(self) -> bool:
        """Whether an error ended it, or it ended without or against a request."""
        if self.errors:
            return True
        expected = EXPECTED_CODES[self.stop_signal] if self.stop_signal else ()
        return self.exit_code is not None and self.exit_code not in expected


def judge_exits(found: Finding, *, exits: Iterable[WorkerExit]) -> Finding:
    """Return a promise's finding, turned into a break if one of its workers failed.

    A promise judges by its jobs; a worker that died neither works nor ignores a request.
    """
    failure = next((one for one in exits if one.is_failure), None)
    if failure is None or found.outcome not in {Outcome.WORKS, Outcome.IGNORED}:
        return found
    ended = "it did not end" if failure.exit_code is None else f"exit code {failure.exit_code}"
    evidence = dict.fromkeys((*found.evidence, *failure.errors))
    seen = f"The worker failed ({ended}). {found.seen}"
    return Finding(outcome=Outcome.BREAKS, seen=seen, evidence=tuple(evidence))
