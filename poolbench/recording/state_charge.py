"""What samples of a thread add up to: the time in each state. Pure.

A sample represents the time since the previous sample. The job that ran at its instant is charged
all of that time, and a job that no sample met is charged nothing: for jobs shorter than the
interval the sums over many are right, and single ones are not. A job with many samples has the
exact times on a core and runnable that the kernel counted, and samples divide only its sleep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from poolbench.recording.thread_states import GIL_WAIT, RUNNING
from poolbench.records import STATE_COLUMNS

#: Samples of an execution from which on the kernel's counts replace the states of its samples.
EXACT_SAMPLES = 10

#: Shares of the time on a core: with the GIL, without it, and unknown.
Shares = tuple[float, float, float]
_IS_HELD: Shares = (1.0, 0.0, 0.0)
_IS_RELEASED: Shares = (0.0, 1.0, 0.0)
_IS_UNKNOWN: Shares = (0.0, 0.0, 1.0)

_CORE_COLUMNS = ("core_held_ns", "core_released_ns", "core_ns")
_RUNNABLE = "runnable_ns"


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one thread."""

    t_ns: int
    #: Since the round of samples before it, ns.
    gap_ns: int
    state: str
    #: On a core and runnable since that round, ns; None if the thread wasn't read then.
    times: tuple[int, int] | None
    #: Share of a running thread's time that it is on a core, and not waiting for one.
    run_share: float = 1.0


@dataclass(slots=True)
class Charge:
    """What was charged to one execution, or to the thread of a loop."""

    samples: int = 0
    #: By column, from the samples alone, ns.
    sampled: dict[str, float] = field(default_factory=dict)
    #: By column, from the kernel's counts between the first and the last sample, ns.
    counted: dict[str, float] = field(default_factory=dict)
    #: From the first to the last sample, ns.
    span_ns: int = 0

    def states(self, wall_ns: int) -> dict[str, int]:
        """Return the time in each state, ns, of an execution that took ``wall_ns``."""
        found = self.sampled
        if self.samples >= EXACT_SAMPLES and self.span_ns:
            found = {name: ns * wall_ns / self.span_ns for name, ns in self.counted.items()}
            total_ns = sum(found.values())
            if total_ns > wall_ns:
                # a wait for a core that began before the first sample was counted after it
                found = {name: ns * wall_ns / total_ns for name, ns in found.items()}
            rest_ns = max(wall_ns - total_ns, 0.0)
            asleep = {name: ns for name, ns in self.sampled.items() if name not in found}
            total_ns = sum(asleep.values())
            found |= {name: rest_ns * ns / total_ns for name, ns in asleep.items()}
        return {name: round(found.get(name, 0.0)) for name in STATE_COLUMNS}

    def add(self, sample: Sample, core_shares: Shares) -> None:
        """Charge a sample; its time on a core divides by ``core_shares``."""
        self.samples += 1
        if sample.state == RUNNING:
            self._add_core(self.sampled, sample.gap_ns * sample.run_share, core_shares)
            _add(self.sampled, _RUNNABLE, sample.gap_ns * (1.0 - sample.run_share))
        else:
            _add(self.sampled, sample.state, sample.gap_ns)
        # the time before its first sample is in part that of another job
        if self.samples > 1 and sample.times is not None:
            run_ns, wait_ns = sample.times
            self._add_core(self.counted, run_ns, core_shares)
            _add(self.counted, _RUNNABLE, wait_ns)
            self.span_ns += sample.gap_ns

    @staticmethod
    def _add_core(to: dict[str, float], ns: float, shares: Shares) -> None:
        for name, share in zip(_CORE_COLUMNS, shares, strict=True):
            _add(to, name, ns * share)


def core_shares(samples: Sequence[Sample], *, has_gil: bool) -> Shares:
    """Return how the time on a core of a process's threads divides, from one round of samples.

    Only one thread at a time holds the GIL: what threads ran together beyond the time that passed,
    they ran without it. The only thread to run while another one waits for the GIL holds it.
    """
    if not has_gil:
        return _IS_RELEASED
    running = sum(sample.state == RUNNING for sample in samples)
    if running == 1 and any(sample.state == GIL_WAIT for sample in samples):
        return _IS_HELD
    run_ns = sum(sample.times[0] for sample in samples if sample.times is not None)
    if running > 1 and run_ns > samples[0].gap_ns:
        held_at_most = samples[0].gap_ns / run_ns
        return 0.0, 1.0 - held_at_most, held_at_most
    return _IS_UNKNOWN


def _add(to: dict[str, float], name: str, ns: float) -> None:
    to[name] = to.get(name, 0.0) + ns
