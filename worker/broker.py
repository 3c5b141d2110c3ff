"""Checks the broker before a worker starts, since Celery retries a wrong password forever."""

from __future__ import annotations

import sys
import time

import redis

from poolbench.errors import StackError
from poolbench.settings import Settings, load_settings

#: Timeout for the broker to start, seconds; the services of a stack start at the same time.
WAIT_S = 15.0

#: Timeout of an answer, seconds.
SOCKET_TIMEOUT_S = 2.0


def refuse_without_broker(**_: object) -> None:
    """End this process with one line when its broker can't be used; receives `celeryd_init`.

    It runs inside the worker, where the Redis client is imported anyway, and before the pool.
    """
    try:
        wait_for_broker(load_settings())
    except StackError as error:
        sys.stderr.write(f"worker: {error}\n")
        sys.exit(error.exit_code)


def wait_for_broker(settings: Settings, *, within_s: float = WAIT_S) -> None:
    """Wait until the broker answers.

    Raises:
        StackError: if it doesn't within ``within_s``, or if it refuses the login.
    """
    where = f"the broker at {settings.redis_address}"
    deadline_s = time.monotonic() + within_s
    with redis.Redis.from_url(settings.worker_redis_url, socket_timeout=SOCKET_TIMEOUT_S) as client:
        while True:
            try:
                client.ping()
            except (redis.AuthenticationError, redis.ResponseError) as error:
                raise StackError(f"{where} refuses commands: {error}. {_REMEDY}") from error
            except redis.RedisError as error:
                if time.monotonic() > deadline_s:
                    raise StackError(f"{where} can't be reached: {error}. {_REMEDY}") from error
                time.sleep(0.2)
            else:
                return


_REMEDY = "Check POOLBENCH_REDIS_URL, or POOLBENCH_REDIS_HOST, _PORT and _PASSWORD."
