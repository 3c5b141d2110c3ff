"""A promise of Celery's documentation, and how it is tried: one row of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lab.conformance.finding import Finding
from lab.conformance.testbed import Testbed


@dataclass(slots=True, kw_only=True, eq=False)
class Promise:
    """One promise and its test, the same for every pool; decorates the function that tries it."""

    #: Its name in commands and JSON: the function's, with hyphens.
    name: str = field(init=False)
    #: Its name in tables.
    title: str
    #: Procedure of the test, in one or two sentences.
    question: str
    #: Result that a user expects from Celery's documentation.
    expected: str
    #: Approximate duration of its slowest try, seconds: slow tries begin first.
    lasts_s: float = 5.0
    #: Tries it on a testbed of its own and returns the finding.
    attempt: Callable[[Testbed], Finding] = field(init=False)

    def __call__(self, attempt: Callable[[Testbed], Finding]) -> Promise:
        """Return this promise with the function that tries it."""
        self.name = attempt.__name__.replace("_", "-")
        self.attempt = attempt
        return self
