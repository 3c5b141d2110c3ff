"""What Celery does with a job in addition to running it: where, when, how often. Data only."""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Seconds of the periods of a rate limit, by Celery's letter.
_PERIODS_S = {"s": 1, "m": 60, "h": 3_600}

#: Largest error of a sum of shares in floating point.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Jobs that fail in their first attempt, and are retried once."""

    #: Share of the jobs, above 0.
    share: float
    #: Countdown of the second attempt, seconds.
    countdown_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """The options of the jobs of one part of a mix; all have no effect by default."""

    #: Name of its queue; a contender that doesn't consume it gets the jobs in its default queue.
    queue: str = ""
    #: Celery's priority on Redis: 0 is served first, 9 last; None for a message without one.
    priority: int | None = None
    #: Time from when a job is due until a slot may start it, seconds; 0 for none.
    countdown_s: float = 0.0
    #: Time from when a job is due until it expires, seconds; 0 for never.
    expires_s: float = 0.0
    #: Share of the jobs that fail in each attempt.
    fail_share: float = 0.0
    retry: Retry | None = None
    #: Most starts of its kind in each worker, as Celery writes it: ``6/m``; empty for no limit.
    rate_limit: str = ""
    #: Size of an unused argument, bytes; 0 for the contender's setting.
    payload_bytes: int = 0
    #: Size of the result, bytes; it is stored where the contender stores results.
    result_bytes: int = 0

    @property
    def limit_per_s(self) -> float | None:
        """Return the most starts a second of its kind in each worker; None for no limit."""
        starts, _, period = self.rate_limit.partition("/")
        return float(starts) / _PERIODS_S[period] if starts else None

    @property
    def longest_pause_s(self) -> float:
        """Return the longest time that these options keep a job from its next start, seconds."""
        retry_s = self.retry.countdown_s if self.retry else 0.0
        return max(self.countdown_s, retry_s, 1 / self.limit_per_s if self.limit_per_s else 0.0)

    @property
    def fates(self) -> tuple[tuple[float, JobOptions], ...]:
        """Return the options of the jobs that end alike, each with their share of the jobs.

        In these options the shares of failures and retries are 0 or 1.
        """
        retry_share = self.retry.share if self.retry else 0.0
        always = self.retry and replace(self.retry, share=1.0)
        found = (
            (1 - self.fail_share - retry_share, replace(self, fail_share=0.0, retry=None)),
            (self.fail_share, replace(self, fail_share=1.0, retry=None)),
            (retry_share, replace(self, fail_share=0.0, retry=always)),
        )
        return tuple((share, options) for share, options in found if share > ROUNDING)
