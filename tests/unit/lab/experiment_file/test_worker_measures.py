"""Workloads that measure workers themselves: what they may say, and what has no effect in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.lab.experiment_file.test_loader import MINIMAL, faults_of, load

#: A file without a workload.
BASE = MINIMAL.partition("[[workload]]")[0]
SLEEP = 'kind = "io.sleep"\n'


def test_a_start_and_an_idle_worker_need_no_jobs(tmp_path: Path) -> None:
    """The measure names them, and their own keys have defaults."""
    text = (
        f'{BASE}[[workload]]\nmeasure = "start"\nimport_ms = 300\n[[workload]]\nmeasure = "idle"\n'
    )

    start, idle = load(tmp_path, text).workloads

    assert (start.name, start.kind, start.sorts, start.shares) == ("start", "", (), ())
    assert start.measure_parameters == {"import_ms": 300, "import_mb": 0}
    assert (idle.name, idle.measure_parameters) == ("idle", {"idle_s": 20})


@pytest.mark.parametrize("arrivals", ["", 'arrivals = { how = "constant", rate_per_s = 10 }\n'])
def test_pings_need_jobs_in_a_backlog_or_at_a_rate(tmp_path: Path, arrivals: str) -> None:
    """They keep the worker busy."""
    text = f'{BASE}[[workload]]\n{SLEEP}measure = "ping"\n{arrivals}ping_every_s = 0.1\n'

    (ping,) = load(tmp_path, text).workloads

    assert ping.measure == "ping"
    assert ping.measure_parameters == {"ping_every_s": 0.1, "ping_timeout_s": 1.0}
    assert (ping.arrivals is not None) == bool(arrivals)


@pytest.mark.parametrize(
    ("workload", "fault"),
    [
        (f'measure = "start"\n{SLEEP}', "Leave it out: this measure has no jobs of yours"),
        ('measure = "idle"\nfail_share = 0.5\n', "Leave it out: this measure has no jobs of yours"),
        ('measure = "idle"\nimport_mb = 5\n', "workload.import_mb = 5 is invalid: unknown key"),
        (f"{SLEEP}import_mb = 5\n", 'Write it with measure = "start"'),
        (f"{SLEEP}idle_s = 5\n", 'Write it with measure = "idle"'),
        (f"{SLEEP}ping_timeout_s = 2.0\n", 'only pings have it. Write measure = "ping"'),
        ('measure = "ping"\n', "a workload has a kind, or a mix of kinds"),
    ],
)
def test_a_key_without_effect_is_a_fault(tmp_path: Path, workload: str, fault: str) -> None:
    """It is refused, with the place where it belongs."""
    faults = faults_of(tmp_path, f"{BASE}[[workload]]\n{workload}")

    assert any(fault in one for one in faults), faults
