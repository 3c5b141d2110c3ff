"""The experiments that come with Poolbench: what each promises in its first lines, it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.experiment import Experiment, load_experiment
from poolbench.catalogue import JOB_KINDS
from poolbench.pools import POOLS
from report.crossover import AXIS, KIND, MIN_SHARES

FILES = sorted(Path("experiments").glob("*.toml"))

every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def load(name: str, *, profile: str = "demo") -> Experiment:
    """Return an experiment as a machine with two cores resolves it."""
    return load_experiment(Path(f"experiments/{name}.toml"), profile=profile, cores=2)


@every_file
def test_it_opens_with_its_question(file: Path) -> None:
    """The title is the question, and the first line of the comment above it."""
    experiment = load(file.stem)

    assert experiment.title.endswith("?")
    assert experiment.question.startswith(f"{experiment.title}\n\n")


@every_file
def test_a_demo_is_a_picture_and_a_bench_a_claim(file: Path) -> None:
    """Two or three repetitions in the one, five or more in the other; solo in both."""
    demo, bench = load(file.stem), load(file.stem, profile="bench")

    assert demo.repetitions < 5 <= bench.repetitions
    for experiment in (demo, bench):
        assert "solo" in {contender.pool for contender in experiment.contenders}


@pytest.mark.parametrize("name", ["io", "cpu", "mixed"])
def test_every_pool_takes_part(name: str) -> None:
    """Prefork, threads, gevent, asyncio and solo, in the short profile too."""
    assert {contender.pool for contender in load(name).contenders} == set(POOLS)


@pytest.mark.parametrize("name", ["io", "cpu", "mixed"])
def test_the_claim_is_made_at_equal_slots(name: str) -> None:
    """In `bench` every pool that can is measured at one count of slots."""
    contenders = load(name, profile="bench").contenders
    alike = {contender.pool for contender in contenders if contender.note.startswith("equal slots")}
    sizes = {
        contender.slots for contender in contenders if contender.note.startswith("equal slots")
    }

    assert alike == set(POOLS) - {"solo"}
    assert len(sizes) == 1


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
