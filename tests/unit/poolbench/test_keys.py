"""The names of keys and of workers."""

from __future__ import annotations

from kombu.transport.redis import PRIORITY_STEPS, Channel

from poolbench.keys import group_of, queue_lists, queue_name, worker_name


def test_a_queue_has_a_list_for_each_step_of_priority() -> None:
    """The keys are those of kombu's Redis transport."""
    queue = queue_name("two", scope="r1", queue="io")

    steps = (f"{queue}{Channel.sep}{step}" for step in PRIORITY_STEPS[1:])
    assert queue_lists(queue) == (queue, *steps)


def test_a_worker_s_name_contains_its_group() -> None:
    """A contender of one worker has the name that it always had."""
    alone, second = worker_name("two", scope="r1"), worker_name("two", scope="r1", instance="2")
    grouped = worker_name("two", scope="r1", instance="web.io:2")

    assert (alone, second, grouped) == ("two.r1", "two:2.r1", "two:web.io:2.r1")
    assert [group_of(f"{name}@host") for name in (alone, second, grouped)] == ["", "", "web.io"]
