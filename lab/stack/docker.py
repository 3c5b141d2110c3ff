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
from lab.stack.services import CALIBRATE, names_local_broker, starts_broker
from lab.stack.stack import Stack
from lab.stack.state import DOCKER, StackState, delete_state, save_state
from lab.system.commands import last_line, run_command
from poolbench.errors import StackError
from poolbench.settings import VARIABLES

#: Folder of the broker's data below that of all data; its name has the image's version.
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


class DockerStack(Stack):
    """The services of one checkout as containers."""

    title = "Docker"

    def is_up(self) -> bool:
        """Return whether any container of the stack exists."""
        return bool(self._container_ids())

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
        delete_state(self.settings.state_dir)

    def statuses(self) -> list[Status]:
        """Return each service's status."""
        # fails if a container was removed meanwhile, or there is none, but prints the others
        command = ["docker", "inspect", *self._container_ids()]
        printed = run_command(command, environment=self.environment).stdout or "[]"
        found = {
            container["Config"]["Labels"]["com.docker.compose.service"]: container
            for container in json.loads(printed)
        }
        return [_status(one.name, container=found.get(one.name)) for one in self.services]

    def read_logs(
        self, names: Sequence[str], *, lines: int, is_following: bool
    ) -> Iterator[tuple[str, str]]:
        """Yield service and line: the last lines of each log, then the lines that are added."""
        options = ["--no-color", f"--tail={lines}", *(["--follow"] if is_following else [])]
        with subprocess.Popen(
            self._command("logs", *options, *names),
            env={**self.environment, **_PLACEHOLDERS},
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

    def _prepare(self) -> None:
        if names_local_broker(self.settings):
            raise StackError(
                f"containers can't reach the broker at {self.settings.redis_address}. "
                "Set another address, or use STACK=local."
            )

    def _start(self, started_with: Mapping[str, str]) -> None:
        state_dir = self.settings.state_dir
        # created here, since the engine would create them as root
        make_folder(state_dir / "data" / REDIS_DATA)
        make_folder(state_dir / CONTAINER_STATE)
        make_folder(self.settings.results_dir)
        state = StackState(kind=DOCKER, token="", settings=started_with)
        save_state(state_dir, state=state)
        self._build()
        self._start_containers()

    def _build(self) -> None:
        """Build the images, except those that the settings name."""
        images = {
            "upstream": (self.settings.image, VARIABLES["POOLBENCH_IMAGE"]),
            "collector": (self.settings.collector_image, VARIABLES["POOLBENCH_COLLECTOR_IMAGE"]),
        }
        built = [name for name, (image, known) in images.items() if image == known.default]
        if built:
            self.notify("building the images; the first time takes minutes")
            self._compose("build", "--quiet", *built, error="the images could not be built")

    def _start_containers(self) -> None:
        self.notify("starting containers, and waiting until they are healthy")
        options = ["--wait", "--no-build", "--remove-orphans"]
        if not starts_broker(self.settings):
            options.append("--no-deps")
        names = [service.name for service in self.services]
        try:
            self._compose("up", *options, *names, error="the containers could not be started")
        except StackError as error:
            # compose prints the container that failed: "container poolbench-1a2b-flower-1 …"
            named = [status for status in self.statuses() if f"-{status.name}-" in str(error)]
            if not named:
                raise
            options = [f"--tail={LOG_TAIL_LINES}", "--no-color", "--no-log-prefix", named[0].name]
            log = self._compose("logs", *options, error="its log can't be read")
            raise StackError(failure(named[0], log=log, where="its log")) from error

    # -- querying

    def _container_ids(self) -> list[str]:
        options = ("--all", "--quiet")
        return self._compose("ps", *options, error="the containers can't be listed").split()

    def _compose(self, *words: str, error: str) -> str:
        """Run a compose command; return what it prints.

        Raises:
            StackError: if it fails: ``error``, and the last line it printed.
        """
        needs_secrets = words[0] in {"up", "build"}
        environment = {**self.environment, **({} if needs_secrets else _PLACEHOLDERS)}
        done = run_command(self._command(*words), environment=environment)
        if done.returncode != 0:
            raise StackError(f"{error}: {last_line(done)}")
        return done.stdout

    def _command(self, *words: str) -> list[str]:
        file = str(self.root / "docker-compose.yml")
        return ["docker", "compose", "--file", file, *words]


def split_log_line(printed: str) -> tuple[str, str]:
    """Return service and text of a line of ``docker compose logs``."""
    found = _LOG_PREFIX.match(printed)
    return (found["name"], found["line"]) if found else ("", printed)


def _status(name: str, *, container: Mapping[str, Any] | None) -> Status:
    if container is None:
        return Status(name=name, state="stopped")
    state = container["State"]
    uptime_s = None
    if state["Status"] == "running":
        # the engine's clock may be another one, as in a virtual machine
        uptime_s = max(0.0, time.time() - datetime.fromisoformat(state["StartedAt"]).timestamp())
    return Status(
        name=name,
        state=_STATES.get(state["Status"], state["Status"]),
        pid=state["Pid"] or None,
        uptime_s=uptime_s,
        problem=_problem(state),
    )


def _problem(state: Mapping[str, Any]) -> str:
    """Return why a container isn't healthy; empty if it is, or if its state is the reason."""
    if state["Status"] == "running":
        health = state["Health"]["Status"]
        return "" if health == "healthy" else f"health check: {health}"
    if state.get("Error"):
        return str(state["Error"])
    return f"exit code {state['ExitCode']}" if state["Status"] in {"exited", "restarting"} else ""
