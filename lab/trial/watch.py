"""Samples a contender's worker during one trial: CPU time, memory, connections, and its jobs."""

from __future__ import annotations

import time
from dataclasses import asdict, replace

from collector.run_manifest import PlannedTrial
from lab.instruments.job_levels import JobLevels, LevelReader
from lab.trial.context import Bench, LabWorker

#: Time between two samples, seconds.
SAMPLE_EVERY_S = 0.5

#: Time between two whole samples, seconds: with PSS, connections and the levels of jobs.
WHOLE_EVERY_S = 1.0

#: Duration from which a backlog without job options has whole samples too, seconds. They cost some
#: milliseconds for each process, which a shorter trial doesn't pay.
LONG_S = 5.0

#: How long a worker may take to report that it has no job, seconds: it reports each second.
REST_S = 2.5


class Watch:
    """Takes the samples of one trial.

    Each trial has a sample before its first job, one at its end, and one each `SAMPLE_EVERY_S`.
    The one at the end has PSS and connections. At a rate, and of a backlog whose jobs have options,
    all samples each `WHOLE_EVERY_S` are whole, the first is one at rest, and another one at rest
    follows after the end. Of any other backlog they are whole when it has lasted `LONG_S`. Pilots
    and the steps of a search have no whole samples, except for that at the end of a step.
    """

    def __init__(
        self, bench: Bench, worker: LabWorker, *, plan: PlannedTrial, has_options: bool
    ) -> None:
        """Set whether any jobs of the workload have options, for whichever contender."""
        self._bench, self._worker, self._plan = bench, worker, plan
        self._may_be_whole = not plan.is_pilot and plan.step is None
        self._is_whole = self._may_be_whole and (plan.arrivals != "burst" or has_options)
        self._levels: LevelReader | None = None
        self._began_at_s = 0.0
        #: How many samples, and how many whole ones, were due at the last look.
        self._samples_due = self._wholes_due = 0

    def begin(self) -> None:
        """Take the sample before the first job."""
        if self._is_whole:
            self._sample(is_whole=True, levels=self._read_at_rest(since_ns=0))
        else:
            self._sample(is_whole=False)
        self._sample_groups(is_whole=False)
        self._began_at_s = time.monotonic()

    def look(self) -> None:
        """Take a sample if it is time."""
        lasted_s = time.monotonic() - self._began_at_s
        samples, wholes = int(lasted_s / SAMPLE_EVERY_S), int(lasted_s / WHOLE_EVERY_S)
        if samples == self._samples_due:
            return
        may_be_whole = self._is_whole or (self._may_be_whole and lasted_s >= LONG_S)
        is_whole = may_be_whole and wholes > self._wholes_due
        self._samples_due, self._wholes_due = samples, wholes
        self._sample(is_whole=is_whole, levels=self._reader().read() if is_whole else None)

    def end(self) -> None:
        """Take the sample of the trial's end."""
        is_whole = not self._plan.is_pilot
        self._sample(is_whole=is_whole)
        self._sample_groups(is_whole=is_whole)

    def rest(self, *, end_ns: int) -> None:
        """Take the sample of the worker at rest, after the trial."""
        if self._is_whole and self._worker.is_alive:
            self._sample(is_whole=True, levels=self._read_at_rest(since_ns=end_ns), is_after=True)

    def _reader(self) -> LevelReader:
        if self._levels is None:
            self._levels = self._bench.level_reader(self._worker)
        return self._levels

    def _read_at_rest(self, *, since_ns: int) -> JobLevels:
        return self._reader().read_at_rest(since_ns=since_ns, within_s=REST_S)

    def _sample(
        self, *, is_whole: bool, levels: JobLevels | None = None, is_after: bool = False
    ) -> None:
        sample = self._worker.sampler.sample(trial=self._plan.trial, is_whole=is_whole)
        if sample is None:
            return
        if levels is not None:
            sample = replace(sample, is_after=is_after, **asdict(levels))
        self._bench.samples.append(sample)

    def _sample_groups(self, *, is_whole: bool) -> None:
        """Take a sample of each group of a contender with groups, for its figures alone."""
        for sampler in self._worker.group_samplers:
            sample = sampler.sample(trial=self._plan.trial, is_whole=is_whole)
            if sample is not None:
                self._bench.samples.append(sample)
