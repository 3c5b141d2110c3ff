"""Samples the threads that run a worker's jobs, and charges their states to the jobs.

`state_charge` describes what a sample stands for.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from poolbench.recording.events import Event, Finished, GilMeasured, Pool, Started
from poolbench.recording.lanes import ThreadLane
from poolbench.recording.state_charge import Charge, Sample, Shares, core_shares
from poolbench.recording.thread_states import GilWords, ThreadGoneError, ThreadReader
from poolbench.records import Moment, encode_line

#: Pools whose slots have a thread each; as in `poolbench.evidence`, which imports Celery.
THREAD_POOLS = frozenset(
    f"celery.concurrency.{module}:TaskPool" for module in ("prefork", "thread", "solo")
)

#: What a program without Celery reports instead of a pool: its functions run in threads of their
#: own, or its coroutines share one.
PLAIN_THREADS, COROUTINES = "threading:Thread", "asyncio:Task"

#: What a round of samples keeps of the times before it: those of about ten rounds count.
_KEPT = 0.9

#: A thread is sampled until it has had no job for this time, ns: the next begins between samples.
_IDLE_NS = 100_000_000

#: Time on a core between two searches that makes a thread without jobs worth sampling, ns.
_BUSY_NS = 5_000_000

#: Interval between two searches for other busy threads of a process, ns.
_SEARCH_NS = 1_000_000_000

#: Age at which a measurement of the GIL no longer counts, ns: three intervals.
_PROBE_AGE_NS = 60_000_000

#: A thread that was runnable for longer than this may be late for that reason, ns.
_QUEUED_NS = 1_000_000


@dataclass(slots=True)
class _Job:
    nonce: int
    started_ns: int
    ended_ns: int | None = None
    charge: Charge = field(default_factory=Charge)


class _Thread:
    """A thread that runs jobs, or competes with those that do."""

    def __init__(self, reader: ThreadReader) -> None:
        self.reader = reader
        self.jobs: list[_Job] = []
        #: What is charged to its jobs together if they share it, as in an event loop.
        self.loop: Charge | None = None
        #: When a line of a job of its own was read last, ns; 0 if never.
        self.used_at_ns = 0
        self.is_busy = False
        self.is_helper = False
        self.times: tuple[int, int] = (0, 0)
        #: On a core and runnable, ns, the older the less. The kernel counts a wait when it is over.
        self._recent = (0.0, 0.0)
        #: The round of samples in which it was read last.
        self.round = -1
        self.searched_run_ns = 0
        self.sample: Sample | None = None
        #: Its timeline; None unless lanes are recorded.
        self.lane: ThreadLane | None = None

    def take(self, *, number: int, gap_ns: int) -> Sample:
        """Sample it, in the round of that number."""
        before, before_round = self.times, self.round
        state = self.reader.read_state()
        self.times = run_ns, wait_ns = self.reader.read_times()
        self.round = number
        times = None
        if before_round >= 0:
            since = run_ns - before[0], wait_ns - before[1]
            self._recent = self._recent[0] * _KEPT + since[0], self._recent[1] * _KEPT + since[1]
            times = since if before_round == number - 1 else None
        run, wait = self._recent
        run_share = run / (run + wait) if run + wait else 1.0
        self.sample = Sample(
            t_ns=time.time_ns(), gap_ns=gap_ns, state=state, times=times, run_share=run_share
        )
        return self.sample

    def job_at(self, t_ns: int) -> _Job | None:
        """Return the job of its own that ran at that time."""
        for job in reversed(self.jobs):
            if job.started_ns <= t_ns and (job.ended_ns is None or t_ns < job.ended_ns):
                return job
        return None


class SlotProcess:
    """A process with slots, and its threads by their native ids."""

    def __init__(self, pid: int, *, words: GilWords, has_gil: bool) -> None:
        self.pid = pid
        self.words = words
        self.has_gil = has_gil
        self.threads: dict[int, _Thread] = {}
        self.searched_at_ns = 0
        #: When its helper (`gil_probe`) asked for the GIL, and whether it was held: in rounds of
        #: samples that are charged, and since.
        self._probes: deque[tuple[int, bool]] = deque(maxlen=8)
        self._new_probes: list[tuple[int, bool]] = []

    def note_probe(self, measured: GilMeasured) -> None:
        """Take a measurement of its helper."""
        helper = self.thread(measured.thread_id)
        if helper is not None:
            helper.is_helper = True
            self._new_probes.append((measured.t_ns, measured.is_held))

    def settle_probes(self, samples: list[Sample]) -> None:
        """Accept the measurements of the round, unless a thread in it was late for want of a core.

        A helper that waits for a core looks as if it waited for the GIL, as does one that waits
        while the holder of the GIL has no core.
        """
        if self._new_probes and samples:
            ends_ns = max(sample.t_ns for sample in samples)
            new = [probe for probe in self._new_probes if probe[0] <= ends_ns]
            self._new_probes = self._new_probes[len(new) :]
            if all(sample.times and sample.times[1] < _QUEUED_NS for sample in samples):
                self._probes.extend(new)

    def probed_shares(self, *, from_ns: int, to_ns: int) -> Shares | None:
        """Return how the time of a job on a core divides, as its helper measured; None if not."""
        verdicts = [is_held for t_ns, is_held in self._probes if from_ns <= t_ns <= to_ns]
        if not verdicts:
            return None
        held = sum(verdicts) / len(verdicts)
        return held, 1.0 - held, 0.0

    def watched(self, now_ns: int) -> Iterator[tuple[int, _Thread]]:
        """Yield the threads that are worth a sample."""
        for thread_id, thread in list(self.threads.items()):
            is_used = thread.used_at_ns + _IDLE_NS > now_ns or thread.loop is not None
            if (
                is_used
                or thread.is_busy
                or thread.is_helper
                or any(job.ended_ns is None for job in thread.jobs)
            ):
                yield thread_id, thread

    def search_busy(self, now_ns: int) -> list[_Thread]:
        """Look for other busy threads, such as the consumer's, once a second.

        Returns:
            Those that have ended; one with jobs ends where it is sampled.
        """
        if now_ns - self.searched_at_ns < _SEARCH_NS:
            return []
        is_first, self.searched_at_ns = not self.searched_at_ns, now_ns
        thread_ids = {int(task.name) for task in Path(f"/proc/{self.pid}/task").iterdir()}
        gone = [one for one in self.threads.keys() - thread_ids if not self.threads[one].jobs]
        ended = [self.threads.pop(thread_id) for thread_id in gone]
        for thread_id in thread_ids:
            thread = self.thread(thread_id)
            if thread is not None:
                with contextlib.suppress(ThreadGoneError):
                    run_ns, _ = thread.reader.read_times()
                    is_busy = run_ns - thread.searched_run_ns > _BUSY_NS
                    thread.is_busy = is_busy and not is_first
                    thread.searched_run_ns = run_ns
        return ended

    def thread(self, thread_id: int) -> _Thread | None:
        """Return one of its threads; None if it has ended or can't be read."""
        if thread_id not in self.threads:
            try:
                reader = ThreadReader(self.pid, thread_id, gil=self.words)
            except ThreadGoneError:
                return None
            self.threads[thread_id] = _Thread(reader)
        return self.threads[thread_id]


