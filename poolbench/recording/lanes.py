"""Timelines of threads and of turns, for pictures: `poolbench record --lanes`. Pure.

A timeline is a text of *steps*, each a letter and its duration in microseconds: ``c4980g15020``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from poolbench.recording.state_charge import Sample
from poolbench.recording.thread_states import RUNNING
from poolbench.records import Moment, encode_line

#: Rounds of samples per second while lanes are recorded, and the share of a core that they may
#: take; beyond it the interval grows. With the levels, which come once a second, it is below 6 %.
LANES_HZ, LANES_CPU_SHARE = 200.0, 0.05

#: Letters of steps, by the state of a thread: a column of `poolbench.records.STATE_COLUMNS`.
LETTERS: Mapping[str, str] = {
    "core_ns": "c",
    "runnable_ns": "r",
    "gil_wait_ns": "g",
    "lock_wait_ns": "l",
    "any_lock_ns": "a",
    "io_wait_ns": "i",
    "unknown_ns": "u",
}

#: Letters of steps of a greenlet or a coroutine: it runs, or it doesn't.
RUNS, PAUSES = "x", "-"

#: Longest text of steps in a line, characters; then another line begins.
STEPS_MAX_CHARS = 2_000

#: Shortest time on a core that shows that a thread ran between two samples, ns.
_RAN_NS = 50_000

_CORE, _RUNNABLE, _UNKNOWN = (LETTERS[f"{name}_ns"] for name in ("core", "runnable", "unknown"))

#: Most samples that are settled together.
STRETCH = 20


class Steps:
    """Steps that follow one another without a gap."""

    def __init__(self, began_ns: int) -> None:
        self.began_ns = began_ns
        self._end_ns = began_ns
        #: Letter and end of each step, Unix ns.
        self._steps: list[tuple[str, int]] = []

    @property
    def end_ns(self) -> int:
        """When the last step ends, Unix ns."""
        return self._end_ns

    @property
    def is_long(self) -> bool:
        """Whether a line should be written."""
        return len(self._steps) * 6 > STEPS_MAX_CHARS

    def add(self, letter: str, duration_ns: float) -> None:
        """Append a step; one of the same letter is extended."""
        if duration_ns <= 0:
            return
        self._end_ns += round(duration_ns)
        if self._steps and self._steps[-1][0] == letter:
            self._steps[-1] = letter, self._end_ns
        else:
            self._steps.append((letter, self._end_ns))

    def text(self) -> str:
        """Return the steps; their rounded durations add up."""
        parts: list[str] = []
        before_us = 0
        for letter, end_ns in self._steps:
            end_us = (end_ns - self.began_ns) // 1_000
            if end_us > before_us:
                parts.append(f"{letter}{end_us - before_us}")
            before_us = max(before_us, end_us)
        return "".join(parts)


class ThreadLane:
    """The timeline of one thread, from its samples and the kernel's counts between them.

    The kernel counts the time on a core at each tick of its clock (4 ms at 250 Hz) and when the
    thread leaves the core, and a wait for a core when it is over. Samples are therefore settled in
    stretches from one sleep to the next: their sums are the kernel's, and their order follows from
    the states that were seen. A state that begins and ends between two samples is not seen.
    """

    def __init__(self, pid: int, thread_id: int) -> None:
        self._pid = pid
        self._thread_id = thread_id
        #: Samples since the last one that is settled, and that one.
        self._stretch: list[Sample] = []
        self._steps: Steps | None = None
        #: Time on a core that is in the steps, and that the kernel has not counted yet, ns.
        self._ahead_ns = 0.0

    def add(self, sample: Sample) -> bytes:
        """Take the next sample; return a line if the steps so far should be stored."""
        if not self._stretch or sample.times is None:
            line = self.end()
            self._stretch = [sample]
            return line
        self._stretch.append(sample)
        if sample.state != RUNNING or len(self._stretch) > STRETCH:
            self._settle()
        return self._take() if self._steps is not None and self._steps.is_long else b""

    def end(self) -> bytes:
        """Return the last line: what follows is not sampled, or the thread has ended."""
        if len(self._stretch) > 1:
            self._settle()
        line = self._take()
        self._stretch, self._steps, self._ahead_ns = [], None, 0.0
        return line

    def _take(self) -> bytes:
        """Return the line of the steps so far; the next one begins where it ends."""
        steps = self._steps
        if steps is None:
            return b""
        self._steps = Steps(steps.end_ns)
        text = steps.text()
        if not text:
            return b""
        return encode_line(
            Moment.LANE,
            t_ns=steps.began_ns,
            pid=self._pid,
            thread_id=self._thread_id,
            steps=text,
        )

    def _settle(self) -> None:
        """Append the steps of the stretch."""
        samples, self._stretch = self._stretch, self._stretch[-1:]
        steps = self._steps = self._steps or Steps(samples[0].t_ns)
        parts = [_Part.of(*pair) for pair in pairwise(samples)]
        parts[0].run_ns -= self._ahead_ns
        self._ahead_ns = 0.0
        for part, before in zip(parts[::-1], [*parts[-2::-1], None], strict=True):
            part.move_back(before)
        if parts[-1].before == parts[-1].after == RUNNING:
            # what the kernel will count with its next tick
            self._ahead_ns = parts[-1].rest_ns
            parts[-1].run_ns += self._ahead_ns
        for part in parts:
            for letter, ns in part.steps():
                steps.add(letter, ns)


@dataclass(slots=True)
class _Part:
    """A thread between two samples: its states at both ends, and how long it did what, ns."""

    before: str
    after: str
    gap_ns: float
    run_ns: float
    #: Runnable before it ran, and after it.
    wait_ns: float
    late_wait_ns: float = 0.0

    @classmethod
    def of(cls, before: Sample, after: Sample) -> _Part:
        run_ns, wait_ns = after.times or (0, 0)
        return cls(before.state, after.state, after.t_ns - before.t_ns, run_ns, wait_ns)

    @property
    def rest_ns(self) -> float:
        return self.gap_ns - self.run_ns - self.wait_ns - self.late_wait_ns

    def move_back(self, to: _Part | None) -> None:
        """Move what is longer than the gap to the part before: it was counted late."""
        self.run_ns = max(0.0, self.run_ns)
        run_ns = max(0.0, self.run_ns - self.gap_ns)
        self.run_ns -= run_ns
        late_wait_ns = max(0.0, self.late_wait_ns - (self.gap_ns - self.run_ns))
        self.late_wait_ns -= late_wait_ns
        wait_ns = max(0.0, -self.rest_ns)
        self.wait_ns -= wait_ns
        if to is not None:
            to.run_ns += run_ns
            to.late_wait_ns += late_wait_ns + wait_ns

    def steps(self) -> Iterator[tuple[str, float]]:
        """Yield letters and durations, in order."""
        before, after = self.before, self.after
        is_both = RUNNING not in (before, after) and before != after
        # a running thread that has not run waits for a core; what it slept for was not seen
        unseen = _UNKNOWN if self.run_ns > _RAN_NS else _RUNNABLE
        if before != RUNNING:
            yield LETTERS[before], self.rest_ns / 2 if is_both else self.rest_ns
        yield _RUNNABLE, self.wait_ns
        yield _CORE, self.run_ns
        yield _RUNNABLE, self.late_wait_ns
        if before == RUNNING:
            yield unseen if after == RUNNING else LETTERS[after], self.rest_ns
        elif is_both:
            yield LETTERS[after], self.rest_ns / 2


def turns_line(nonce: int, *, began_ns: int, steps: str) -> bytes:
    """Return the line of the turns of a greenlet or a coroutine, which ran one execution."""
    return encode_line(Moment.TURNS, t_ns=began_ns, nonce=f"{nonce:016x}", steps=steps)


def read_steps(line: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    """Yield the letter, begin and end (Unix ns) of each step in a line.

    Raises:
        ValueError: if a duration is no number.
    """
    at_ns, text = int(line["t_ns"]), str(line["steps"])
    start = 0
    while start < len(text):
        end = start + 1
        while end < len(text) and text[end].isdigit():
            end += 1
        end_ns = at_ns + int(text[start + 1 : end]) * 1_000
        yield text[start], at_ns, end_ns
        at_ns, start = end_ns, end
