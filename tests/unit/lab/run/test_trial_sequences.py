"""The units of a block and their order, from the experiment and its seed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from collector.run_manifest import Contender, Workload
from lab.experiment.arrivals import CURVE_SHARES
from lab.experiment.model import Experiment
from lab.run.trial_sequences import block_units

SOLO = Contender(name="solo", pool="solo", slots=1, note="")
THREADS = Contender(name="threads", pool="threads", slots=4, note="")
workload = partial(Workload, kind="io.sleep", parameters={})

EXPERIMENT = Experiment(
    file="some.toml",
    text="",
    title="Some?",
    question="",
    profile="demo",
    seed=1,
    repetitions=5,
    trial_s=1.0,
    stall_s=10.0,
    contenders=(SOLO, THREADS),
    workloads=(
        workload(name="backlog"),
        workload(name="bend", measure="curve", arrivals={"how": "poisson"}),
    ),
)


def test_a_curve_has_one_trial_for_each_share() -> None:
    """Every contender is measured at every share once, among all other trials."""
    units = block_units(EXPERIMENT, block=1)

    bends = [unit for unit in units if unit.workload.name == "bend"]
    assert len(units) == 2 + 2 * len(CURVE_SHARES)
    for contender in (SOLO, THREADS):
        shares = [unit.share for unit in bends if unit.contender is contender]
        assert sorted(share for share in shares if share) == sorted(CURVE_SHARES)
        assert tuple(shares) != CURVE_SHARES, "shuffled"


def test_the_sustained_rate_of_a_curve_is_searched_first() -> None:
    """Once, in the first block: its points are shares of that rate."""
    units = block_units(EXPERIMENT, block=0)

    assert [unit.share for unit in units[:2]] == [None, None]
    assert {unit.workload.name for unit in units[:2]} == {"bend"}
    assert len(units) == 2 + len(block_units(EXPERIMENT, block=1))


def test_a_twin_is_measured_at_its_originals_rates() -> None:
    """The twin has no search: it must not differ from its original."""
    twin = replace(SOLO, name="solo~", twin_of="solo")
    experiment = replace(EXPERIMENT, contenders=(SOLO, THREADS, twin))

    searches = [unit for unit in block_units(experiment, block=0) if unit.workload.name == "bend"]

    assert twin not in [unit.contender for unit in searches if unit.share is None]
    assert {unit.original for unit in searches if unit.contender is twin} == {"solo"}


def test_the_order_comes_from_seed_and_block() -> None:
    """The same block has the same order, and another block another."""
    titles = [[unit.title for unit in block_units(EXPERIMENT, block=block)] for block in (1, 1, 2)]

    assert titles[0] == titles[1]
    assert titles[0] != titles[2]
    assert sorted(titles[0]) == sorted(titles[2])


def test_a_workload_is_measured_without_another_in_between() -> None:
    """Its contenders are compared; which workload comes first differs from block to block."""
    several = tuple(workload(name=name) for name in "abcd")
    experiment = replace(EXPERIMENT, workloads=several)
    orders = set()
    for block in range(8):
        names = [unit.workload.name for unit in block_units(experiment, block=block)]
        found = tuple(dict.fromkeys(names))
        assert names == [name for name in found for _ in experiment.contenders]
        orders.add(found)

    assert len(orders) > 1
