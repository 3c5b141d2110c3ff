"""What Celery asks of the asyncio pool for one job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery.worker import state
from celery.worker.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What Celery asks of the pool: a call, its limits, and the callbacks for how it ended."""

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
        """Celery's request; None if something else than its consumer uses the pool."""
        request = getattr(self.on_accepted, "__self__", None)
        return request if isinstance(request, Request) else None

    def may_be_revoked(self) -> bool:
        """Return whether it may have been revoked, or have expired, since Celery looked."""
        request = self.celery_request
        return request is not None and bool(
            request.expires
            or request.id in state.revoked
            or (state.revoked_stamps and request.stamped_headers)
        )
