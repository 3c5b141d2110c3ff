"""What is measured of a worker itself: how it starts, idles and answers pings. Data only."""

from __future__ import annotations

from dataclasses import dataclass

#: The measures with a figure of the worker itself, which verdicts compare; less is better.
WORKER_MEASURES = ("start", "idle", "ping")

#: Those of them without jobs of the user's, and so without throughput and latency.
JOBLESS_MEASURES = ("start", "idle")


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFigures:
    """How a contender's fresh workers started, with jobs already in the queue."""

    #: From exec of ``celery`` to the end of the first job, which does nothing, seconds.
    first_job_s: float
    #: From exec of ``celery`` until all slots were busy at once, seconds.
    all_slots_s: float
    #: Memory and number of the workers' processes soon after that; None if they were gone.
    pss_bytes: int | None
    processes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleFigures:
    """What a contender's ready workers cost while there is no job."""

    #: Duration of the measurement, seconds.
    lasted_s: float
    #: Redis commands a second, and connections; None if the server doesn't count by connection, or
    #: if a connection was closed.
    commands_per_s: float | None
    connections: int | None
    #: CPU time of all processes, milliseconds a minute.
    cpu_ms_per_minute: float
    #: Processes that the workers started, without the probe's recorder.
    children: int
    pss_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PingAnswers:
    """How busy workers answered ``inspect ping``, sent at fixed times."""

    #: Longest time to wait for an answer, seconds.
    timeout_s: float
    #: Time of each ping from when it was due to its answer, seconds; None without one in time.
    answers_s: tuple[float | None, ...] = ()
