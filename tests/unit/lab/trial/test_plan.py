"""Plans of trials: which jobs are drawn, and which queue they go to."""

from __future__ import annotations

from collections import Counter
from typing import Any

from collector.run_manifest import Canvas, Contender, PlannedPart, PlannedTrial, WorkerGroup
from lab.trial.plan import draw_mix, routed
from poolbench.job_options import JobOptions, Retry
from producer.mixes import Mix, MixCanvas, MixPart

SOLO = Contender(name="solo", pool="solo", slots=1)


def part_of(name: str, share: float, **more: Any) -> PlannedPart:
    """Return a part of sleeps."""
    return PlannedPart(name=name, kind="io.sleep", parameters={}, share=share, **more)


def draw(*parts: PlannedPart, count: int = 100, arrivals: str = "poisson", **more: Any) -> Mix:
    """Return the draw of a trial of these parts."""
    plan = PlannedTrial(
        trial=0, contender="solo", pool="solo", slots=1, kind="mix", count=count,
        arrivals=arrivals, block=0, workload="w", is_pilot=False, parts=parts,
    )  # fmt: skip
    mix = draw_mix(plan, contender=more.pop("contender", SOLO), seed=1, **more)
    assert mix is not None
    return mix


def test_failures_and_retries_are_drawn_in_their_exact_shares() -> None:
    """Of each hundred jobs; the name of the part is the same for all its fates."""
    options = JobOptions(fail_share=0.2, retry=Retry(share=0.1))

    mix = draw(part_of("a", 0.5, options=options), part_of("b", 0.5))

    found = Counter[tuple[str, bool, bool]]()
    for place in mix.order:
        part = mix.parts[place]
        assert isinstance(part, MixPart)
        found[part.name, part.options.fail_share == 1, part.options.retry is not None] += 1
    assert found == {
        ("a", False, False): 35,
        ("a", True, False): 10,
        ("a", False, True): 5,
        ("b", False, False): 50,
    }


def test_a_sequence_sends_the_fates_of_a_part_together() -> None:
    """All jobs of the first part go before those of the second, whatever becomes of them."""
    first = part_of("a", 0.5, options=JobOptions(fail_share=0.5))

    mix = draw(first, part_of("b", 0.5), is_in_sequence=True)

    names = [mix.parts[place].name for place in mix.order]  # type: ignore[union-attr]  # no canvas
    assert names == ["a"] * 50 + ["b"] * 50
    assert len(set(mix.order[:50])) == 2


def test_a_backlog_has_as_many_executions_as_were_asked_for() -> None:
    """Jobs that arrive are drawn one for each due time, a backlog by its executions."""
    canvas = Canvas(name="c", shape="chain")
    parts = [part_of(f"c.{n}", 0.25, canvas=canvas) for n in range(2)]

    backlog = draw(part_of("a", 0.5), *parts, count=400, arrivals="burst")
    arriving = draw(part_of("a", 0.5), *parts, count=300)

    assert (len(backlog.order), backlog.first_seqs[-1]) == (300, 400)
    assert (len(arriving.order), arriving.first_seqs[-1]) == (300, 400)
    (found,) = [part for part in backlog.parts if isinstance(part, MixCanvas)]
    assert (found.shape, [step.name for step in found.steps]) == ("chain", ["c.0", "c.1"])


def test_a_job_goes_to_its_queue_where_a_worker_consumes_it() -> None:
    """So that a contender with one queue and one with two run the same workload."""
    options = JobOptions(queue="io")
    groups = (WorkerGroup(name="io", pool="solo", slots=1, queues=("io",)),)
    divided = Contender(name="two", pool="solo", slots=1, groups=groups)

    assert routed(options, contender=SOLO) == JobOptions()
    assert routed(options, contender=divided) == options


def test_priorities_have_the_lists_of_the_contenders_setting() -> None:
    """The producer must put a message where the consumer looks for it."""
    settings = {"broker_transport_options": {"priority_steps": [0, 5]}}
    contender = Contender(name="solo", pool="solo", slots=1, celery=settings)

    assert draw(part_of("a", 1.0), contender=contender).priority_steps == {"": [0, 5]}
    assert draw(part_of("a", 1.0)).priority_steps == {}
