"""The local stack: the services as processes under supervisord, with a broker of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from collector.files import make_folder, storage_errors
from lab.stack.health import Status, failure, service_problem, wait_until_healthy
from lab.stack.logs import read_logs
from lab.stack.preflight import check_start
from lab.stack.processes import (
    TOKEN_VARIABLE,
    StackProcess,
    end_processes,
    find_processes,
    kill_after,
)
from lab.stack.services import (
    CALIBRATE,
    WORKER_STOP_S,
    Layout,
    Notify,
    Service,
    stack_services,
    starts_broker,
)
from lab.stack.state import LOCAL, StackState, delete_state, load_state, save_state
from lab.stack.supervisor import ProgramState, Supervisor, configuration, socket_folder
from lab.system.commands import last_line, run_command
from lab.system.redis_server import find_server
from poolbench.errors import StackError
from poolbench.settings import Settings

#: How long all services together may take until they are healthy, seconds.
START_TIMEOUT_S = 60.0
#: How long the calibration may take, seconds; it ends within two.
CALIBRATION_TIMEOUT_S = 60.0
#: How long a worker's recorder may take to send its last lines, seconds.
DRAIN_S = 30.0
#: How long supervisord may take to end, seconds.
END_S = 10.0
#: How long leftover processes may take to end, of which recorders wait for their worker, seconds.
LEFTOVER_END_S = 20.0
_POLL_S = 0.1

#: States that aren't supervisord's own in lower case.
_STATES = {
    "STARTING": "running",  # supervisord waits for a fixed time; the health check is more precise
    "BACKOFF": "starting",
    "EXITED": "starting",
    "FATAL": "failed",
}


class LocalStack:
    """The services of one checkout as local processes."""

    #: What `up` prints that the services run on.
    title = "local processes"

    def __init__(
        self,
        layout: Layout,
        *,
        settings: Settings,
        environment: Mapping[str, str],
        notify: Notify,
    ) -> None:
        """Set the stack up; ``environment`` is that of the services."""
        self._layout = layout
        self._settings = settings
        self._environment = environment
        self._notify = notify
        self.services = stack_services(settings)

    def is_up(self) -> bool:
        """Return whether the stack's supervisord runs and answers."""
        if any(not found.service for found in self._processes()):
            with contextlib.suppress(StackError):
                self._supervisor.pid()
                return True
        return False

    def up(self, *, started_with: Mapping[str, str]) -> bool:
        """Start what is down, wait until all is healthy, and return whether the stack was up.

        Args:
            started_with: settings to save, without secrets.

        Raises:
            StackError: if something can't be started; then nothing of it is left.
        """
        if self.is_up():
            self._start_services()
            return True
        self._end_leftovers()
        if starts_broker(self._settings):
            self._notify(f"broker: {find_server().origin}")
        check_start(self._layout, settings=self._settings, notify=self._notify)
        try:
            self._start_supervisor(started_with)
            self._start_services()
        except BaseException:
            self._notify("stopping what was started")
            self.down()
            raise
        return False

    def calibrate(self) -> None:
        """Measure what a unit of work costs here, and store it in the broker.

        Raises:
            StackError: if that fails.
        """
        done = run_command(
            [sys.executable, "-m", *CALIBRATE],
            environment=self._environment,
            folder=self._layout.root,
            timeout_s=CALIBRATION_TIMEOUT_S,
        )
        if done.returncode:
            raise StackError(last_line(done))

    def down(self) -> None:
        """Stop everything; keep results, logs and the broker's data. Does nothing when down."""
        if self.is_up():
            workers = [service for service in self.services if service.contender]
            broker = [service for service in self.services if service.name == "redis"]
            self._stop_services(workers)
            self._wait_for_recorders(workers)
            self._stop_services([s for s in self.services if s not in workers and s not in broker])
            self._stop_services(broker)
            self._end_supervisor()
        self._end_leftovers()
        delete_state(self._layout.state_dir)

    def statuses(self) -> list[Status]:
        """Return each service's status."""
        if self.is_up():
            return self._statuses(self.services)
        return [self._status(service, program=None) for service in self.services]

    def read_logs(
        self, names: Sequence[str], *, lines: int, is_following: bool
    ) -> Iterator[tuple[str, str]]:
        """Yield service and line: the last lines of each log, then the lines that are added."""
        paths = {name: self._log_of(name) for name in names}
        return read_logs(paths, count=lines, is_following=is_following)

    # -- starting

    def _start_supervisor(self, started_with: Mapping[str, str]) -> None:
        layout = self._layout
        state = StackState(kind=LOCAL, token=secrets.token_hex(16), settings=started_with)
        config = layout.state_dir / "supervisord.conf"
        make_folder(layout.logs)
        make_folder(layout.data)
        with storage_errors(layout.state_dir):
            shutil.rmtree(layout.heartbeats, ignore_errors=True)
            layout.heartbeats.mkdir()
            config.write_text(configuration(self.services), encoding="utf-8")
        # saved first: whatever fails after this, the token finds what was started
        save_state(layout.state_dir, state=state)
        folder = socket_folder(state.token)
        with storage_errors(folder):
            folder.mkdir(mode=0o700)
        self._supervisor.start(config=config, environment=self._daemon_environment(state.token))

    def _daemon_environment(self, token: str) -> dict[str, str]:
        paths = (str(self._layout.root), self._environment.get("PYTHONPATH", ""))
        return {
            **self._environment,
            TOKEN_VARIABLE: token,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "PYTHONUNBUFFERED": "1",
            "POOLBENCH_ROOT": str(self._layout.root),
            "POOLBENCH_PYTHON": sys.executable,
            "POOLBENCH_SOCKET": str(self._supervisor.socket_path),
            "POOLBENCH_STATE_DIR": str(self._layout.state_dir),
            "POOLBENCH_RESULTS_DIR": str(self._layout.results_dir),
        }

    def _start_services(self) -> None:
        """Start the services that are down: the broker first, then the others at the same time."""
        self._wait_until(lambda programs: all(p.state != "STOPPING" for p in programs.values()))
        programs = self._supervisor.states()
        for group in (self.services[:1], self.services[1:]):
            missing = [service.name for service in group if not programs[service.name].is_started]
            for name in missing:
                self._supervisor.start_service(name)
            if missing:
                self._notify(f"starting {', '.join(missing)}")
            self._wait_until_healthy(group)

    def _wait_until_healthy(self, group: Sequence[Service]) -> None:
        failed = wait_until_healthy(lambda: self._statuses(group), within_s=START_TIMEOUT_S)
        if failed is not None:
            log = self._log_of(failed.name)
            text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            raise StackError(failure(failed, log=text, where=str(log)))

    # -- asking

    @property
    def _token(self) -> str:
        state = load_state(self._layout.state_dir)
        return state.token if state else ""

    @property
    def _supervisor(self) -> Supervisor:
        return Supervisor(socket_folder(self._token) / "supervisor.sock")

    def _processes(self) -> list[StackProcess]:
        return find_processes(self._token) if self._token else []

    def _log_of(self, service: str) -> Path:
        return self._layout.logs / f"{service}.log"

    def _statuses(self, group: Iterable[Service]) -> list[Status]:
        programs = self._supervisor.states()
        return [self._status(service, program=programs[service.name]) for service in group]

    def _status(self, service: Service, *, program: ProgramState | None) -> Status:
        if program is None:
            return Status(name=service.name, state="stopped", address=service.address)
        state = _STATES.get(program.state, program.state.lower())
        problem = program.reason
        if state == "running":
            problem = service_problem(
                service,
                settings=self._settings,
                pid=program.pid,
                heartbeat=self._layout.heartbeats / service.name,
            )
        return Status(
            name=service.name,
            state=state,
            pid=program.pid or None,
            uptime_s=program.uptime_s if program.pid else None,
            problem=problem,
            address=service.address,
        )

    # -- stopping

    def _stop_services(self, group: Sequence[Service]) -> None:
        """Stop services at the same time."""
        for service in group:
            self._supervisor.stop_service(service.name)
        self._wait_until(lambda programs: not any(programs[one.name].pid for one in group))

    def _wait_until(self, is_reached: Callable[[Mapping[str, ProgramState]], bool]) -> None:
        """Poll until services have stopped; supervisord kills those that take too long."""
        deadline_s = time.monotonic() + WORKER_STOP_S + END_S
        while not is_reached(self._supervisor.states()) and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)

    def _wait_for_recorders(self, workers: Iterable[Service]) -> None:
        """Wait for the recorders of stopped workers, which send the workers' last lines."""
        names = {service.name for service in workers}
        recorders = [found.process for found in self._processes() if found.service in names]
        if kill_after(recorders, timeout_s=DRAIN_S):
            self._notify(f"a recorder did not end within {DRAIN_S:.0f} s; records may be missing")

    def _end_supervisor(self) -> None:
        daemon = [found.process for found in self._processes() if not found.service]
        with contextlib.suppress(StackError):
            self._supervisor.shut_down()
        kill_after(daemon, timeout_s=END_S)

    def _end_leftovers(self) -> None:
        """End what a crash or a killed supervisord has left: workers first, the broker last."""
        found = self._processes()
        if found:
            self._notify(f"ending {len(found)} processes of an earlier stack")
            # supervisord first, since it would start the services again
            kill_after((one.process for one in found if not one.service), timeout_s=0)
            workers = [one for one in found if one.service.startswith("worker-")]
            others = [one for one in found if one.service and one not in workers]
            for group in (workers, others):
                end_processes(group, timeout_s=LEFTOVER_END_S)
        if self._token:
            shutil.rmtree(socket_folder(self._token), ignore_errors=True)
