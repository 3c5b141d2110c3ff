"""The keys of Poolbench in Redis, and their content."""

from __future__ import annotations

import re
import secrets
import time
from bisect import bisect
from collections.abc import Sequence

from poolbench.errors import Fault, UsageError

#: Sorted set of the runs a stack's collector serves: run id → creation, Unix seconds.
#: It doesn't contain lab runs, since the lab ingests its own stream.
RUNS = "poolbench:runs"

#: Cost of a unit of work where the stack's workers run: JSON, job kind → CPU-seconds.
CALIBRATION = "poolbench:calibration"

#: Longest name, characters.
NAME_LENGTH = 64

#: Names of runs and contenders: they become keys, file names and queue names.
NAME = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{NAME_LENGTH - 1}}}", re.ASCII)

#: The rule of `NAME`, for messages.
NAME_RULE = (
    f"must have at most {NAME_LENGTH} lowercase letters, digits, dots, underscores and dashes, "
    "and begin with a letter or digit"
)

#: kombu's steps of priority on Redis, the first to be served first: a message has the priority of
#: the highest step that doesn't exceed its own.
PRIORITY_STEPS = (0, 3, 6, 9)

#: What separates a queue's name from the step in the key of each list but the first.
PRIORITY_SEPARATOR = "\x06\x16"

#: Field of a stream entry whose value is a batch of lines, one JSON object each.
LINES_FIELD = "lines"


def records_stream(run: str) -> str:
    """Return the key of a run's stream of lines; each entry is one batch in `LINES_FIELD`."""
    return f"poolbench:records:{run}"


def run_key(run: str) -> str:
    """Return the key of a run's hash.

    Fields: ``created_ns``; ``source`` (``producer`` or ``lab``); ``trials``, a JSON list of
    `poolbench.records.TrialPlan` mappings; ``sent:<trial>``, the number of jobs sent; ``boot_id``
    of the machine that stamps due times; ``calibration``, the one used to convert work from time
    to units, as in `CALIBRATION`; and ``sent_all_ns``, set when the producer has sent all jobs.
    """
    return f"poolbench:run:{run}"


def sent_field(trial: int) -> str:
    """Return the field of a run's hash that counts the jobs sent in a trial."""
    return f"sent:{trial}"


def summary_key(run: str) -> str:
    """Return the key of the JSON summary that the collector publishes for a run."""
    return f"poolbench:summary:{run}"


def worker_key(contender: str, worker: str) -> str:
    """Return the key, with an expiry, that contains the heartbeat of a contender's worker."""
    return f"poolbench:worker:{contender}:{worker}"


def queue_name(contender: str, *, scope: str = "", queue: str = "") -> str:
    """Return a Celery queue of a contender: its default one, or that of the name ``queue``.

    ``scope`` separates the queues of a lab run. No name contains the colon.
    """
    default = f"poolbench.{scope}.{contender}" if scope else f"poolbench.{contender}"
    return f"{default}:{queue}" if queue else default


def queue_lists(queue: str, *, steps: Sequence[int] = PRIORITY_STEPS) -> tuple[str, ...]:
    """Return the keys of a Celery queue in Redis: a list for each of kombu's steps of priority."""
    return tuple(list_key(queue, priority=step, steps=steps) for step in steps)


def list_key(queue: str, *, priority: int, steps: Sequence[int] = PRIORITY_STEPS) -> str:
    """Return the key of the Redis list with a queue's messages of a priority."""
    step = steps[bisect(steps, priority) - 1]
    return f"{queue}{PRIORITY_SEPARATOR}{step}" if step else queue


def worker_name(contender: str, *, scope: str = "", instance: str = "") -> str:
    """Return Celery's name of a contender's worker, without the host.

    ``instance`` distinguishes the workers of one contender: the number, or ``group:number``.
    """
    name = f"{contender}:{instance}" if instance else contender
    return f"{name}.{scope}" if scope else name


def group_of(worker: str) -> str:
    """Return the group in the name of a contender's worker; empty for a contender without groups.

    No name contains the colon.
    """
    _, *instance = worker.partition("@")[0].split(":")
    return instance[0] if len(instance) == 2 else ""


def scratch_key(token: str) -> str:
    """Return the key, with an expiry, that a client of io.redis jobs sets and gets."""
    return f"poolbench:scratch:{token}"


def unacked_keys(contender: str, *, scope: str) -> dict[str, str]:
    """Return kombu's options for the keys of a contender's unacknowledged messages in a scope.

    Without keys of its own, a killed worker's messages would be returned, hours later, to a queue
    without a worker; and a worker with a short visibility timeout would return those of others.
    """
    options = ("unacked_key", "unacked_index_key", "unacked_mutex_key")
    prefix = queue_name(contender, scope=scope)
    # no queue has such a name
    return {option: f"{prefix}/{option.removesuffix('_key')}" for option in options}


def result_prefix(scope: str) -> str:
    """Return the prefix of Celery's result keys in a scope, by which they can be removed."""
    return f"poolbench.{scope}."


def new_run_name() -> str:
    """Return a new unique run id; ids sort by time."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def check_name(name: str, *, what: str) -> str:
    """Return a run's or contender's name unchanged.

    Raises:
        UsageError: if it is not valid as a key and a file name.
    """
    if not NAME.fullmatch(name):
        raise UsageError(Fault(field=what, seen=repr(name), problem=NAME_RULE))
    return name
