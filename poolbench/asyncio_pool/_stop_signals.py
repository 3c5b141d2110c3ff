"""Detects a signal that stops the worker before Celery's own handler acts on it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from celery import platforms

#: Signals for which Celery has a handler that stops the worker, if the system has them.
_STOP_SIGNALS = ("TERM", "INT", "QUIT", "HUP")


def wrap_stop_handlers(*, before: Callable[[], None], after: Callable[[], None]) -> None:
    """Call these before and after each of Celery's handlers; handlers of other code are unchanged.

    Celery sets the state of a soft shutdown only after it has waited, in the handler, for running
    jobs; jobs that started meanwhile would be interrupted.
    """

    def handle(handler: Callable[..., None], *args: Any) -> None:
        before()
        try:
            handler(*args)
        finally:
            after()

    for name in _STOP_SIGNALS:
        handler: Any = platforms.signals.supported(name) and platforms.signals[name]
        if getattr(handler, "__module__", None) == "celery.apps.worker":
            platforms.signals[name] = functools.partial(handle, handler)
