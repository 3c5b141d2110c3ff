"""A run's summary as the collector published it: read, never computed here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import redis

from poolbench.errors import StackError
from poolbench.keys import summary_key
from poolbench.records import FORMAT
from poolbench.summaries import Ledger, Percentiles, RunState

_Part = TypeVar("_Part", Ledger, Percentiles)


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
    state: RunState
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
            state=RunState(raw["state"]),
            has_events=bool(raw["events"]),
            overlapped_by=tuple(raw["overlapped_by"]),
            trials=tuple(_trial(each) for each in raw["trials"]),
            raw=raw,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StackError(f"the collector's summary can't be read: {error!r}") from error


def _trial(raw: Mapping[str, Any]) -> TrialSummary:
    spans = {
        name: raw[name] and _part(Percentiles, raw[name])
        for name in ("wait_s", "execution_s", "lag_s")
    }
    parts = {"ledger": _part(Ledger, raw["ledger"]), "reasons": tuple(raw["reasons"]), **spans}
    return TrialSummary(**{name: raw[name] for name in TrialSummary.__slots__} | parts)


def _part(kind: type[_Part], raw: Mapping[str, Any]) -> _Part:
    """Return a part of a trial; what a newer collector says besides is passed over."""
    return kind(**{name: raw[name] for name in kind.__slots__})
