"""What to do about each reason of a mark. Pure; the reasons' words are those of lab and report."""

from __future__ import annotations

import re

#: For a reason that this version doesn't know.
UNKNOWN = "read the worker's log in the run's folder, and repeat the run"

#: What a reason's text holds → what helps. The first that fits.
_REMEDIES = (
    (r"^too few for a claim", "repeat it with --repetitions 5, or with --until 3%"),
    (
        r"standard deviation of its repetitions",
        "quieten the machine, make trials longer (trial_s), or add repetitions (--until 3%)",
    ),
    (
        r"^drifts",
        "warm the machine up first, and look for what jobs leave behind; ratios, paired, hold",
    ),
    (r"other processes took", "end what else runs on this machine, and repeat"),
    (r"host gave", "repeat when its neighbours are quieter, or on a machine of its own"),
    (
        r"clock was set",
        "let the time service slew the clock instead of setting it, and repeat",
    ),
    (
        r"without Celery, cost over",
        "fix the processor's frequency, or make trials longer: its speed changed meanwhile",
    ),
    (
        r"worker ended with exit code",
        "read the log that it names; -9 is mostly the system, out of memory",
    ),
    (r"Flower saw no event", "read Flower's log beside the worker's, and repeat"),
    (
        r"^(repetitions? [^:]*: )?no line for",
        "raise stall_s above what a job may take, or read in the worker's log what it waits for",
    ),
    (r"broker was lost", "see why the server ended, and repeat"),
    (r"stopped in this trial|no repetition was measured", "repeat the run, and let it end"),
    (r"jobs? lost$", "read the worker's log: these jobs began or waited, and nobody ended them"),
    (
        r"ran twice|more finished than sent",
        "look for messages delivered again: visibility_timeout, acks_late, a second worker",
    ),
    (r"unpatched sockets", "name the pool on celery's command line: -P gevent"),
    (r"was to run the jobs", "see in the manifest which command started the worker"),
    (r"GIL was on", "see docs/free-threading.md"),
    (r"jobs? failed$", "see their errors: poolbench export RUN --format csv, column error"),
    (r"no throughput", "give it more jobs: make trials longer (trial_s)"),
    (
        r"producer sent",
        "quieten the machine or lower the rate: what sends needs a core in time",
    ),
    (
        r"search ended after|no rate was held|every rate was held",
        "give its steps more jobs (trial_s), or quieten the machine",
    ),
    (r"clocks of other hosts", "run the workers on the machine that sends"),
)


def remedy_of(reason: str) -> str:
    """Return what to do about a reason, as an order without a full stop."""
    return next((help_ for pattern, help_ in _REMEDIES if re.search(pattern, reason)), UNKNOWN)
