"""Truths that anyone can work out beforehand, measured by the lab's own runs on real workers.

The upper bounds hold on any machine: a job that sleeps 100 ms takes 100 ms, and threads that share
a lock use one core. The lower ones allow for overhead, and are asked of the best trial: neighbours
only ever make one slower. If even that falls short, the test fails, unless the run itself measured
that others took the CPU beside every trial: then it is skipped with both figures, never loosened.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from poolbench.errors import ExitCode
from tests.integration.test_lab_run import experiment, only_run, poolbench, write

#: Share of the machine's CPU that others may take beside a trial that is to show a pool's speed.
QUIET_SHARE = 0.1

#: Of the cores' time that others left: a pool with a slot a core uses at least this much.
USED_SHARE = 0.7

DELAY_S = 0.1
GREENLETS = 20
CORES = os.cpu_count() or 1


def measure(folder: Path, text: str) -> dict[str, list[dict[str, Any]]]:
    """Run an experiment with the command; return contender → its trials, pilots left out."""
    results = folder / "results"
    ended = poolbench("run", write(folder, text), results=results)
    assert ended.returncode == ExitCode.OK, ended.stderr
    summary = json.loads((only_run(results) / "summary.json").read_text(encoding="utf-8"))
    trials = [trial for trial in summary["trials"] if not trial["is_pilot"]]
    assert all(trial["mark"] != "!" and trial["throughput_per_s"] for trial in trials), trials
    names = {trial["contender"] for trial in trials}
    return {name: [trial for trial in trials if trial["contender"] == name] for name in names}


@pytest.fixture(scope="module")
def sleeping(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Trials of jobs that sleep 100 ms, in one slot and in twenty greenlets."""
    text = experiment(
        pools={"solo": 1, "gevent": GREENLETS},
        repetitions=3,
        kind="io.sleep",
        parameters=f"{{ delay_ms = {1_000 * DELAY_S:g} }}",
    )
    return measure(tmp_path_factory.mktemp("sleeping"), text.replace("= 0.3", "= 1.0", 1))


@pytest.fixture(scope="module")
def computing(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Trials of jobs that compute, with a slot a core: processes beside threads."""
    text = experiment(
        pools={"prefork": CORES, "threads": CORES},
        repetitions=4,
        kind="cpu.primes",
        parameters="{ units = 4 }",
    )
    return measure(tmp_path_factory.mktemp("computing"), text.replace("= 0.3", "= 0.8", 1))


def others_share(trial: dict[str, Any]) -> float:
    """Return the share of the machine's CPU that others took beside a trial; 1 if unknown."""
    share = trial["foreign_cpu_share"]
    return 1.0 if share is None else float(share)


def best_per_s(trials: list[dict[str, Any]]) -> float:
    """Return the most jobs a second of some trials."""
    return max(float(one["throughput_per_s"]) for one in trials)


def expect(found: float, *, at_least: float, trials: list[dict[str, Any]]) -> None:
    """Hold a figure against its bound; skip if it falls short beside trials that others disturbed.

    What a machine does whose cores others take is no truth about a pool.
    """
    others = min(map(others_share, trials))
    if found < at_least and others > QUIET_SHARE:
        pytest.skip(
            f"{found:.3g} instead of {at_least:.3g} at least, but others took {others:.0%} of the "
            "CPU or more beside each trial"
        )
    assert found >= at_least


def busy_cores(trial: dict[str, Any]) -> float:
    """Return the CPU-seconds that the worker's processes used in a second."""
    return float(trial["throughput_per_s"] * trial["cpu_s_per_1000_jobs"] / 1_000)


@pytest.mark.parametrize(("pool", "slots", "share"), [("solo", 1, 0.8), ("gevent", GREENLETS, 0.7)])
def test_slots_that_sleep_give_what_their_sleep_allows_less_overhead(
    sleeping: dict[str, list[dict[str, Any]]], pool: str, slots: int, share: float
) -> None:
    """At most 10/s from one slot, 200/s from twenty: more would be an error of measurement.

    Overhead is some milliseconds a job; twenty sleeps overlap in one process, their overheads not.
    """
    trials, most_per_s = sleeping[pool], slots / DELAY_S

    assert best_per_s(trials) <= 1.01 * most_per_s
    expect(best_per_s(trials), at_least=share * most_per_s, trials=trials)


def test_threads_that_compute_use_one_core(computing: dict[str, list[dict[str, Any]]]) -> None:
    """Python's lock lets one at a time compute, on any machine, whatever else it does."""
    assert max(map(busy_cores, computing["threads"])) <= 1.15


@pytest.mark.skipif(CORES < 2, reason="one core: processes have no more than threads")
def test_processes_that_compute_use_the_cores_that_others_leave(
    computing: dict[str, list[dict[str, Any]]],
) -> None:
    """Not only when it is quiet: CPU time is counted, and what others took is known."""
    used = max(busy_cores(one) / (CORES * (1 - others_share(one))) for one in computing["prefork"])

    assert used >= USED_SHARE


@pytest.mark.skipif(CORES < 2, reason="one core: processes have no more than threads")
def test_processes_that_compute_do_at_least_1_6_times_the_work_of_threads(
    computing: dict[str, list[dict[str, Any]]],
) -> None:
    """Compared within a block: between blocks the machine itself may have become faster or slower.

    What others took of the cores is taken off the bound: processes had only the rest. Threads count
    if they had their one core: slowed by others, they would flatter processes.
    """
    threads = {one["block"]: one for one in computing["threads"] if busy_cores(one) >= 0.9}
    if not threads:
        pytest.skip("others left threads less than 0.9 of a core in each of their trials")

    ratios = [
        one["throughput_per_s"]
        / (threads[one["block"]]["throughput_per_s"] * (1 - others_share(one)))
        for one in computing["prefork"]
        if one["block"] in threads
    ]

    expect(max(ratios), at_least=1.6, trials=computing["prefork"])
