"""Reads the configuration in effect from workers, by Celery's remote control."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping

from celery import Celery

#: How long workers may take to answer, seconds.
TIMEOUT_S = 3.0


def configurations(
    url: str, *, scope: str, contenders: Iterable[str]
) -> dict[str, Mapping[str, object]]:
    """Return the configuration in effect by contender; Celery censors the secrets."""
    nodes = {f"{name}.{scope}@{platform.node()}": name for name in contenders}
    app = Celery(broker=url, set_as_current=False)
    with app.connection_for_write() as connection:
        inspect = app.control.inspect(
            list(nodes), connection=connection, timeout=TIMEOUT_S, limit=len(nodes)
        )
        answers = inspect.conf() or {}
    return {nodes[node]: found for node, found in answers.items() if node in nodes}
