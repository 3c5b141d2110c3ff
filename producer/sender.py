"""`python -m producer.sender`: sends a trial's jobs in a process of its own.

So the caller's own work (following lines, taking samples) delays no job. It reads one request per
line from standard input and writes one answer per line.
"""

from __future__ import annotations

import gc
import json
import os
import select
import sys
from dataclasses import asdict
from typing import TextIO

import redis
from pydantic import TypeAdapter

from poolbench.arguments import run
from poolbench.broker_client import open_broker
from poolbench.errors import ExitCode, PoolbenchError
from poolbench.records import TrialPlan
from poolbench.settings import load_settings
from producer.mixes import Mix
from producer.publisher import publish

#: Line that makes it stop sending.
STOP = b'{"stop": true}\n'

_READ_BYTES = 1 << 16

_MIX = TypeAdapter(Mix)


class Requests:
    """Reads lines from a pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""

    def read(self) -> bytes | None:
        """Return the next line, waiting for it; None when the pipe has ended."""
        pieces = [self._rest]
        while b"\n" not in pieces[-1]:
            chunk = os.read(self._descriptor, _READ_BYTES)
            if not chunk:
                return None
            pieces.append(chunk)
        line, _, self._rest = b"".join(pieces).partition(b"\n")
        return line

    def has_more(self) -> bool:
        """Return whether a line or the pipe's end can be read; either is a request to stop."""
        return bool(self._rest) or bool(select.select([self._descriptor], [], [], 0)[0])


def serve(client: redis.Redis, *, requests: Requests, answers: TextIO) -> None:
    """Carry out each request until the input ends.

    A request is ``{"run", "scope", "plan", "offsets_s", "database", "mix"}``: the scope of its
    queues, the fields of a `TrialPlan`, the seconds from now for each job, the number of another
    database or 0, and null or the fields of a `Mix`.
    The answer, written when all jobs are sent or sending was stopped, is a
    `producer.publisher.Sent`, or ``{"error"}``.
    """
    while (line := requests.read()) is not None:
        asked = json.loads(line)
        if "stop" in asked:
            continue
        mix = asked["mix"] and _MIX.validate_python(asked["mix"])
        # a garbage collection during sending would delay jobs by milliseconds
        gc.disable()
        try:
            sent = publish(
                _in_database(client, asked["database"]),
                run=asked["run"],
                plan=TrialPlan(**asked["plan"]),
                offsets_s=asked["offsets_s"],
                scope=asked["scope"],
                mix=mix,
                should_stop=requests.has_more,
            )
            answer = asdict(sent)
        except PoolbenchError as error:
            answer = {"error": str(error)}
        finally:
            gc.enable()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _in_database(client: redis.Redis, number: int) -> redis.Redis:
    """Return the client of a database of the same server; 0 is the client's own."""
    if not number:
        return client
    pool = client.connection_pool
    options = {**pool.connection_kwargs, "db": number}
    return redis.Redis.from_pool(
        redis.ConnectionPool(connection_class=pool.connection_class, **options)
    )


def main() -> int:
    """Serve the parent process; report a broker's failure as an answer or an exit code."""
    return run(_run, program="sender")


def _run() -> int:
    with open_broker(load_settings()) as client:
        serve(client, requests=Requests(sys.stdin.fileno()), answers=sys.stdout)
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
