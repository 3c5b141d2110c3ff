"""Asks a worker by Celery's own remote control: what holds there, and how many jobs have ended."""

from __future__ import annotations

import platform
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from celery import Celery

from poolbench.settings import load_settings

#: How long workers may take to tell their configuration, seconds.
CONFIGURATION_TIMEOUT_S = 3.0

#: How long a worker may take to tell its count, seconds; solo answers between two jobs.
COUNT_TIMEOUT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCount:
    """What a worker says of its jobs since it began."""

    #: Jobs that have begun in a slot.
    begun: int
    #: Jobs that are in a slot.
    active: int

    @property
    def ended(self) -> int:
        """Return how many have ended, at the least."""
        return self.begun - self.active


def multiplier_of(configuration: Mapping[str, Any] | None) -> int:
    """Return how many messages a worker of that configuration reserves for each slot."""
    found = (configuration or {}).get("worker_prefetch_multiplier")
    return int(found) if found else load_settings().prefetch_multiplier


class Control:
    """Celery's remote control of the workers of one run."""

    def __init__(self, url: str, *, run: str) -> None:
        self._run = run
        self._app = Celery(broker=url, set_as_current=False)

    def configurations(self, contenders: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """Return the configuration in effect by contender; Celery censors the secrets."""
        nodes = {self._node(contender): contender for contender in contenders}
        answers = self._ask("conf", nodes=nodes, timeout_s=CONFIGURATION_TIMEOUT_S)
        return {nodes[node]: found for node, found in answers.items() if node in nodes}

    def count(self, contender: str) -> JobCount | None:
        """Return what the contender's worker says of its jobs; None if it doesn't answer.

        Begun is asked first: what begins or ends between the two questions makes `ended` less.
        """
        node = self._node(contender)
        stats = self._ask("stats", nodes=[node], timeout_s=COUNT_TIMEOUT_S).get(node)
        if stats is None:
            return None
        active = self._ask("active", nodes=[node], timeout_s=COUNT_TIMEOUT_S).get(node)
        if active is None:
            return None
        return JobCount(begun=sum(stats["total"].values()), active=len(active))

    def _node(self, contender: str) -> str:
        return f"{contender}.{self._run}@{platform.node()}"

    def _ask(self, what: str, *, nodes: Collection[str], timeout_s: float) -> dict[str, Any]:
        with self._app.connection_for_write() as connection:
            inspect = self._app.control.inspect(
                list(nodes), connection=connection, timeout=timeout_s, limit=len(nodes)
            )
            return getattr(inspect, what)() or {}
