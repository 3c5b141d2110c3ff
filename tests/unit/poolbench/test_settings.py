"""What is said of values in the environment that can't be used."""

from __future__ import annotations

import pytest

from poolbench.errors import UsageError
from poolbench.settings import load_settings


def test_every_value_that_cannot_be_used_is_named_at_once() -> None:
    """Numbers with their bounds; an address without its content, which may hold a password."""
    environ = {
        "POOLBENCH_REDIS_PORT": "65536",
        "POOLBENCH_ACKS_LATE": "yes",
        "POOLBENCH_REDIS_URL": "redis://:sesame@h:port/0",
        "POOLBENCH_WORKER_REDIS_URL": "amqp://:sesame@h/",
        "POOLBENCH_CELERY": "[1]",
    }
    with pytest.raises(UsageError) as caught:
        load_settings(environ, dotenv=None)

    example = 'Write {"worker_eta_task_limit": 500}.'
    address = "is invalid: must be a Redis address. Write redis://:password@host:port/0."
    assert sorted(map(str, caught.value.faults)) == [
        "POOLBENCH_ACKS_LATE = 'yes' is invalid: must be a whole number from 0 to 1.",
        f"POOLBENCH_CELERY = [1] is invalid: must be a JSON object. {example}",
        "POOLBENCH_REDIS_PORT = '65536' is invalid: must be a whole number from 1 to 65535.",
        f"POOLBENCH_REDIS_URL {address}",
        f"POOLBENCH_WORKER_REDIS_URL {address}",
    ]
