"""Connects commands to the broker; each failure is a message of one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from poolbench.errors import StackError
from poolbench.settings import Settings

#: Timeouts of a connection and of an answer, seconds.
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 5.0


@contextmanager
def open_broker(settings: Settings) -> Iterator[redis.Redis]:
    """Yield a connected client of the broker; its errors become a `StackError`.

    Raises:
        StackError: if the broker does not answer or refuses the password, which is not in the text.
    """
    # a client created by `from_url` doesn't retry
    client = redis.Redis.from_url(
        settings.redis_url,
        decode_responses=True,
        socket_timeout=ANSWER_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
    )
    where = f"Redis at {settings.redis_address}"
    try:
        client.ping()
        yield client
    except redis.AuthenticationError as error:
        raise StackError(f"{where} refuses the password. {_REFUSED_REMEDY}") from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise StackError(f"{where} doesn't answer. {_AWAY_REMEDY}") from error
    except redis.RedisError as error:
        raise StackError(f"{where} refuses a command: {error}") from error
    finally:
        client.close()


_REFUSED_REMEDY = "Set POOLBENCH_REDIS_PASSWORD or POOLBENCH_REDIS_URL in .env."
_AWAY_REMEDY = "Start the stack (make up), or set POOLBENCH_REDIS_URL."
