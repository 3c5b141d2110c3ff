"""The queues that pilots are sent to."""

from __future__ import annotations

from dataclasses import replace

from collector.run_manifest import AppCall, Contender, Part, WorkerGroup, Workload
from lab.trial.queues import addressed, spread

SLEEP = Workload(name="ready", kind="io.sleep", parameters={"delay_ms": 300.0})

PLAIN = Contender(name="plain", pool="threads", slots=4)

ON_IO = Contender(name="on-io", pool="threads", slots=4, queues=("io",))

GROUPED = Contender(
    name="grouped",
    pool="groups",
    slots=20,
    groups=(
        WorkerGroup(name="all", pool="prefork", slots=4),
        WorkerGroup(name="io", pool="gevent", slots=8, workers=2, queues=("io", "mail")),
    ),
)


def queues(workload: Workload) -> dict[str, tuple[str, float]]:
    """Return the queue and the share of each part."""
    return {part.name: (part.options.queue, part.share) for part in workload.mix}


def test_jobs_are_spread_over_groups_by_their_slots() -> None:
    """In this order and not at random: each slot gets one; without queues nothing changes."""
    assert queues(spread(SLEEP, contender=GROUPED)) == {"all": ("", 0.2), "io": ("io", 0.8)}
    assert spread(SLEEP, contender=GROUPED).is_in_sequence
    assert queues(spread(SLEEP, contender=ON_IO)) == {"pilot": ("io", 1.0)}
    assert spread(SLEEP, contender=PLAIN) is SLEEP


def test_a_pilot_goes_where_the_jobs_of_its_part_will() -> None:
    """To its queue, else to the default queue, else to what there is."""
    assert queues(addressed(SLEEP, contender=GROUPED, queue="mail")) == {"pilot": ("mail", 1.0)}
    assert addressed(SLEEP, contender=GROUPED, queue="other") is SLEEP
    assert addressed(SLEEP, contender=PLAIN, queue="io") is SLEEP
    assert queues(addressed(SLEEP, contender=ON_IO, queue="")) == {"pilot": ("io", 1.0)}


def test_an_app_routes_its_tasks_itself() -> None:
    """Its pilots are sent as its jobs are, with their arguments."""
    part = Part(name="a", kind="shop.a", parameters={}, share=0.25, call=AppCall(args=(1,)))
    (task,) = Workload(name="w", kind="mix", parameters={}, mix=(part,)).sorts

    assert task.mix == (replace(part, share=1.0),)
    assert spread(task, contender=GROUPED) is task
    assert addressed(task, contender=GROUPED, queue="mail") is task
