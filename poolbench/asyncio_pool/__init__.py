"""Poolbench's own worker pool: its slots are coroutines. docs/asyncio-pool.md describes it."""

from __future__ import annotations

import importlib.util
import sys

#: Oldest Python that runs the pool: it needs `asyncio.Runner` and tasks with a given context.
_OLDEST_PYTHON = (3, 11)


def obstacle() -> str:
    """Return why this Python can't run the pool, as a sentence; empty if it can."""
    if sys.version_info < _OLDEST_PYTHON:
        seen = ".".join(map(str, sys.version_info[:2]))
        return f"The asyncio pool needs Python 3.11 or newer; this is Python {seen}."
    if importlib.util.find_spec("greenlet") is None:
        return "The asyncio pool needs greenlet: pip install 'poolbench[asyncio]'."
    return ""
