"""How many blocks a run makes where their number is open."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from collector.run_manifest import Until
from lab.run.blocks import blocks
from lab.run.state import Run


def block_count(durations_s: Sequence[float], *, least: int, at_most_s: float | None) -> int:
    """Return how many blocks of these durations a run makes; the last one repeats."""
    experiment = SimpleNamespace(repetitions=least, until=at_most_s and Until(at_most_s=at_most_s))
    run = SimpleNamespace(experiment=experiment, blocks_s=[], began_at_s=time.monotonic())
    for block in blocks(cast("Run", run)):
        took_s = durations_s[min(block, len(durations_s) - 1)]
        run.blocks_s.append(took_s)
        run.began_at_s -= took_s
    return len(run.blocks_s)


@pytest.mark.parametrize(
    ("durations_s", "least", "at_most_s", "count"),
    [
        pytest.param([20], 3, None, 3, id="a set number"),
        pytest.param([20], 1, 105, 5, id="as many as fit"),
        pytest.param([20], 7, 105, 7, id="never fewer than the least"),
        pytest.param([20], 1, 10, 1, id="at least one"),
        pytest.param([40, 20], 1, 105, 3, id="the longest is longer than the 25 s left"),
    ],
)
def test_a_block_starts_while_the_longest_would_fit(
    durations_s: list[float], least: int, at_most_s: float | None, count: int
) -> None:
    """Time alone decides, so the number of blocks doesn't depend on what they measured."""
    assert block_count(durations_s, least=least, at_most_s=at_most_s) == count
