"""Stand-ins for workers and the collector, for tests of the producer's command line.

They take real messages from real queues and publish a summary computed from what they took, so
what the producer prints is what was really sent.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import redis

from poolbench.jobs import HEADER, JobHeader
from poolbench.keys import RUNS, queue_name, run_key, sent_field, summary_key, worker_key
from poolbench.records import FORMAT


def show_worker(
    client: redis.Redis,
    contender: str,
    *,
    slots: int = 4,
    scope: str = "",
) -> None:
    """Make a worker seen, as the recorder does."""
    shown = {
        "v": FORMAT,
        "m": "alive",
        "t_ns": time.time_ns(),
        "contender": contender,
        "pool": contender,
        "slots": slots,
        "events": False,
        "host": "host",
        "pid": 1,
        "queues": [queue_name(contender, scope=scope)],
    }
    client.set(worker_key(contender, "host-1"), json.dumps(shown), ex=600)


class StandIns:
    """Workers that end each job as soon as they take it, and a collector that tells of it."""

    def __init__(
        self,
        url: str,
        *contenders: str,
        slots: int = 4,
        most: int | None = None,
        failing: int = 0,
    ) -> None:
        self._client = redis.Redis.from_url(url, decode_responses=True)
        self._contenders = contenders
        self._slots = slots
        #: Jobs that are taken of each trial; the rest stays in the queue.
        self._most = most
        #: Jobs that fail, of each trial.
        self._failing = failing
        self._taken: dict[tuple[str, int], list[tuple[JobHeader, int]]] = defaultdict(list)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)
        #: Trials in the order in which their first jobs came.
        self.order: list[str] = []
        #: For each trial, how many jobs of others had been taken and not ended: always 0 here.
        self.left_when_begun: Counter[str] = Counter()

    def __enter__(self) -> Self:
        for contender in self._contenders:
            show_worker(self._client, contender, slots=self._slots)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self._client.close()

    def _work(self) -> None:
        while not self._over.wait(0.02):
            for contender in self._contenders:
                self._take(contender)
            for run in self._client.zrange(RUNS, 0, -1):
                text = json.dumps(self._summary(str(run)))
                self._client.set(summary_key(str(run)), text)

    def _take(self, contender: str) -> None:
        queue = queue_name(contender)
        taken = sum(len(jobs) for (name, _), jobs in self._by_contender() if name == contender)
        count = 50 if self._most is None else self._most - taken
        messages = self._client.rpop(queue, count) if count > 0 else None
        if messages and contender not in self.order:
            self.order.append(contender)
            others = [queue_name(other) for other in self._contenders if other != contender]
            self.left_when_begun[contender] = sum(self._client.llen(other) for other in others)
        for message in messages or ():
            header = JobHeader(**json.loads(str(message))["headers"][HEADER])
            self._taken[header.run, header.trial].append((header, time.time_ns()))

    def _by_contender(self) -> list[tuple[tuple[str, int], list[tuple[JobHeader, int]]]]:
        return [((jobs[0][0].contender, key[1]), jobs) for key, jobs in self._taken.items()]

    def _summary(self, run: str) -> dict[str, Any]:
        known = self._client.hgetall(run_key(run))
        trials = [self._trial(run, plan, known) for plan in json.loads(known.get("trials", "[]"))]
        is_whole = "sent_all_ns" in known
        is_closed = is_whole and not any(trial["ledger"]["lost"] for trial in trials)
        return {
            "format": FORMAT,
            "run": run,
            "state": "closed" if is_closed else "running" if is_whole else "sending",
            "events": False,
            "overlapped_by": [],
            "trials": trials,
        }

    def _trial(self, run: str, plan: dict[str, Any], known: Mapping[Any, Any]) -> dict[str, Any]:
        jobs = self._taken.get((run, plan["trial"]), [])
        sent = int(known.get(sent_field(plan["trial"]), 0))
        failed = min(self._failing, len(jobs))
        ledger = {"sent": sent, "done": len(jobs) - failed, "failed": failed, "retried": 0}
        lags = sorted((job.sent_ns - job.due_ns) / 1e9 for job, _ in jobs)
        waits = sorted((taken_ns - job.due_ns) / 1e9 for job, taken_ns in jobs)
        span_s = (jobs[-1][1] - jobs[0][1]) / 1e9 if len(jobs) > 1 else 0.0
        return {
            **{name: plan[name] for name in ("trial", "contender", "pool", "slots", "kind")},
            "parameters": plan["parameters"],
            "sent": sent,
            "ledger": {**ledger, "lost": sent - len(jobs), "duplicated": 0},
            "throughput_per_s": (len(jobs) - 1) / span_s if span_s else None,
            "wait_s": _percentiles(waits),
            "execution_s": _percentiles([0.0] * len(jobs)),
            "lag_s": _percentiles(lags),
            "mark": "" if span_s else "?",
            "reasons": [] if span_s else ["too few jobs for a throughput"],
        }


def _percentiles(ordered: list[float]) -> dict[str, float] | None:
    if not ordered:
        return None
    return {
        f"p{percent}": ordered[-(-percent * len(ordered) // 100) - 1] for percent in (50, 95, 99)
    }
