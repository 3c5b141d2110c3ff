"""Counts what blocked the asyncio pool's loop, and logs it from time to time."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import Any

#: Between two log lines, seconds.
LOG_EVERY_S = 10.0

_log = logging.getLogger("celery.pool.asyncio")


class BlockedLog:
    """Counts the stretches in which a job kept the loop without an await."""

    def __init__(self) -> None:
        self.stretches = 0
        self.total_ns = 0
        self.longest_ns = 0
        self.longest_by = ""
        #: Stretches and the longest of them, by kind, since the last log line.
        self._unreported: dict[str, tuple[int, int]] = {}
        self._is_quiet = False

    def note(self, kind: str, *, stretch_ns: int, loop: asyncio.AbstractEventLoop) -> None:
        """Count a stretch."""
        self.stretches += 1
        self.total_ns += stretch_ns
        if stretch_ns > self.longest_ns:
            self.longest_ns, self.longest_by = stretch_ns, kind
        count, longest_ns = self._unreported.get(kind, (0, 0))
        self._unreported[kind] = (count + 1, max(longest_ns, stretch_ns))
        if not self._is_quiet:
            self._log_unreported(loop)

    def info(self) -> dict[str, Any]:
        """Return the counts for ``inspect stats``, times in seconds."""
        return {
            "stretches": self.stretches,
            "total-s": round(self.total_ns / 1e9, 3),
            "longest-s": round(self.longest_ns / 1e9, 3),
            "longest-by": self.longest_by,
        }

    def _log_unreported(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_quiet = bool(self._unreported)
        if not self._unreported:
            return
        worst = sorted(self._unreported.items(), key=lambda item: -item[1][1])
        parts = (f"{kind} ({n} x, {ns / 1e6:.0f} ms at the longest)" for kind, (n, ns) in worst)
        _log.warning("The event loop was blocked, without an await, by %s", ", ".join(parts))
        self._unreported.clear()
        loop.call_later(LOG_EVERY_S, self._log_unreported, loop, context=contextvars.Context())
