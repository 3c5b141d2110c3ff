"""The keys of Poolbench in Redis, and their content."""

from __future__ import annotations

import re
import secrets
import time

from poolbench.errors import Fault, UsageError

#: Sorted set of the runs a stack's collector serves: run id → creation, Unix seconds.
#: A lab run stays out of it, since the lab ingests its own stream.
RUNS = "poolbench:runs"

#: What a unit of work costs where the stack's workers run: JSON, job kind → CPU-seconds.
CALIBRATION = "poolbench:calibration"

#: How long a name may be, characters.
NAME_LENGTH = 64

#: Names of runs and contenders: they become keys, file names and queue names.
NAME = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{NAME_LENGTH - 1}}}", re.ASCII)

#: The stream entry's field whose value is a batch of lines, one JSON object each.
LINES_FIELD = "lines"


def records_stream(run: str) -> str:
    """Return the key of a run's stream of lines; each entry is one batch in `LINES_FIELD`."""
    return f"poolbench:records:{run}"


def run_key(run: str) -> str:
    """Return the key of a run's hash.

    Fields: ``created_ns``; ``source`` (``producer`` or ``lab``); ``trials``, a JSON list of
    `poolbench.records.TrialPlan` mappings; ``sent:<trial>``, how many jobs were sent;
    ``boot_id`` of the machine that stamps due times; ``calibration``, by which work in time became
    units, as in `CALIBRATION`; and ``sent_all_ns``, set when the producer has no more to send.
    """
    return f"poolbench:run:{run}"


def sent_field(trial: int) -> str:
    """Return the field of a run's hash that counts the jobs sent in a trial."""
    return f"sent:{trial}"


def summary_key(run: str) -> str:
    """Return the key of the JSON summary that the collector publishes for a run."""
    return f"poolbench:summary:{run}"


def worker_key(contender: str, worker: str) -> str:
    """Return the key, with an expiry, by which a live worker of a contender is seen."""
    return f"poolbench:worker:{contender}:{worker}"


def queue_name(contender: str, *, scope: str = "") -> str:
    """Return the Celery queue of a contender; ``scope`` keeps a lab run's queues its own."""
    return f"poolbench.{scope}.{contender}" if scope else f"poolbench.{contender}"


def scratch_key(token: str) -> str:
    """Return the key, with an expiry, that a client of io.redis jobs sets and gets."""
    return f"poolbench:scratch:{token}"


def unacked_keys(scope: str) -> dict[str, str]:
    """Return where a scope's workers keep messages that are not acknowledged, by kombu's options.

    Without a scope of its own, a message that a killed worker had would be given back, hours later,
    to a queue without a worker.
    """
    options = ("unacked_key", "unacked_index_key", "unacked_mutex_key")
    return {option: f"poolbench.{scope}.{option.removesuffix('_key')}" for option in options}


def result_prefix(scope: str) -> str:
    """Return the prefix of Celery's own key of a result, so that a run's can be removed."""
    return f"poolbench.{scope}."


def new_run_name() -> str:
    """Return a run id that sorts by time and doesn't repeat."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def check_name(name: str, *, what: str) -> str:
    """Return a run's or contender's name unchanged.

    Raises:
        UsageError: if it can't be a key and a file name.
    """
    if not NAME.fullmatch(name):
        problem = (
            "must begin with a small letter or digit and contain only those, dots, dashes and "
            f"underscores, at most {NAME_LENGTH}"
        )
        raise UsageError(Fault(field=what, seen=repr(name), problem=problem))
    return name
