"""Reads the configuration in effect from workers, by Celery's remote control."""

from __future__ import annotations

import platform
from collections.abc import Collection, Mapping

from celery import Celery

#: How long workers may take to answer, seconds.
TIMEOUT_S = 3.0


class RemoteControl:
    """Celery's remote control of the workers of one run."""

    def __init__(self, url: str, *, run: str) -> None:
        self._run = run
        self._app = Celery(broker=url, set_as_current=False)

    def configurations(self, contenders: Collection[str]) -> dict[str, Mapping[str, object]]:
        """Return the configuration in effect by contender; Celery censors the secrets."""
        nodes = {f"{name}.{self._run}@{platform.node()}": name for name in contenders}
        with self._app.connection_for_write() as connection:
            inspect = self._app.control.inspect(
                list(nodes), connection=connection, timeout=TIMEOUT_S, limit=len(nodes)
            )
            answers = inspect.conf() or {}
        return {nodes[node]: found for node, found in answers.items() if node in nodes}
