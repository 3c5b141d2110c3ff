"""A run's summary as the collector published it: read, never computed here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import redis

from poolbench.errors import StackError
from poolbench.keys import summary_key
from poolbench.records import FORMAT

#: States of a run that change no more, unless its workers come back.
ENDED = frozenset({"closed", "stalled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The account of a trial."""

    sent: int = 0
    done: int = 0
    failed: int = 0
    retried: int = 0
    lost: int = 0
    duplicated: int = 0

    @property
    def is_closed(self) -> bool:
        """Whether each job sent has ended."""
        return self.lost == 0

    @property
    def ended(self) -> int:
        """Return how many jobs have ended, well or not."""
        return self.done + self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Percentiles of a span, seconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSummary:
    """One trial's figures; a figure that can't be told is None."""

    trial: int
    contender: str
    slots: int
    kind: str
    parameters: Mapping[str, int | float]
    ledger: Ledger
    throughput_per_s: float | None
    wait_s: Percentiles | None
    execution_s: Percentiles | None
    lag_s: Percentiles | None
    #: ``!`` invalid, ``~`` unstable, ``?`` too few; empty if nothing is the matter.
    mark: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What the collector knows of a run."""

    run: str
    #: ``sending``, ``running``, ``closed`` or ``stalled``.
    state: str
    #: Whether Celery's events were on.
    has_events: bool
    #: Runs that had jobs in flight at the same time.
    overlapped_by: tuple[str, ...]
    trials: tuple[TrialSummary, ...]
    #: The whole as it was published.
    raw: Mapping[str, Any] = field(repr=False)

    def trial(self, index: int) -> TrialSummary | None:
        """Return one trial, or None if the collector has nothing of it yet."""
        return next((trial for trial in self.trials if trial.trial == index), None)


def read_summary(client: redis.Redis, run: str) -> RunSummary | None:
    """Return a run's summary, or None if the collector has published none.

    Raises:
        StackError: if it is garbled or of another format.
    """
    text = client.get(summary_key(run))
    return None if text is None else parse_summary(str(text))


def parse_summary(text: str) -> RunSummary:
    """Return a summary from its JSON.

    Raises:
        StackError: if it is garbled or of another format.
    """
    try:
        raw = json.loads(text)
        if raw["format"] != FORMAT:
            raise StackError(
                f"the collector publishes format {raw['format']}, this producer reads {FORMAT}; "
                "run both from one version"
            )
        return RunSummary(
            run=raw["run"],
            state=raw["state"],
            has_events=bool(raw["events"]),
            overlapped_by=tuple(raw["overlapped_by"]),
            trials=tuple(_trial(each) for each in raw["trials"]),
            raw=raw,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StackError(f"the collector's summary can't be read: {error!r}") from error


def _trial(raw: Mapping[str, Any]) -> TrialSummary:
    ledger = raw["ledger"]
    return TrialSummary(
        trial=raw["trial"],
        contender=raw["contender"],
        slots=raw["slots"],
        kind=raw["kind"],
        parameters=raw["parameters"],
        ledger=Ledger(**{name: int(ledger[name]) for name in Ledger.__slots__}),
        throughput_per_s=raw["throughput_per_s"],
        wait_s=_percentiles(raw["wait_s"]),
        execution_s=_percentiles(raw["execution_s"]),
        lag_s=_percentiles(raw["lag_s"]),
        mark=raw["mark"],
        reasons=tuple(raw["reasons"]),
    )


def _percentiles(raw: Mapping[str, float] | None) -> Percentiles | None:
    if raw is None:
        return None
    return Percentiles(p50=raw["p50"], p95=raw["p95"], p99=raw["p99"])
