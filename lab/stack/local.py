"""The local stack: the services as processes under supervisord, with a broker of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil

from collector.files import make_folder, storage_errors
from lab.stack.health import Status, failure, service_problem, wait_until_healthy
from lab.stack.logs import read_logs
from lab.stack.processes import TOKEN_VARIABLE, end_processes, find_processes, kill_after
from lab.stack.services import CALIBRATE, SERVICE_STOP_S, WORKER_STOP_S, Service, starts_broker
from lab.stack.stack import Stack
from lab.stack.state import LOCAL, StackState, delete_state, load_state, save_state
from lab.stack.supervisor import Supervisor, configuration, socket_folder
from lab.system.commands import last_line, run_command
from lab.system.redis_server import find_server
from poolbench.errors import StackError

#: How long all services together may take until they are healthy, seconds.
START_TIMEOUT_S = 60.0
#: How long the calibration may take, seconds; it ends within two.
CALIBRATION_TIMEOUT_S = 60.0
#: How long a worker's recorder may take to send its last lines, seconds.
DRAIN_S = 30.0
#: How long supervisord may take to end with the broker, which it stops last, seconds.
END_S = SERVICE_STOP_S + 10.0
#: How long leftover processes may take to end, of which recorders wait for their worker, seconds.
LEFTOVER_END_S = 20.0
_POLL_S = 0.1


class LocalStack(Stack):
    """The services of one checkout as local processes."""

    title = "local processes"

    def is_up(self) -> bool:
        """Return whether the stack's supervisord runs and answers."""
        if "" in self._processes().values():
            with contextlib.suppress(StackError):
                self._supervisor.states()
                return True
        return False

    def calibrate(self) -> None:
        """Measure what a unit of work costs here, and store it in the broker.

        Raises:
            StackError: if that fails.
        """
        done = run_command(
            [sys.executable, "-m", *CALIBRATE],
            environment=self.environment,
            folder=self.root,
            timeout_s=CALIBRATION_TIMEOUT_S,
        )
        if done.returncode:
            raise StackError(last_line(done))

    def down(self) -> None:
        """Stop everything; keep results, logs and the broker's data. Does nothing when down."""
        if self.is_up():
            workers = {service.name for service in self.services if service.contender}
            self._stop_services(workers)
            # stopped workers' recorders send the workers' last lines
            recorders = [found for found, name in self._processes().items() if name in workers]
            if kill_after(recorders, timeout_s=DRAIN_S):
                self.notify(
                    f"a recorder did not end within {DRAIN_S:.0f} s; records may be missing"
                )
            self._stop_services({service.name for service in self.services} - workers - {"redis"})
            supervisor = [found for found, name in self._processes().items() if not name]
            end_processes(supervisor, timeout_s=END_S)
        self._end_leftovers()
        delete_state(self.settings.state_dir)

    def statuses(self) -> list[Status]:
        """Return each service's status."""
        if self.is_up():
            return self._statuses(self.services)
        return [Status(name=service.name, state="stopped") for service in self.services]

    def read_logs(
        self, names: Sequence[str], *, lines: int, is_following: bool
    ) -> Iterator[tuple[str, str]]:
        """Yield service and line: the last lines of each log, then the lines that are added."""
        paths = {name: self._log_of(name) for name in names}
        return read_logs(paths, count=lines, is_following=is_following)

    # -- starting

    def _prepare(self) -> None:
        self._end_leftovers()
        if starts_broker(self.settings):
            self.notify(f"broker: {find_server().origin}")

    def _start(self, started_with: Mapping[str, str]) -> None:
        if not self.is_up():
            self._start_supervisor(started_with)
        self._start_services()

    def _start_supervisor(self, started_with: Mapping[str, str]) -> None:
        state_dir = self.settings.state_dir
        state = StackState(kind=LOCAL, token=secrets.token_hex(16), settings=started_with)
        config = state_dir / "supervisord.conf"
        heartbeats = state_dir / "heartbeats"
        make_folder(state_dir / "logs")
        make_folder(state_dir / "data")
        with storage_errors(state_dir):
            shutil.rmtree(heartbeats, ignore_errors=True)
            heartbeats.mkdir()
            config.write_text(configuration(self.services), encoding="utf-8")
        # saved first, so that after a failure the token identifies the started processes
        save_state(state_dir, state=state)
        folder = socket_folder(state.token)
        with storage_errors(folder):
            folder.mkdir(mode=0o700)
        self._supervisor.start(config=config, environment=self._daemon_environment(state.token))

    def _daemon_environment(self, token: str) -> dict[str, str]:
        paths = (str(self.root), self.environment.get("PYTHONPATH", ""))
        return {
            **self.environment,
            TOKEN_VARIABLE: token,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "PYTHONUNBUFFERED": "1",
            "POOLBENCH_ROOT": str(self.root),
            "POOLBENCH_PYTHON": sys.executable,
            "POOLBENCH_SOCKET": str(self._supervisor.socket_path),
            "POOLBENCH_STATE_DIR": str(self.settings.state_dir),
            "POOLBENCH_RESULTS_DIR": str(self.settings.results_dir),
        }

    def _start_services(self) -> None:
        """Start the services that are down: the broker first, then the others at the same time."""
        self._wait_until(lambda states: all(s.state != "stopping" for s in states.values()))
        states = self._supervisor.states()
        for group in (self.services[:1], self.services[1:]):
            names = [service.name for service in group]
            missing = [name for name in names if states[name].state not in {"running", "starting"}]
            for name in missing:
                self._supervisor.request("startProcess", name)
            if missing:
                self.notify(f"starting {', '.join(missing)}")
            failed = wait_until_healthy(partial(self._statuses, group), within_s=START_TIMEOUT_S)
            if failed is not None:
                log = self._log_of(failed.name)
                text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
                raise StackError(failure(failed, log=text, where=str(log)))

    # -- querying

    @property
    def _token(self) -> str:
        state = load_state(self.settings.state_dir)
        return state.token if state else ""

    @property
    def _supervisor(self) -> Supervisor:
        return Supervisor(socket_folder(self._token) / "supervisor.sock")

    def _processes(self) -> dict[psutil.Process, str]:
        return find_processes(self._token) if self._token else {}

    def _log_of(self, service: str) -> Path:
        return self.settings.state_dir / "logs" / f"{service}.log"

    def _statuses(self, group: Iterable[Service]) -> list[Status]:
        states = self._supervisor.states()
        statuses = []
        for service in group:
            status = states[service.name]
            if status.state == "running":
                problem = service_problem(service, settings=self.settings, pid=status.pid)
                status = replace(status, problem=problem)
            statuses.append(status)
        return statuses

    # -- stopping

    def _stop_services(self, names: Collection[str]) -> None:
        """Stop services at the same time."""
        for name in names:
            self._supervisor.request("stopProcess", name)
        self._wait_until(lambda states: not any(states[name].pid for name in names))

    def _wait_until(self, is_reached: Callable[[Mapping[str, Status]], bool]) -> None:
        """Poll until services have stopped; supervisord kills those that take too long."""
        deadline_s = time.monotonic() + WORKER_STOP_S + END_S
        while not is_reached(self._supervisor.states()) and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)

    def _end_leftovers(self) -> None:
        """End the processes left by a crash or a killed supervisord: workers first, broker last."""
        found = self._processes()
        if found:
            self.notify(f"ending {len(found)} processes of an earlier stack")
            # supervisord first, since it would start the services again
            kill_after((process for process, name in found.items() if not name), timeout_s=0)
            workers = [process for process, name in found.items() if name.startswith("worker-")]
            end_processes(workers, timeout_s=LEFTOVER_END_S)
            end_processes(found.keys() - workers, timeout_s=LEFTOVER_END_S)
        if self._token:
            shutil.rmtree(socket_folder(self._token), ignore_errors=True)
