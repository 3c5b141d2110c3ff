"""The experiments that come with Poolbench: what each promises in its first lines, it has."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from collector.run_manifest import Until
from lab.experiment.model import Experiment
from lab.experiment.worker_settings import Tuning
from lab.experiment_file.loader import load_experiment
from poolbench.jobs import JOB_KINDS
from poolbench.pools import POOLS
from report.analyses.crossover import AXIS, KIND, MIN_SHARES
from report.statistics.ratios import CLAIM_BLOCKS
from report.statistics.scalability import MIN_SIZE_RATIO, MIN_SIZES

FILES = sorted(Path("experiments").glob("*.toml"))

every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def load(name: str, *, profile: str = "demo") -> Experiment:
    """Return an experiment as a machine with two cores resolves it."""
    return load_experiment(Path(f"experiments/{name}.toml"), profile=profile, cores=2)


@every_file
def test_it_has_a_question_a_picture_and_a_claim(file: Path) -> None:
    """The title is the first line of the comment; `bench` has repetitions enough."""
    demo, bench = load(file.stem), load(file.stem, profile="bench")

    assert demo.title.endswith("?")
    assert demo.question.startswith(f"{demo.title}\n\n")
    assert demo.repetitions <= bench.repetitions
    assert bench.repetitions >= CLAIM_BLOCKS


@every_file
@pytest.mark.parametrize("profile", ["demo", "bench"])
def test_pools_are_compared_to_solo_and_settings_one_by_one(file: Path, profile: str) -> None:
    """Where several pools are compared one of them is solo; where it is settings, nothing else."""
    contenders = load(file.stem, profile=profile).contenders
    if any(one.settings or one.sweep for one in contenders):
        for pool in {one.pool for one in contenders}:
            alike = [one for one in contenders if one.pool == pool]
            changed = {one.sweep.setting for one in alike if one.sweep}
            assert len({one.slots for one in alike}) == 1 or changed == {"slots"}
    else:
        assert "solo" in {contender.pool for contender in contenders}


@pytest.mark.parametrize("name", ["io", "cpu", "mixed"])
def test_every_pool_takes_part_at_equal_slots(name: str) -> None:
    """In the short profile too; in `bench` every pool that can is measured at one count."""
    contenders = load(name, profile="bench").contenders
    alike = [one for one in contenders if one.note.startswith("equal slots")]

    assert {one.pool for one in load(name).contenders} == set(POOLS)
    assert {one.pool for one in alike} == set(POOLS) - {"solo"}
    assert len({one.slots for one in alike}) == 1


def test_cpu_asks_all_that_compute() -> None:
    """The four kinds of the catalogue that do nothing else, at the same work each."""
    workloads = load("cpu").workloads

    assert {one.kind for one in workloads} == {
        kind.name for kind in JOB_KINDS.values() if kind.is_cpu_bound
    }
    assert len({tuple(one.parameters.items()) for one in workloads}) == 1


def test_io_asks_all_that_wait() -> None:
    """Every `io` kind of the catalogue, and one of them with a long tail."""
    workloads = load("io").workloads

    assert {one.kind for one in workloads} == {name for name in JOB_KINDS if name.startswith("io.")}
    assert sum("tail_sigma" in one.parameters for one in workloads) == 1


def test_mixed_goes_from_waiting_to_computing() -> None:
    """One job at shares enough for a curve, its ends included, and nothing else that differs."""
    workloads = load("mixed").workloads
    shares = [one.parameters[AXIS] for one in workloads]

    assert {one.kind for one in workloads} == {KIND}
    assert (shares[0], shares[-1], len(shares) >= MIN_SHARES) == (0.0, 1.0, True)
    assert shares == sorted(shares)
    assert len({one.parameters["total_ms"] for one in workloads}) == 1


def test_observer_turns_each_observer_on_and_off() -> None:
    """Events, Flower and stored results: for each there is a pair that differs in it."""
    tunings = [
        Tuning.model_validate(one.settings).model_dump()
        for one in load("observer", profile="bench").contenders
    ]
    differing = [
        [name for name in mine if mine[name] != theirs[name]]
        for mine, theirs in combinations(tunings, 2)
    ]

    alone = {names[0] for names in differing if len(names) == 1}
    assert alone == {"events", "flower", "result_backend"}


def test_slots_reaches_far_enough_for_the_law() -> None:
    """A fit takes several sizes that lie a good factor apart."""
    slots = sorted(one.slots for one in load("slots", profile="bench").contenders)

    assert len(slots) >= MIN_SIZES
    assert slots[-1] >= MIN_SIZE_RATIO * slots[0]


def test_redis_delay_begins_with_the_proxy_alone() -> None:
    """What the proxy itself costs is in every point, so that they differ by the delay."""
    delays_ms = {
        Tuning.model_validate(one.settings).redis_delay_ms for one in load("redis_delay").contenders
    }

    assert 0 in delays_ms
    assert None not in delays_ms


def test_pools_are_compared_at_equal_slots_and_then_at_usual_sizes() -> None:
    """Four slots each, only solo has its one; `bench` adds the sizes that people give.

    Both make claims, in a time that people wait for.
    """
    demo, bench = load("pools"), load("pools", profile="bench")
    count = len(demo.contenders)

    slots = {one.pool: one.slots for one in demo.contenders}
    assert slots == {"prefork": 4, "threads": 4, "gevent": 4, "asyncio": 4, "solo": 1}
    assert bench.contenders[:count] == demo.contenders
    added = {(one.pool, one.slots) for one in bench.contenders[count:]}
    assert added == {("prefork", 2), ("threads", 50), ("gevent", 100), ("asyncio", 50)}
    assert (demo.repetitions, demo.until) == (CLAIM_BLOCKS, None)
    assert bench.repetitions == 7
    assert bench.until == Until(at_most_s=240)


def test_kept_experiments_of_loads_measure_what_they_say() -> None:
    """Searches and curves, and a mix."""
    loads, mixes = load("load").workloads, load("mix").workloads

    assert {one.measure for one in loads} == {"sustain", "curve"}
    assert {one.measure for one in mixes} == {"rate"}
    assert [any(one.mix for one in workloads) for workloads in (loads, mixes)] == [False, True]
