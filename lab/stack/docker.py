"""The Docker stack: the services as containers, controlled by ``docker compose``."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from collector.files import make_folder
from lab.stack.health import LOG_TAIL_LINES, Status, failure
from lab.stack.preflight import check_start
from lab.stack.services import (
    CALIBRATE,
    Layout,
    Notify,
    Service,
    names_local_broker,
    stack_services,
    starts_broker,
)
from lab.stack.state import DOCKER, StackState, delete_state, save_state
from lab.system.commands import last_line, run_command
from poolbench.errors import StackError
from poolbench.settings import VARIABLES, Settings

#: Folder of the broker's data below the layout's; its name has the image's version.
REDIS_DATA = "docker-redis-8"

#: The workers' folder below the state folder: files of jobs, undelivered lines.
CONTAINER_STATE = "containers"

#: Secrets of commands that don't need them: compose refuses its file without, and `down` must work
#: after `.env` was removed.
_PLACEHOLDERS = {"POOLBENCH_REDIS_PASSWORD": "unused", "FLOWER_BASIC_AUTH": "unused"}

#: Compose's prefix of a log line: service, number of the container, bar. The first one follows a
#: code that clears a terminal's line, whatever --ansi says.
_LOG_PREFIX = re.compile(r"^(?:\x1b\[\dK)?(?P<name>[a-z-]+?)(?:-\d+)?\s+\| ?(?P<line>.*)$")

_STATES = {"created": "starting", "restarting": "starting", "exited": "stopped", "dead": "failed"}


class DockerStack:
    """The services of one checkout as containers."""

    #: What `up` prints that the services run on.
    title = "Docker"

    def __init__(
        self,
        layout: Layout,
        *,
        settings: Settings,
        environment: Mapping[str, str],
        project: str,
        notify: Notify,
    ) -> None:
        """Set the stack up; compose reads ``environment`` beside ``.env``."""
        self._layout = layout
        self._settings = settings
        self._project = project
        self._notify = notify
        self._environment = dict(environment)
        if not starts_broker(settings):
            self._environment["POOLBENCH_REDIS_URL"] = settings.redis_url
        self.services = stack_services(settings)

    def is_up(self) -> bool:
        """Return whether any container of the stack exists."""
        return bool(self._container_ids())

    def up(self, *, started_with: Mapping[str, str]) -> bool:
        """Start what is down, wait until all is healthy, and return whether the stack was up.

        Args:
            started_with: settings to save, without secrets.

        Raises:
            StackError: if something can't be started; a stack that was down is down again.
        """
        was_up = self.is_up()
        # created here, since the engine would create them as root
        make_folder(self._layout.data / REDIS_DATA)
        make_folder(self._layout.state_dir / CONTAINER_STATE)
        make_folder(self._layout.results_dir)
        if not was_up:
            self._check_start()
        state = StackState(kind=DOCKER, token="", settings=started_with)
        save_state(self._layout.state_dir, state=state)
        try:
            self._build()
            self._start_containers()
        except BaseException:
            if not was_up:
                self._notify("stopping what was started")
                self.down()
            raise
        return was_up

    def calibrate(self) -> None:
        """Measure what a unit of work costs in a worker's container, and store it in the broker.

        Raises:
            StackError: if that fails.
        """
        worker = next(service.name for service in self.services if service.contender)
        words = ("exec", "--no-TTY", worker, "python", "-m", *CALIBRATE)
        self._compose(*words, error="the calibration failed")

    def down(self) -> None:
        """Remove containers and network; keep results and the broker's data."""
        self._compose("down", "--remove-orphans", error="the containers could not be removed")
        delete_state(self._layout.state_dir)

    def statuses(self) -> list[Status]:
        """Return each service's status."""
        found = {c["Config"]["Labels"]["com.docker.compose.service"]: c for c in self._inspect()}
        return [_status(service, container=found.get(service.name)) for service in self.services]

    def read_logs(
        self, names: Sequence[str], *, lines: int, is_following: bool
    ) -> Iterator[tuple[str, str]]:
        """Yield service and line: the last lines of each log, then the lines that are added."""
        options = ["--no-color", f"--tail={lines}", *(["--follow"] if is_following else [])]
        with subprocess.Popen(
            self._command("logs", *options, *names),
            env=self._environment | _PLACEHOLDERS,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process:
            try:
                for printed in process.stdout or ():
                    yield split_log_line(printed.rstrip("\n"))
            finally:
                process.terminate()

    # -- starting

    def _check_start(self) -> None:
        if names_local_broker(self._settings):
            raise StackError(
                f"containers can't reach the broker at {self._settings.redis_address}; "
                "set another address, or use STACK=local"
            )
        check_start(self._layout, settings=self._settings, notify=self._notify)

    def _build(self) -> None:
        """Build the images, except those that the settings name."""
        images = {
            "upstream": (self._settings.image, VARIABLES["POOLBENCH_IMAGE"]),
            "collector": (self._settings.collector_image, VARIABLES["POOLBENCH_COLLECTOR_IMAGE"]),
        }
        built = [name for name, (image, known) in images.items() if image == known.default]
        if built:
            self._notify("building the images; the first time takes minutes")
            self._compose("build", "--quiet", *built, error="the images could not be built")

    def _start_containers(self) -> None:
        self._notify("starting containers, and waiting until they are healthy")
        options = ["--wait", "--no-build", "--remove-orphans"]
        if not starts_broker(self._settings):
            options.append("--no-deps")
        names = [service.name for service in self.services]
        try:
            self._compose("up", *options, *names, error="the containers could not be started")
        except StackError as error:
            # compose names the container that it gives up: "container poolbench-1a2b-flower-1 …"
            named = [status for status in self.statuses() if f"-{status.name}-" in str(error)]
            if not named:
                raise
            options = [f"--tail={LOG_TAIL_LINES}", "--no-color", "--no-log-prefix", named[0].name]
            log = self._compose("logs", *options, error="its log can't be read")
            raise StackError(failure(named[0], log=log, where="its log")) from error

    # -- asking

    def _inspect(self) -> list[dict[str, Any]]:
        ids = self._container_ids()
        if not ids:
            return []
        # fails if a container was removed meanwhile, but prints the others
        done = run_command(["docker", "inspect", *ids], environment=self._environment)
        found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
        return found

    def _container_ids(self) -> list[str]:
        options = ("--all", "--quiet")
        return self._compose("ps", *options, error="the containers can't be listed").split()

    def _compose(self, *words: str, error: str) -> str:
        """Run a compose command; return what it prints.

        Raises:
            StackError: if it fails: ``error``, and the last line it printed.
        """
        needs_secrets = words[0] in {"up", "build"}
        environment = self._environment | ({} if needs_secrets else _PLACEHOLDERS)
        done = run_command(self._command(*words), environment=environment)
        if done.returncode != 0:
            raise StackError(f"{error}: {last_line(done)}")
        return done.stdout

    def _command(self, *words: str) -> list[str]:
        root = str(self._layout.root)
        file = str(self._layout.root / "docker-compose.yml")
        options = ["--project-name", self._project, "--project-directory", root, "--file", file]
        return ["docker", "compose", *options, *words]


def split_log_line(printed: str) -> tuple[str, str]:
    """Return service and text of a line of ``docker compose logs``."""
    found = _LOG_PREFIX.match(printed)
    return (found["name"], found["line"]) if found else ("", printed)


def _status(service: Service, *, container: Mapping[str, Any] | None) -> Status:
    if container is None:
        return Status(name=service.name, state="stopped", address=service.address)
    state = container["State"]
    is_running = state["Status"] == "running"
    return Status(
        name=service.name,
        state=_STATES.get(state["Status"], state["Status"]),
        pid=state["Pid"] or None,
        uptime_s=_seconds_since(state["StartedAt"]) if is_running else None,
        problem=_problem(state),
        address=service.address,
    )


def _problem(state: Mapping[str, Any]) -> str:
    """Return why a container isn't healthy; empty if it is, or if its state says why."""
    if state["Status"] == "running":
        health = state["Health"]["Status"]
        return "" if health == "healthy" else f"health check: {health}"
    if state.get("Error"):
        return str(state["Error"])
    return f"exit code {state['ExitCode']}" if state["Status"] in {"exited", "restarting"} else ""


def _seconds_since(moment: str) -> float:
    """Return the time since a moment that Docker prints, with nanoseconds, in UTC."""
    return max(0.0, time.time() - datetime.fromisoformat(f"{moment[:19]}+00:00").timestamp())