class SlotStates:
    """Samples the threads of a worker's slots, and charges their states to jobs.

    ``gil_words`` returns the words of the GIL in a process. ``has_lanes`` adds *lane* lines.
    """

    def __init__(self, *, gil_words: Callable[[int], GilWords], has_lanes: bool = False) -> None:
        self._gil_words = gil_words
        self._has_lanes = has_lanes
        self._lane_lines: list[bytes] = []
        self._processes: dict[int, SlotProcess] = {}
        #: Whether each slot has a thread of its own.
        self._have_threads = False
        #: Running executions, with their threads, by nonce.
        self._running: dict[int, tuple[_Thread, _Job]] = {}
        self._ended: list[_Job] = []
        #: Of event loops' threads since they were taken, ns by column.
        self._loop_states: dict[str, int] = {}
        self._round = 0
        self._sampled_at_ns = time.monotonic_ns()

    def note(self, event: Event | bytes) -> None:
        """Take an event of the probe; those without a slot's time don't matter."""
        match event:
            case Started():
                self._note_start(event)
            case Finished():
                thread, job = self._running.pop(event.nonce, (None, None))
                if thread is not None and job is not None:
                    job.ended_ns = event.t_ns
                    thread.used_at_ns = time.monotonic_ns()
            case GilMeasured():
                process = self._processes.get(event.pid)
                if process is not None:
                    process.note_probe(event)
            case Pool():
                self._have_threads = event.pool_seen in {*THREAD_POOLS, PLAIN_THREADS}

    def sample(self) -> list[bytes]:
        """Sample all slots that run jobs; return the *states* lines of executions that ended.

        Call it after all lines that are in the pipe are read. Its own samples are charged in the
        next call, when the lines of jobs that began and ended meanwhile have been read as well.
        """
        lines = self._settle()
        now_ns = time.monotonic_ns()
        gap_ns, self._sampled_at_ns = now_ns - self._sampled_at_ns, now_ns
        self._round += 1
        for process in list(self._processes.values()):
            self._sample_process(process, now_ns=now_ns, gap_ns=gap_ns)
        return lines

    def finish(self) -> list[bytes]:
        """Return the *states* lines that are left, also of executions that still run."""
        lines = self._settle()
        for process in list(self._processes.values()):
            self._forget(process)
        return [*lines, *self._settle()]

    def take_loop_states(self) -> dict[str, int]:
        """Return what the threads of event loops did since the last call, ns; empty without any."""
        for process in self._processes.values():
            for thread in process.threads.values():
                self._settle_loop(thread)
        found, self._loop_states = self._loop_states, {}
        return found

    def _settle_loop(self, thread: _Thread) -> None:
        if thread.loop is not None:
            charge, thread.loop = thread.loop, Charge()
            for name, ns in charge.states(charge.span_ns).items():
                self._loop_states[name] = self._loop_states.get(name, 0) + ns

    def _note_start(self, event: Started) -> None:
        process = self._processes.get(event.pid)
        if process is None:
            has_gil = event.is_gil_enabled
            words = self._gil_words(event.pid) if has_gil else GilWords(range(0))
            process = self._processes[event.pid] = SlotProcess(
                event.pid, words=words, has_gil=has_gil
            )
        thread = process.thread(event.thread_id)
        if thread is None:
            return
        if self._has_lanes and thread.lane is None:
            thread.lane = ThreadLane(event.pid, event.thread_id)
        thread.used_at_ns = time.monotonic_ns()
        if not self._have_threads:
            thread.loop = thread.loop or Charge()
            return
        job = _Job(nonce=event.nonce, started_ns=event.t_ns)
        for before in thread.jobs:
            # its end was not reported
            before.ended_ns = before.ended_ns or job.started_ns
        thread.jobs.append(job)
        self._running[event.nonce] = thread, job

    def _settle(self) -> list[bytes]:
        """Charge the samples of the last round; return the lines of the executions that ended."""
        lines: list[bytes] = []
        for process in self._processes.values():
            samples = [one.sample for one in process.threads.values() if one.sample is not None]
            process.settle_probes(samples)
            shares = core_shares(samples, has_gil=process.has_gil)
            for thread in process.threads.values():
                sample, thread.sample = thread.sample, None
                if sample is not None:
                    _charge(thread, sample, process=process, shares=shares)
                if any(job.ended_ns is not None for job in thread.jobs):
                    self._ended += [job for job in thread.jobs if job.ended_ns is not None]
                    thread.jobs = [job for job in thread.jobs if job.ended_ns is None]
        lines += self._lane_lines
        self._lane_lines.clear()
        for job in self._ended:
            self._running.pop(job.nonce, None)
            if job.charge.samples:
                lines.append(_states_line(job))
        self._ended.clear()
        return lines

    def _sample_process(self, process: SlotProcess, *, now_ns: int, gap_ns: int) -> None:
        try:
            for ended in process.search_busy(now_ns):
                self._end(ended)
        except OSError:
            self._forget(process)
            return
        for thread_id, thread in process.watched(now_ns):
            try:
                sample = thread.take(number=self._round, gap_ns=gap_ns)
                if thread.lane is not None:
                    self._lane_lines.append(thread.lane.add(sample))
            except ThreadGoneError:  # noqa: PERF203 -- the others are read
                self._end(thread)
                del process.threads[thread_id]

    def _forget(self, process: SlotProcess) -> None:
        for thread in process.threads.values():
            self._end(thread)
        self._processes.pop(process.pid, None)

    def _end(self, thread: _Thread) -> None:
        """End the jobs of a thread that is gone."""
        self._settle_loop(thread)
        if thread.lane is not None:
            self._lane_lines.append(thread.lane.end())
        thread.reader.close()
        for job in thread.jobs:
            job.ended_ns = job.ended_ns or time.time_ns()
        self._ended += thread.jobs


def _charge(thread: _Thread, sample: Sample, *, process: SlotProcess, shares: Shares) -> None:
    job = thread.job_at(sample.t_ns)
    if job is not None:
        from_ns = max(job.started_ns, sample.t_ns - _PROBE_AGE_NS)
        probed = process.probed_shares(from_ns=from_ns, to_ns=sample.t_ns)
        job.charge.add(sample, probed or shares)
    elif thread.loop is not None:
        thread.loop.add(sample, shares)


def _states_line(job: _Job) -> bytes:
    ended_ns = job.ended_ns or job.started_ns
    states = job.charge.states(ended_ns - job.started_ns)
    return encode_line(Moment.STATES, t_ns=ended_ns, nonce=f"{job.nonce:016x}", **states)
