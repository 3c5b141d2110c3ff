"""The jobs of a start: they reach every slot of every group of workers."""

from __future__ import annotations

import pytest

from collector.run_manifest import Contender, WorkerGroup, Workload
from lab.trial.worker_trials import SLOT_SLEEP_MS, first_and_sleeps
from producer.mixes import draw_in_sequence

START = Workload(name="start", kind="", parameters={}, measure="start")
PLAIN = Contender(name="plain", pool="threads", slots=4)
GROUPED = Contender(
    name="two",
    pool="threads",
    slots=7,
    groups=(
        WorkerGroup(name="cpu", pool="threads", slots=3, queues=("cpu",)),
        WorkerGroup(name="io", pool="threads", slots=2, workers=2, queues=("io", "other")),
    ),
)


@pytest.mark.parametrize(
    ("contender", "queues"),
    [(PLAIN, [""] * 5), (GROUPED, ["cpu", *["cpu"] * 3, *["io"] * 4])],
    ids=["plain", "grouped"],
)
def test_the_first_job_does_nothing_and_the_others_sleep_in_all_slots(
    contender: Contender, queues: list[str]
) -> None:
    """In this order; those of a group go to a queue that its workers consume."""
    count = 1 + contender.slots

    mix = first_and_sleeps(START, contender=contender, count=count).mix

    drawn = [mix[at] for at in draw_in_sequence([[one.share] for one in mix], count=count, seed=0)]
    delays_ms = [one.parameters["delay_ms"] for one in drawn]
    assert delays_ms == [0.0, *[SLOT_SLEEP_MS] * contender.slots]
    assert [one.options.queue for one in drawn] == queues
