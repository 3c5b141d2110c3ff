"""Reads the configuration of workers and limits their rates, by Celery's remote control."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable, Mapping

from celery import Celery

from collector.run_manifest import Contender
from poolbench.keys import worker_name

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


def nodes_of(contender: Contender, *, scope: str) -> list[str]:
    """Return the names of a contender's workers on this machine."""
    return [f"{worker_name(contender.name, scope=scope)}@{platform.node()}"]


def limit_rates(url: str, *, nodes: Collection[str], limits: Mapping[str, str | None]) -> list[str]:
    """Set the rate limits of job kinds in workers; None removes a limit.

    Returns the kinds whose limit a worker did not confirm.
    """
    app = Celery(broker=url, set_as_current=False)
    unconfirmed = []
    with app.connection_for_write() as connection:
        for kind, limit in limits.items():
            answers = app.control.rate_limit(
                kind,
                limit or 0,
                destination=list(nodes),
                connection=connection,
                reply=True,
                timeout=TIMEOUT_S,
                limit=len(nodes),
            )
            found = {node: answer for one in answers or () for node, answer in one.items()}
            if not all("ok" in found.get(node, {}) for node in nodes):
                unconfirmed.append(kind)
    return unconfirmed
