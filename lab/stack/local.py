"""The local stack: the services as processes under supervisord, with a server of our own."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from lab.stack.health import (
    Status,
    failure,
    redis_trouble,
    service_trouble,
    wait_until_healthy,
)
from lab.stack.ports import check_ports
from lab.stack.processes import (
    TOKEN_VARIABLE,
    OurProcess,
    end_processes,
    find_processes,
    heads,
    kill_after,
)
from lab.stack.services import (
    CALIBRATE,
    CALIBRATION_TIMEOUT_S,
    WORKER_STOP_S,
    Layout,
    Service,
    broker_password,
    check_room,
    is_broker_ours,
    place_of,
    services,
)
from lab.stack.state import LOCAL, Memory, forget, recall, remember
from lab.stack.supervisor import (
    ProgramState,
    Supervisor,
    configuration,
    make_runtime_folder,
    runtime_folder,
)
from lab.system.redis_server import find_server
from poolbench.errors import StackError, StorageError
from poolbench.settings import Settings

#: How long all services together may take until they are healthy, seconds.
START_TIMEOUT_S = 60.0
#: How long a worker's recorder may take to hand on its last lines, seconds.
DRAIN_S = 30.0
#: How long supervisord and what is left over may take to end, seconds.
END_S = 10.0
_POLL_S = 0.1

_STATE_WORDS = {
    "RUNNING": "running",
    "STARTING": "running",  # supervisord's patience, not the service's: health says more
    "BACKOFF": "starting",
    "STOPPING": "stopping",
    "STOPPED": "stopped",
    "EXITED": "starting",
    "FATAL": "failed",
}

Tell = Callable[[str], None]


class LocalStack:
    """The services of one checkout as local processes."""

    def __init__(
        self,
        layout: Layout,
        *,
        settings: Settings,
        environment: Mapping[str, str],
        tell: Tell,
    ) -> None:
        """Take the settings, and the environment that the services are to have with them."""
        self._layout = layout
        self._settings = settings
        self._environment = environment
        self._tell = tell
        self._runtime = runtime_folder(layout, environ=environment)
        self._supervisor = Supervisor(self._runtime / "supervisor.sock")
        self._is_broker_ours = is_broker_ours(settings)
        self.services = tuple(
            service
            for service in services(place_of(settings))
            if service.name != "redis" or self._is_broker_ours
        )

    def is_up(self) -> bool:
        """Return whether our supervisord runs and answers."""
        memory = recall(self._layout.state_dir)
        if memory is None or memory.kind != LOCAL:
            return False
        is_alive = any(not ours.service for ours in find_processes(memory.token))
        if is_alive:
            with contextlib.suppress(StackError):
                self._supervisor.pid()
                return True
        return False

    def up(self, *, started_with: Mapping[str, str]) -> bool:
        """Start what is down and return when all is healthy; say whether it was up before.

        Raises:
            StackError: if something can't be started; then nothing of it is left.
        """
        was_up = self.is_up()
        if was_up:
            self._start_services()
            return True
        self._end_leftovers()
        self._check()
        try:
            self._start_supervisor(started_with)
            self._start_services()
        except BaseException:
            self._tell("stopping what was started")
            self.down()
            raise
        return False

    def calibrate(self) -> None:
        """Leave in the broker what a unit of work costs here.

        Raises:
            StackError: if that can't be done.
        """
        done = subprocess.run(
            [sys.executable, "-m", *CALIBRATE],
            cwd=self._layout.root,
            env=dict(self._environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CALIBRATION_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise StackError(said[-1])

    def down(self) -> None:
        """Stop everything; keep results, logs and the server's data. Does no harm when down."""
        if self.is_up():
            workers = [service for service in self.services if service.contender]
            front = [*workers, *(s for s in self.services if s.name == "flower")]
            self._stop_services(front)
            self._drain(front)
            broker = [service for service in self.services if service.name == "redis"]
            self._stop_services([s for s in self.services if s not in front and s not in broker])
            self._stop_services(broker)
            self._end_supervisor()
        self._end_leftovers()
        forget(self._layout.state_dir)

    def statuses(self) -> list[Status]:
        """Return how each service is."""
        if self.is_up():
            return self._ask(self.services)
        return [self._status(service, state=None) for service in self.services]

    def log_of(self, service: str) -> Path:
        """Return the file of a service's log."""
        return self._layout.logs / f"{service}.log"

    # -- starting

    def _check(self) -> None:
        """Find out what can't work before anything starts."""
        check_room(self._layout)
        if self._is_broker_ours:
            broker_password(self._settings)
            binary = find_server()
            self._tell(f"broker: {binary.origin}")
        else:
            trouble = redis_trouble(self._settings)
            if trouble:
                raise StackError(f"the broker named by the settings can't be used: {trouble}")
            self._tell(f"broker: {self._settings.redis_address}, as set; none is started here")
        check_ports(self.services)

    def _start_supervisor(self, started_with: Mapping[str, str]) -> None:
        layout = self._layout
        token = secrets.token_hex(16)
        make_runtime_folder(self._runtime)
        config = layout.state_dir / "supervisord.conf"
        try:
            for folder in (layout.logs, layout.data, layout.results_dir):
                folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(layout.heartbeats, ignore_errors=True)
            layout.heartbeats.mkdir()
            config.write_text(configuration(self.services), encoding="utf-8")
        except OSError as error:
            raise StorageError(f"can't write {error.filename}: {error.strerror}") from error
        # remembered first: whatever comes between, the token finds what was started
        memory = Memory(kind=LOCAL, token=token, settings=started_with)
        remember(layout.state_dir, memory=memory)
        self._supervisor.start(config=config, environment=self._daemon_environment(token))

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
        """Start what doesn't run: the broker first, the rest side by side."""
        self._wait_until(lambda states: all(s.word != "STOPPING" for s in states.values()))
        states = self._supervisor.states()
        for group in (self.services[:1], self.services[1:]):
            missing = [service.name for service in group if not states[service.name].is_wanted]
            for name in missing:
                self._supervisor.start_service(name)
            if missing:
                self._tell(f"starting {', '.join(missing)}")
            self._wait_until_healthy(group)

    def _wait_until_healthy(self, group: Sequence[Service]) -> None:
        failed = wait_until_healthy(lambda: self._ask(group), within_s=START_TIMEOUT_S)
        if failed is not None:
            log = self.log_of(failed.name)
            text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            raise StackError(failure(failed, log=text, where=str(log)))

    def _ask(self, group: Iterable[Service]) -> list[Status]:
        states = self._supervisor.states()
        return [self._status(service, state=states[service.name]) for service in group]

    def _status(self, service: Service, *, state: ProgramState | None) -> Status:
        address = f"127.0.0.1:{service.port}" if service.port else ""
        if state is None:
            return Status(name=service.name, state="stopped", address=address)
        word = _STATE_WORDS.get(state.word, state.word.lower())
        trouble = state.reason
        if word == "running":
            trouble = service_trouble(
                service,
                settings=self._settings,
                pid=state.pid,
                heartbeat=self._layout.heartbeats / service.name,
            )
        return Status(
            name=service.name,
            state=word,
            pid=state.pid or None,
            uptime_s=state.uptime_s if state.pid else None,
            trouble=trouble,
            address=address,
        )

    # -- stopping

    def _stop_services(self, group: Iterable[Service]) -> None:
        """Stop services side by side."""
        stopped = list(group)
        for service in stopped:
            self._supervisor.stop_service(service.name)
        self._wait_until(lambda states: not any(states[service.name].pid for service in stopped))

    def _wait_until(self, is_reached: Callable[[Mapping[str, ProgramState]], bool]) -> None:
        """Poll until services have stopped; supervisord kills those that take too long."""
        deadline_s = time.monotonic() + WORKER_STOP_S + END_S
        while not is_reached(self._supervisor.states()) and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)

    def _drain(self, group: Iterable[Service]) -> None:
        """Wait for the recorders of stopped workers: they hand on what the workers did last."""
        names = {service.name for service in group}
        left = [ours.process for ours in self._find() if ours.service in names]
        if kill_after(left, patience_s=DRAIN_S):
            self._tell("a recorder did not finish in time and was ended; records may be missing")

    def _end_supervisor(self) -> None:
        daemon = [ours.process for ours in self._find() if not ours.service]
        with contextlib.suppress(StackError):
            self._supervisor.shut_down()
        kill_after(daemon, patience_s=END_S)

    def _end_leftovers(self) -> None:
        """End what a killed supervisord or a crash has left: workers first, the broker last."""
        found = self._find()
        if found:
            self._tell(f"ending {len(found)} processes that an earlier stack left behind")
            # a supervisord that doesn't answer would start again what ends
            kill_after((ours.process for ours in found if not ours.service), patience_s=0)
            front = [ours for ours in found if ours.service.startswith("worker-")]
            rest = [ours for ours in found if ours.service and ours not in front]
            for group in (front, rest):
                end_processes(heads(group), patience_s=END_S)
                kill_after([ours.process for ours in group], patience_s=END_S)
        shutil.rmtree(self._runtime, ignore_errors=True)

    def _find(self) -> list[OurProcess]:
        memory = recall(self._layout.state_dir)
        return find_processes(memory.token) if memory and memory.token else []
