"""Reads the summary of a run that the collector published; computes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import redis
from pydantic import TypeAdapter

from poolbench.errors import StackError
from poolbench.keys import summary_key
from poolbench.records import FORMAT
from poolbench.summaries import Ledger, Percentiles, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSummary:
    """One trial's figures; an unknown figure is None."""

    trial: int
    contender: str
    slots: int
    kind: str
    ledger: Ledger
    throughput_per_s: float | None
    wait_s: Percentiles | None
    execution_s: Percentiles | None
    lag_s: Percentiles | None
    #: ``!`` invalid, ``~`` unstable, ``?`` too few; empty for a sound trial.
    mark: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """The summary of a run, as the collector published it."""

    state: RunState
    trials: tuple[TrialSummary, ...]
    #: The complete JSON object.
    raw: Mapping[str, Any] = field(repr=False)

    def trial(self, index: int) -> TrialSummary | None:
        """Return one trial, or None if the collector has not published it yet."""
        return next((trial for trial in self.trials if trial.trial == index), None)


def read_summary(client: redis.Redis, run: str) -> RunSummary | None:
    """Return a run's summary, or None if the collector has published none.

    Raises:
        StackError: if it can't be parsed or has another format.
    """
    text = client.get(summary_key(run))
    return None if text is None else parse_summary(str(text))


def parse_summary(text: str) -> RunSummary:
    """Return a summary from its JSON.

    Raises:
        StackError: if it can't be parsed or has another format.
    """
    try:
        raw = json.loads(text)
        if raw["format"] != FORMAT:
            raise StackError(
                f"the collector publishes format {raw['format']}, this producer reads {FORMAT}. "
                "Run both from one version."
            )
        # additional fields of a newer collector are ignored
        return _SUMMARY.validate_python({**raw, "raw": raw})
    except (KeyError, TypeError, ValueError) as error:
        raise StackError(
            f"the collector's summary can't be read ({type(error).__name__}). "
            "Run producer and collector from one version."
        ) from error


_SUMMARY = TypeAdapter(RunSummary)
