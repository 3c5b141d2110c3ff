"""A promise of Celery's documentation, and how it is tried: one row of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.conformance.finding import Finding
from lab.conformance.testbed import Testbed


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One promise, tried in the same way on every pool."""

    #: Its name in commands and JSON.
    name: str
    #: Its name in tables.
    title: str
    #: What is done to find out, in one or two sentences.
    question: str
    #: What a user would expect from Celery's documentation.
    expected: str
    #: Tries it on a testbed of its own and judges what happened.
    attempt: Callable[[Testbed], Finding]
    #: Whether it stops the broker, so that it needs one of its own.
    needs_own_server: bool = False
    #: About how long its slowest try takes, seconds: the slow ones begin first.
    lasts_s: float = 5.0
