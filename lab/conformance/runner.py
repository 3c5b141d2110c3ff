"""Tries every promise on every pool, several at a time, since most of a try is waiting."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import redis
from kombu.exceptions import OperationalError

from lab.conformance.finding import Finding, Outcome, not_tried
from lab.conformance.interpreter import CeleryPython
from lab.conformance.promise import Promise
from lab.conformance.survey import Survey, SurveyRow, judge_tries
from lab.conformance.testbed import Testbed
from lab.conformance.worker import TestbedWorker, WorkerDiedError
from lab.system.environment import describe_broker, describe_machine, usable_cores
from lab.system.redis_server import RedisServer, find_server
from poolbench.errors import StackError
from poolbench.pools import Pool

#: Number of tries at the same time. Most of a try is waiting; more would slow down worker starts.
CONCURRENT_TRIES = 8

#: Exit code of a `celery` command that does not know an option.
_USAGE_EXIT = 2


def conduct(
    promises: Sequence[Promise],
    *,
    pools: Sequence[Pool],
    interpreter: CeleryPython,
    tries: int,
    command: str,
    advance: Callable[[], None],
) -> Survey:
    """Try all promises on all pools ``tries`` times; call ``advance`` after each try.

    An interruption ends every worker before it is raised.

    Raises:
        StackError: if there is no server, or it can't be started.
    """
    made_at, began_at_s = datetime.now(UTC), time.monotonic()
    broker, machine = _describe_broker(), describe_machine()
    starting, stopping = threading.BoundedSemaphore(usable_cores()), threading.Event()
    testbed = partial(Testbed, python=interpreter.path, starting=starting, stopping=stopping)
    attempt = partial(_attempt, interpreter=interpreter, make_testbed=testbed)
    cells = in_order(promises, pools=pools, tries=tries)
    # threads that live as long as their workers: a worker ends with the thread that started it
    with ThreadPoolExecutor(max_workers=CONCURRENT_TRIES) as executor:
        try:
            futures = [executor.submit(attempt, *cell) for cell in cells]
            for future in as_completed(futures):
                future.result()
                advance()
        except BaseException:
            stopping.set()
            executor.shutdown(cancel_futures=True)
            raise
    findings = defaultdict(list)
    for (promise, pool), future in zip(cells, futures, strict=True):
        findings[promise.name, pool.name].append(future.result())

    def row(promise: Promise) -> SurveyRow:
        verdicts = {pool.name: judge_tries(findings[promise.name, pool.name]) for pool in pools}
        return SurveyRow.model_validate({**asdict(promise), "pools": verdicts})

    return Survey(
        made_at=made_at.isoformat(timespec="seconds"),
        command=command,
        took_s=round(time.monotonic() - began_at_s, 1),
        versions=interpreter.versions,
        broker=broker,
        machine={name: getattr(machine, name) for name in ("os", "architecture", "cores")},
        pools=tuple(pool.name for pool in pools),
        rows=tuple(map(row, promises)),
    )


def in_order(
    promises: Sequence[Promise], *, pools: Sequence[Pool], tries: int
) -> list[tuple[Promise, Pool]]:
    """Return all tries in the order in which they begin: in each round the slow ones first.

    All promises are tried once before any is tried again, so that a disturbance of the machine
    affects different promises.
    """
    return sorted(product(promises, pools), key=lambda cell: -cell[0].lasts_s) * tries


def _attempt(
    promise: Promise, pool: Pool, *, interpreter: CeleryPython, make_testbed: Callable[..., Testbed]
) -> Finding:
    """Return the finding of a try; `NOT_TRIED`, with the reason, if it could not be carried out."""
    if lacking := interpreter.lacks(pool):
        return not_tried(lacking)
    try:
        with (
            TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as folder,
            RedisServer(folder=Path(folder)) as server,
            closing(make_testbed(pool=pool, server=server)) as testbed,
        ):
            return judge_exits(promise.attempt(testbed), workers=testbed.workers)
    except WorkerDiedError as death:
        return judge_death(death)
    except (StackError, OSError, redis.RedisError, OperationalError) as error:
        return not_tried(f"{type(error).__name__}: {error}")


def judge_exits(found: Finding, *, workers: Sequence[TestbedWorker]) -> Finding:
    """Return a promise's finding, turned into a break if one of its workers failed.

    A promise judges by its jobs; a worker that died neither works nor ignores a request.
    """
    failed = next((one for one in workers if one.has_failed()), None)
    if failed is None or found.outcome not in {Outcome.WORKS, Outcome.IGNORED}:
        return found
    ended = "it did not end" if failed.exit_code is None else f"exit code {failed.exit_code}"
    evidence = dict.fromkeys((*found.evidence, *failed.own_errors()))
    seen = f"The worker failed ({ended}). {found.seen}"
    return Finding(outcome=Outcome.BREAKS, seen=seen, evidence=tuple(evidence))


def judge_death(death: WorkerDiedError) -> Finding:
    """Judge a worker that ended without a request."""
    unknown = [line for line in death.evidence if "No such option" in line]
    if death.exit_code == _USAGE_EXIT and unknown:
        return not_tried(f"This Celery has no such option: {unknown[0].removeprefix('log: ')}")
    seen = f"The worker died, with exit code {death.exit_code}."
    return Finding(outcome=Outcome.BREAKS, seen=seen, evidence=death.evidence)


def _describe_broker() -> dict[str, str]:
    with (
        TemporaryDirectory(prefix="conformance-") as folder,
        RedisServer(folder=Path(folder)) as server,
        redis.Redis.from_url(server.url()) as client,
    ):
        return describe_broker(client, origin=find_server().origin)
