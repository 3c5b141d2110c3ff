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

#: Time without a line after which a run with missing jobs is stalled, seconds.
STALL_S = 30.0

#: Time for which a run that is over stays active, seconds; later lines make it active again.
LATE_S = 60.0

#: Interval between two checks for lines of resting runs, seconds.
WAKE_EVERY_S = 2.0

#: Age at which a resting run is removed from the list, seconds. Redelivered jobs arrive within
#: hours, and the list, which is checked every two seconds, must not grow forever.
LISTED_S = 7 * 86_400.0

#: Interval between two attempts at a run that can't be stored or read, seconds.
RETRY_S = 5.0

#: Longest pause between two attempts to reach Redis, seconds.
RECONNECT_S = 2.0

_log = logging.getLogger("collector")


class Service:
    """Collects the runs listed in Redis until it is stopped.

    Args:
        client: a client of the broker that decodes its answers.
        results_dir: the folder in which each run has a folder.
        address: the broker's address for messages, without its password.
        stall_s: time without a line after which a run with missing jobs is stalled.
        heartbeat_file: touched in every round, for a container's health check.
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
        #: Runs that are over; lines may still arrive.
        self._resting: set[str] = set()
        #: When the jobs of each known run were in the system.
        self._intervals: dict[str, Interval] = {}
        #: For runs with a fault: the kind of the fault, and when to try again.
        self._troubles: dict[str, tuple[type[Exception], float]] = {}
        self._wake_at_s = float("-inf")

    def stop(self) -> None:
        """Make `serve` return after the current part; may be called in a signal handler."""
        self._stopping.set()

    def serve(self) -> None:
        """Collect until stopped; wait for a broker that is unreachable.

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
                    f"Redis at {self._address} refuses the password ({error}). "
                    "Check POOLBENCH_REDIS_PASSWORD or POOLBENCH_REDIS_URL."
                ) from error
            except (redis.ConnectionError, redis.TimeoutError) as error:
                if away_since_s is None:
                    away_since_s = self._clock()
                    _log.warning("Redis at %s is away (%s); waiting for it", self._address, error)
                self._stopping.wait(min(RECONNECT_S, 0.2 + self._clock() - away_since_s))
                continue
            except redis.ResponseError as error:
                raise StackError(
                    f"Redis at {self._address} can't list the runs ({error}). "
                    f"Check its key {RUNS} and the permissions of its user."
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
            redis.ConnectionError: if the broker is unreachable; nothing is lost, and the next round
                continues.
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
        """Collect and publish one run; return whether its stream may contain more lines."""
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
        """Start to collect a new run, or let it rest if it is over."""
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
        """Return whether an earlier collector completed the run and no lines arrived since.

        That collector may have been killed between any two of its steps.
        """
        return (
            folder.manifest_path.exists()
            and folder.read_manifest().lines == sum(folder.count_lines())
            and bool(self._client.hexists(run_key(name), "sent_all_ns"))
            and not self._client.xlen(records_stream(name))
            and self._is_end_published(name)
        )

    def _is_end_published(self, name: str) -> bool:
        """Return whether the end of a run was published, even if it has expired since."""
        text = self._client.get(summary_key(name))
        try:
            return text is None or RunState(json.loads(str(text))["state"]).is_over
        except (ValueError, TypeError, KeyError):
            return False

    def _wake(self, created_s: Mapping[str, float]) -> None:
        """Resume resting runs that have new lines, and remove old ones from Redis.

        ``created_s`` has the creation times by run, Unix seconds.
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
                    _log.info("run %s: more lines arrived", name)
            elif created_s[name] < time.time() - LISTED_S:
                # all lines are in its folder, and its stream is empty
                with self._client.pipeline(transaction=True) as transaction:
                    transaction.zrem(RUNS, name)
                    transaction.unlink(records_stream(name), run_key(name))
                    transaction.execute()
                self._forget({name})

    def _forget(self, names: set[str]) -> None:
        """Stop collecting runs; their folders are kept."""
        for name in names:
            self._troubles.pop(name, None)
            self._resting.discard(name)
            self._intervals.pop(name, None)
            if name in self._active:
                with self._run_faults(name):
                    self._active.pop(name).close()

    @contextmanager
    def _run_faults(self, name: str) -> Iterator[None]:
        """Isolate a fault of one run from the others: log it once, and try again later."""
        try:
            yield
        except (PoolbenchError, redis.ResponseError) as error:
            # by kind, since the text about a full disk contains another part each time
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
            _log.warning("the heartbeat file can't be written (%s); continuing without it", error)
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
