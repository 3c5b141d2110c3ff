"""Celery's request to the asyncio pool for one job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery.worker import state
from celery.worker.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """Celery's request to the pool: a call, its time limits, and callbacks for its outcome."""

    call: Callable[[], Any]
    kind: str
    job_id: str
    soft_limit_s: float | None = None
    limit_s: float | None = None
    on_accepted: Callable[..., Any] | None = None
    on_success: Callable[..., Any] | None = None
    on_failure: Callable[..., Any] | None = None
    on_timeout: Callable[..., Any] | None = None

    @property
    def celery_request(self) -> Request | None:
        """Return Celery's request; None if the pool is not used by its consumer."""
        request = getattr(self.on_accepted, "__self__", None)
        return request if isinstance(request, Request) else None

    def may_be_revoked(self) -> bool:
        """Return whether it may have been revoked or have expired since Celery's own check."""
        request = self.celery_request
        return request is not None and bool(
            request.expires
            or request.id in state.revoked
            or (state.revoked_stamps and request.stamped_headers)
        )
