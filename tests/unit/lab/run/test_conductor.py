"""A run ends every worker that it started, also after a signal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from collector.run_manifest import Contender
from lab.run import conductor
from lab.run.state import Run


@pytest.fixture
def _heard() -> Iterator[None]:
    """Let SIGINT raise: a shell makes its background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heard")
def test_a_signal_while_a_worker_starts_leaves_it_among_those_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker that is in no list would keep running."""

    def start(*_: Any, **__: Any) -> str:
        signal.raise_signal(signal.SIGINT)
        return "worker"

    # patched, since the signal must arrive during the start
    monkeypatch.setattr(conductor, "start_worker", start)
    run = cast("Run", SimpleNamespace(workers=[], up={}))
    solo = Contender(name="solo", pool="solo", slots=1, note="")

    with pytest.raises(KeyboardInterrupt):
        conductor._start(run, solo, block=0)

    assert list(run.up) == ["solo"]
    assert len(run.workers) == 1
