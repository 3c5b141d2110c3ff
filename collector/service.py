"""The service of a running stack: collects every run that producers submit to its broker."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import redis

from collector.active_run import UPDATE_EVERY_S, ActiveRun
from collector.manifest import interval_in
from collector.store import RunFolder
from collector.summary import Interval, Summary
from poolbench.errors import PoolbenchError, StackError
from poolbench.keys import RUNS, check_name, records_stream, run_key, summary_key
from poolbench.summaries import RunState

#: How long no line may come while jobs are missing until a run is called stalled, seconds.
STALL_S = 30.0

#: How long a run that is over is still worked on, seconds: later lines wake it.
LATE_S = 60.0

#: Between two checks for lines of runs that rest, seconds.
WAKE_EVERY_S = 2.0

#: A run that rests is taken off the list so long after its creation, seconds: redelivered jobs come
#: within hours, and a list that only grows is asked about every two seconds.
LISTED_S = 7 * 86_400.0

#: Between two attempts at a run that can't be stored or read, seconds.
RETRY_S = 5.0

#: Longest pause between two attempts to reach Redis, seconds.
RECONNECT_S = 2.0

_log = logging.getLogger("collector")


class Service:
    """Collects the runs listed in Redis until it is stopped.

    Args:
        client: a client of the broker that decodes its answers.
        results_dir: where each run gets its folder.
        address: the broker's, for messages; without its password.
        stall_s: how long no line may come while jobs are missing.
        heartbeat_file: touched in every round, for a container's health.
        clock: monotonic, seconds.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        results_dir: Path,
        address: str,
        stall_s: float = STALL_S,
        heartbeat_file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._results_dir = results_dir
        self._address = address
        self._stall_s = stall_s
        self._heartbeat_file = heartbeat_file
        self._clock = clock
        self._stopping = threading.Event()
        self._active: dict[str, ActiveRun] = {}
        #: Runs that are over; lines may still come.
        self._resting: set[str] = set()
        #: When the jobs of each known run were in the system.
        self._intervals: dict[str, Interval] = {}
        #: By run that isn't collected at the moment: the kind of its fault, and when to try again.
        self._troubles: dict[str, tuple[type[Exception], float]] = {}
        self._wake_at_s = float("-inf")

    def stop(self) -> None:
        """Let `serve` return when the part in hand is stored; callable from a signal handler."""
        self._stopping.set()

    def serve(self) -> None:
        """Collect until stopped; a broker that is away is waited for.

        Raises:
            StackError: if the broker refuses the password or the list of runs.
        """
        _log.info("collecting from %s into %s", self._address, self._results_dir)
        away_since_s: float | None = None
        while not self._stopping.is_set():
            self._beat()
            try:
                is_busy = self.round()
            except redis.AuthenticationError as error:
                raise StackError(
                    f"Redis at {self._address} refuses the password ({error}); "
                    "check POOLBENCH_REDIS_PASSWORD or POOLBENCH_REDIS_URL"
                ) from error
            except (redis.ConnectionError, redis.TimeoutError) as error:
                if away_since_s is None:
                    away_since_s = self._clock()
                    _log.warning("Redis at %s is away (%s); waiting for it", self._address, error)
                self._stopping.wait(min(RECONNECT_S, 0.2 + self._clock() - away_since_s))
                continue
            except redis.ResponseError as error:
                raise StackError(
                    f"Redis at {self._address} can't list the runs ({error}); "
                    f"check its key {RUNS} and the permissions of its user"
                ) from error
            if away_since_s is not None:
                _log.info("Redis is back after %.0f s", self._clock() - away_since_s)
                away_since_s = None
            if not is_busy:
                self._stopping.wait(UPDATE_EVERY_S)
        self.close()
        _log.info("stopped")

    def round(self) -> bool:
        """Collect and publish each run once; return whether more lines are waiting.

        Raises:
            redis.ConnectionError: if the broker is away: nothing is lost, the next round continues.
        """
        listed = cast("list[tuple[str, float]]", self._client.zrange(RUNS, 0, -1, withscores=True))
        created_s = dict(listed)
        self._forget((self._active.keys() | self._resting) - created_s.keys())
        for name in created_s:
            self._admit(name)
        self._wake(created_s)
        is_busy = False
        for name in list(self._active):
            if self._stopping.is_set():
                break
            if self._may_try(name):
                with self._run_faults(name):
                    is_busy |= self._serve_run(name)
        return is_busy

    def close(self) -> None:
        """Release the runs' locks."""
        self._forget(set(self._active))

    def _serve_run(self, name: str) -> bool:
        """Collect and publish one run; return whether its stream may hold more."""
        active = self._active[name]
        before = active.summary
        try:
            is_busy = active.collect()
        finally:
            active.update(self._intervals)
        if active.summary and not (before and active.summary.state is before.state):
            _log.info("run %s: %s", name, _describe(active.summary))
        if active.is_over and active.quiet_s > LATE_S:
            self._active.pop(name).close()
            self._resting.add(name)
        return is_busy

    def _admit(self, name: str) -> None:
        """Take up a run that isn't known yet."""
        if name in self._active or name in self._resting or not self._may_try(name):
            return
        with self._run_faults(name):
            check_name(name, what="run")
            folder = RunFolder(self._results_dir / name)
            if self._is_settled(name, folder=folder):
                self._resting.add(name)
                if interval := interval_in(folder.read_manifest()):
                    self._intervals[name] = interval
            else:
                self._open(name)

    def _open(self, name: str) -> None:
        folder = self._results_dir / name
        self._active[name] = ActiveRun(
            self._client, run=name, folder=folder, stall_s=self._stall_s, clock=self._clock
        )

    def _is_settled(self, name: str, *, folder: RunFolder) -> bool:
        """Whether an earlier collector brought the run to its end, and nothing came since.

        It may have been killed between any two of its steps.
        """
        return (
            folder.manifest_path.exists()
            and folder.read_manifest().lines == sum(folder.count_lines())
            and bool(self._client.hexists(run_key(name), "sent_all_ns"))
            and not self._client.xlen(records_stream(name))
            and self._is_end_published(name)
        )

    def _is_end_published(self, name: str) -> bool:
        """Whether the end of a run was published, perhaps so long ago that it has expired."""
        text = self._client.get(summary_key(name))
        try:
            return text is None or RunState(json.loads(str(text))["state"]).is_over
        except (ValueError, TypeError, KeyError):
            return False

    def _wake(self, created_s: Mapping[str, float]) -> None:
        """Take up again the resting runs to which lines came, and take the old ones out of Redis.

        ``created_s`` is Unix time by run.
        """
        if self._clock() < self._wake_at_s:
            return
        self._wake_at_s = self._clock() + WAKE_EVERY_S
        names = [name for name in self._resting if self._may_try(name)]
        with self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.xlen(records_stream(name))
            lengths = pipeline.execute()
        for name, length in zip(names, lengths, strict=True):
            if length:
                with self._run_faults(name):
                    self._open(name)
                    self._resting.remove(name)
                    _log.info("run %s: more lines came", name)
            elif created_s[name] < time.time() - LISTED_S:
                # its folder has everything, and its stream is empty
                with self._client.pipeline(transaction=True) as transaction:
                    transaction.zrem(RUNS, name)
                    transaction.unlink(records_stream(name), run_key(name))
                    transaction.execute()
                self._forget({name})

    def _forget(self, names: set[str]) -> None:
        """Let go of runs; their folders stay."""
        for name in names:
            self._troubles.pop(name, None)
            self._resting.discard(name)
            self._intervals.pop(name, None)
            if name in self._active:
                with self._run_faults(name):
                    self._active.pop(name).close()

    @contextmanager
    def _run_faults(self, name: str) -> Iterator[None]:
        """Keep a fault of one run from the others: log it once, and try again later."""
        try:
            yield
        except (PoolbenchError, redis.ResponseError) as error:
            # by kind: the text of a full disk names another part each time
            if type(error) not in self._troubles.get(name, ()):
                _log.warning("run %s: %s", name, error)
            self._troubles[name] = type(error), self._clock() + RETRY_S
        else:
            if self._troubles.pop(name, None):
                _log.info("run %s: it is collected again", name)

    def _may_try(self, name: str) -> bool:
        return name not in self._troubles or self._clock() >= self._troubles[name][1]

    def _beat(self) -> None:
        if self._heartbeat_file is None:
            return
        try:
            self._heartbeat_file.touch()
        except OSError as error:
            _log.warning("the heartbeat file can't be written (%s); going on without", error)
            self._heartbeat_file = None


def _describe(summary: Summary) -> str:
    """Return a run's state in one line."""
    sent, done, failed, lost = (
        sum(getattr(trial.ledger, name) for trial in summary.trials)
        for name in ("sent", "done", "failed", "lost")
    )
    counts = f"{sent:,} sent, {done:,} done"
    if failed:
        counts += f", {failed:,} failed"
    if lost:
        counts += f", {lost:,} {'without an end' if summary.state.is_over else 'to come'}"
    return f"{summary.state.value}, {counts}"
