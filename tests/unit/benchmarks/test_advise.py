"""The comparison of advice with a measured grid."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.advise import CELLS, GRID, LOADS, show, thumb_of
from tests.demands import FETCH, THUMB, demand


def measured(advised: float, *, best: float = 100.0) -> dict[str, Any]:
    """Return what is kept of a workload: the advice did so many jobs per second."""
    setting = {"pool": "threads", "slots": 9, "workers": 1, "prefetch_multiplier": None}
    advice = {"outcome": "change", "setting": setting, "default": "prefork-2", "thumb": "prefork-2"}
    per_s = {"prefork-8": best, "prefork-2": 60.0, "threads-9": advised}
    return {"advise": advice, "sweep": per_s, "confirm": per_s, "advise_took_s": 1.0}


@pytest.mark.parametrize(("good", "code"), [(12, 0), (10, 0), (9, 1)])
def test_ten_of_twelve_have_to_be_within_a_tenth(good: int, code: int) -> None:
    """A better setting than the best of the grid has no regret."""
    kept = {name: measured(95.0 if number < good else 80.0) for number, name in enumerate(LOADS)}

    assert show(kept, is_whole=True) == code


def test_advice_has_to_be_better_than_the_rules_of_thumb() -> None:
    """Also where it is within a tenth of the best."""
    assert show({name: measured(59.0, best=60.0) for name in LOADS}, is_whole=True) == 1


def test_the_rule_of_thumb_depends_on_waits() -> None:
    """Waits lead to gevent, and all else to a process a core."""
    assert thumb_of(demand(FETCH)) == "gevent-100"
    assert thumb_of(demand(THUMB)) == "prefork-2"


def test_the_grid_has_the_rules_of_thumb_and_there_are_twelve_workloads() -> None:
    """So their figures come from the same run."""
    assert {"prefork-2", "gevent-100"} <= {*CELLS}
    assert len(CELLS) == sum(map(len, GRID.values()))
    assert len(LOADS) == 12
