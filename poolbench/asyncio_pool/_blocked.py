"""Counts the times for which jobs blocked the asyncio pool's loop, and logs them periodically."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import defaultdict
from typing import Any

#: Least interval between two log lines, seconds.
LOG_EVERY_S = 10.0

_log = logging.getLogger("celery.pool.asyncio")


class BlockedLog:
    """Counts the stretches in which a job blocked the loop without an await."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.stretches = 0
        self.total_ns = 0
        #: Duration of the longest stretch, ns, and its job kind.
        self.longest: tuple[int, str] = (0, "")
        #: Stretches since the last log line, by kind.
        self._unreported_ns: defaultdict[str, list[int]] = defaultdict(list)
        self._is_quiet = False

    def note(self, kind: str, *, stretch_ns: int) -> None:
        """Count a stretch of ``stretch_ns``."""
        self.stretches += 1
        self.total_ns += stretch_ns
        self.longest = max(self.longest, (stretch_ns, kind))
        self._unreported_ns[kind].append(stretch_ns)
        if not self._is_quiet:
            self._log_unreported()

    def info(self) -> dict[str, Any]:
        """Return the counts for ``inspect stats``, times in seconds."""
        return {
            "stretches": self.stretches,
            "total-s": round(self.total_ns / 1e9, 3),
            "longest-s": round(self.longest[0] / 1e9, 3),
            "longest-by": self.longest[1],
        }

    def _log_unreported(self) -> None:
        self._is_quiet = bool(self._unreported_ns)
        if not self._unreported_ns:
            return
        worst = sorted(self._unreported_ns.items(), key=lambda item: -max(item[1]))
        parts = (
            f"{kind} ({len(ns)} x, {max(ns) / 1e6:.0f} ms at the longest)" for kind, ns in worst
        )
        _log.warning("The event loop was blocked, without an await, by %s", ", ".join(parts))
        self._unreported_ns.clear()
        self._loop.call_later(LOG_EVERY_S, self._log_unreported, context=contextvars.Context())
