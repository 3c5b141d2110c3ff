"""What others did on the machine during a trial, from two looks at its counters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.instruments.machine_monitor import Look, Watch, disturbance

BEFORE = Look(
    at_s=100.0, busy_s=50.0, stolen_s=1.0, own_s={1: 10.0, 2: 5.0}, server_s=3.0, clock_s=1e9
)


def after(
    *,
    busy_s: float,
    own_s: dict[int, float],
    stolen_s: float = 1.0,
    server_s: float = 3.0,
    clock_s: float = 1e9,
) -> Look:
    """Return the look two seconds later."""
    return replace(
        BEFORE,
        at_s=102.0,
        busy_s=busy_s,
        own_s=own_s,
        stolen_s=stolen_s,
        server_s=server_s,
        clock_s=clock_s,
    )


def test_what_the_run_itself_computes_is_not_foreign() -> None:
    """Its workers and its server took all that was taken."""
    found = disturbance(
        BEFORE, after=after(busy_s=53.0, own_s={1: 12, 2: 5.5}, server_s=3.5), cores=2
    )

    assert found.foreign_cpu_share == pytest.approx(0)


def test_the_rest_is_a_share_of_all_cores() -> None:
    """One core of two for two seconds is half of the machine."""
    found = disturbance(BEFORE, after=after(busy_s=53.0, own_s={1: 11.0, 2: 5.0}), cores=2)

    assert found.foreign_cpu_share == pytest.approx(0.5)
    assert found.stolen_cpu_share == 0


def test_stolen_time_is_foreign_and_told_apart() -> None:
    """The hypervisor's other guests are others too."""
    found = disturbance(
        BEFORE, after=after(busy_s=51.0, own_s={1: 11.0, 2: 5.0}, stolen_s=1.8), cores=2
    )

    assert found.foreign_cpu_share == pytest.approx(0.2)
    assert found.stolen_cpu_share == pytest.approx(0.2)


def test_a_process_that_began_meanwhile_counts_whole() -> None:
    """A child that prefork replaced is the run's own from its first moment on."""
    found = disturbance(BEFORE, after=after(busy_s=53.0, own_s={1: 11.0, 2: 5.0, 9: 2.0}), cores=2)

    assert found.foreign_cpu_share == pytest.approx(0)


def test_where_one_of_the_run_has_ended_nothing_is_claimed() -> None:
    """What it computed would look like another's; its clock is gone."""
    found = disturbance(BEFORE, after=after(busy_s=53.0, own_s={1: 11.0}, clock_s=1e9 + 2), cores=2)

    assert found.foreign_cpu_share is None
    assert found.clock_step_s == pytest.approx(2)


def test_counting_in_hundredths_makes_nothing_negative() -> None:
    """The machine's counts may lag behind a process's nanoseconds."""
    found = disturbance(BEFORE, after=after(busy_s=50.9, own_s={1: 11.0, 2: 5.0}), cores=2)

    assert found.foreign_cpu_share == 0


def test_a_real_machine_is_told_of() -> None:
    """Shares lie between nothing and all, and no clock is set while nothing happens."""
    watch = Watch()

    found = watch.since(watch.look())

    assert found.foreign_cpu_share is not None
    assert found.stolen_cpu_share is not None
    assert 0 <= found.stolen_cpu_share <= found.foreign_cpu_share
    assert abs(found.clock_step_s) < 1
