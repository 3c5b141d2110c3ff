"""The table of lanes."""

from __future__ import annotations

import io

from rich.console import Console

from report.analyses.slot_lanes import State
from report.lanes import WorkloadLanes
from report.terminal.lane_table import render_lanes
from tests.lanes import lanes_with


def printed(*found: WorkloadLanes, width: int = 80) -> str:
    """Return what a terminal shows."""
    shown = io.StringIO()
    Console(file=shown, width=width).print(render_lanes(list(found)))
    return shown.getvalue()


def test_it_has_a_row_for_each_contender_and_a_column_for_each_state() -> None:
    """States without any time have no column; a share of next to nothing is a dot."""
    lanes = (lanes_with("solo", CORE=1.0), lanes_with("threads-4", CORE=0.3, GIL_WAIT=0.7))
    text = printed(WorkloadLanes(workload="primes", jobs="work_ms 8", lanes=lanes))
    solo, threads = (line.split() for line in text.splitlines() if line[:4] in ("solo", "thre"))
    assert solo == ["solo", "1", "1.00", "s", "100", "%", "·"]
    assert threads[-4:] == ["30", "%", "70", "%"]
    assert "GIL: another thread holds it" in " ".join(text.split())
    assert "blocked" not in text


def test_all_states_fit_into_80_columns() -> None:
    """No name is cut. Where locks are all alike or nothing is sampled, there are fewer states."""
    states = {state.name: 0.1 for state in set(State) - {State.ANY_LOCK, State.BUSY}}
    lanes = lanes_with("threads-4-nogil", **states)
    text = printed(WorkloadLanes(workload="all", jobs="", lanes=(lanes,)))
    assert "…" not in text
    assert "threads-4-nogil" in text


def test_warnings_come_below() -> None:
    """Jobs that didn't end."""
    lanes = (lanes_with("solo", CORE=1.0),)
    found = WorkloadLanes(workload="x", jobs="", lanes=lanes, notes=("solo: 3 of 32 didn't end.",))
    assert "solo: 3 of 32 didn't end." in printed(found)
