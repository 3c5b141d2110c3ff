"""Timelines of threads and turns: the order of what the kernel counts, and their text."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from poolbench.recording.lanes import (
    LETTERS,
    PAUSES,
    RUNS,
    STEPS_MAX_CHARS,
    Steps,
    ThreadLane,
    read_steps,
    turns_line,
)
from poolbench.recording.state_charge import Sample
from poolbench.recording.thread_states import GIL_WAIT, IO_WAIT, RUNNING
from poolbench.records import LINE_MAX_BYTES, Moment, decode_line

MS = 1_000_000
BEGIN_NS = 1_796_000_000_000_000_000


def sample(at_ms: float, state: str, *, run_ms: float = 0, wait_ms: float = 0) -> Sample:
    """Return a sample whose thread was on a core, and runnable, for that long since the last."""
    times = round(run_ms * MS), round(wait_ms * MS)
    return Sample(t_ns=BEGIN_NS + round(at_ms * MS), gap_ns=5 * MS, state=state, times=times)


def steps_of(*samples: Sample) -> str:
    """Return the text of the steps of a thread that was sampled so."""
    lane = ThreadLane(7, 8)
    for one in samples:
        assert lane.add(one) == b""
    return str(decode_line(lane.end())["steps"])


def test_a_thread_that_computes_is_on_a_core_all_the_time() -> None:
    """Steps of one letter become one."""
    found = [sample(at, RUNNING, run_ms=5) for at in (0, 5, 10, 15)]
    assert steps_of(*found) == "c15000"


def test_threads_that_take_turns_with_the_gil_have_steps_shorter_than_a_sample() -> None:
    """The kernel's count divides the time between two samples, in the order of their states."""
    assert (
        steps_of(sample(0, RUNNING), sample(5, GIL_WAIT, run_ms=2), sample(10, RUNNING, run_ms=1))
        == "c2000g7000c1000"
    )


def test_a_thread_that_waits_for_other_things_before_and_after_a_core() -> None:
    """What lasts until a sample and what begins before the next one share the rest."""
    found = steps_of(sample(0, IO_WAIT), sample(5, GIL_WAIT, run_ms=1, wait_ms=1))
    assert found == "i1500r1000c1000g1500"


def test_a_wait_for_a_core_is_seen_when_it_is_over() -> None:
    """The kernel counts it then; before, the thread only looks as if it ran."""
    found = steps_of(
        sample(0, RUNNING),
        sample(5, RUNNING, run_ms=2),
        sample(10, RUNNING),
        sample(15, RUNNING, run_ms=1, wait_ms=12),
    )
    assert found == "c2000r12000c1000"


def test_a_thread_that_slept_between_two_samples_on_a_core_is_not_guessed_about() -> None:
    """No sample has seen what it slept for."""
    found = steps_of(
        sample(0, RUNNING), sample(5, RUNNING, run_ms=2), sample(10, RUNNING, run_ms=5)
    )
    assert found == "c2000u3000c5000"


def test_a_thread_that_is_not_sampled_for_a_while_begins_another_line() -> None:
    """Without the round before, nothing is known of the time since."""
    lane = ThreadLane(7, 8)
    lane.add(sample(0, RUNNING))
    lane.add(sample(5, RUNNING, run_ms=5))
    unsampled = Sample(t_ns=BEGIN_NS + 900 * MS, gap_ns=5 * MS, state=IO_WAIT, times=None)
    line = decode_line(lane.add(unsampled))
    assert (line["m"], line["t_ns"], line["steps"]) == (Moment.LANE, BEGIN_NS, "c5000")
    assert (line["pid"], line["thread_id"]) == (7, 8)
    lane.add(sample(905, IO_WAIT))
    assert decode_line(lane.end())["t_ns"] == unsampled.t_ns


def test_lines_are_short_and_follow_each_other_without_a_gap() -> None:
    """A line is written to the file in one piece, and the next one begins where it ends."""
    lane = ThreadLane(2**31, 2**31)
    lines = [lane.add(sample(5 * at, (RUNNING, GIL_WAIT)[at % 2], run_ms=2)) for at in range(2_000)]
    found = [decode_line(line) for line in [*lines, lane.end()] if line]
    assert len(found) > 2
    ends = [[*read_steps(one)][-1][2] for one in found]
    assert [one["t_ns"] for one in found[1:]] == ends[:-1]
    assert all(len(line) < LINE_MAX_BYTES for line in lines)


@given(st.lists(st.tuples(st.sampled_from("cgri"), st.integers(1, 10**9)), min_size=1))
def test_the_text_of_steps_keeps_their_ends_to_a_microsecond(steps: list[tuple[str, int]]) -> None:
    """Rounded durations add up: no end is off by more than a microsecond."""
    found = Steps(BEGIN_NS)
    for letter, duration_ns in steps:
        found.add(letter, duration_ns)
    read = [*read_steps({"t_ns": BEGIN_NS, "steps": found.text()})]
    assert found.end_ns - 1_000 < (read[-1][2] if read else BEGIN_NS) <= found.end_ns
    for (_, _, end_ns), (_, begin_ns, _) in pairwise(read):
        assert end_ns == begin_ns


def test_turns_fit_into_a_message() -> None:
    """A line with the longest steps is shorter than what a pipe takes in one piece."""
    steps = Steps(BEGIN_NS)
    while not steps.is_long:
        steps.add(RUNS, 123_456_000)
        steps.add(PAUSES, 98_765_000)
    line = turns_line(2**64 - 1, began_ns=BEGIN_NS, steps=steps.text())
    assert len(steps.text()) > STEPS_MAX_CHARS / 2
    assert len(line) < LINE_MAX_BYTES - 100


def test_every_state_of_a_thread_has_a_letter() -> None:
    """A thread may be in any of them."""
    assert {GIL_WAIT, IO_WAIT} <= LETTERS.keys()
    assert len(set(LETTERS.values())) == len(LETTERS)
