"""The Docker stack: the same services as containers, by way of ``docker compose``."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from lab.stack.health import LOG_TAIL_LINES, Status, failure, redis_trouble
from lab.stack.ports import check_ports
from lab.stack.services import (
    CALIBRATE,
    LOOPBACK,
    Layout,
    Service,
    broker_password,
    check_room,
    is_broker_ours,
    place_of,
    services,
)
from lab.stack.state import DOCKER, Memory, forget, remember
from poolbench.errors import StackError, StorageError
from poolbench.settings import VARIABLES, Settings

#: Folder of the broker's data below the layout's; the image's version stands in its name.
REDIS_DATA = "docker-redis-8"

#: The workers' own folder under the state folder: files of jobs, lines that found no broker.
CONTAINER_STATE = "containers"

#: Stand for secrets in commands that only ask or remove.
_UNUSED = {"POOLBENCH_REDIS_PASSWORD": "unused", "FLOWER_BASIC_AUTH": "unused"}

_STATE_WORDS = {
    "running": "running",
    "created": "starting",
    "restarting": "starting",
    "exited": "stopped",
    "dead": "failed",
}

Tell = Callable[[str], None]


class DockerStack:
    """The services of one checkout as containers."""

    def __init__(
        self,
        layout: Layout,
        *,
        settings: Settings,
        environment: Mapping[str, str],
        project: str,
        tell: Tell,
    ) -> None:
        """Take the settings, the environment that compose reads beside ``.env``, and its name."""
        self._layout = layout
        self._settings = settings
        self._project = project
        self._tell = tell
        self._is_broker_ours = is_broker_ours(settings)
        self._environment = dict(environment)
        if not self._is_broker_ours:
            self._environment["POOLBENCH_REDIS_URL"] = settings.redis_url
        self.services = tuple(
            service
            for service in services(place_of(settings))
            if service.name != "redis" or self._is_broker_ours
        )

    def is_up(self) -> bool:
        """Return whether any container of the stack exists."""
        return bool(self._container_ids())

    def up(self, *, started_with: Mapping[str, str]) -> bool:
        """Start what is down and return when all is healthy; say whether it was up before.

        Raises:
            StackError: if something can't be started; a stack that was down is down again.
        """
        was_up = self.is_up()
        self._make_folders()
        if not was_up:
            self._check()
        memory = Memory(kind=DOCKER, token="", settings=started_with)
        remember(self._layout.state_dir, memory=memory)
        try:
            self._start_containers()
        except BaseException:
            if not was_up:
                self._tell("stopping what was started")
                self.down()
            raise
        return was_up

    def calibrate(self) -> None:
        """Leave in the broker what a unit of work costs in a worker's container.

        Raises:
            StackError: if that can't be done.
        """
        worker = next(service.name for service in self.services if service.contender)
        words = ("exec", "--no-TTY", worker, "python", "-m", *CALIBRATE)
        self._compose(*words, what="the work could not be calibrated")

    def down(self) -> None:
        """Remove containers and network; keep results and the server's data."""
        self._compose("down", "--remove-orphans", what="the containers could not be removed")
        forget(self._layout.state_dir)

    def statuses(self) -> list[Status]:
        """Return how each service is."""
        found = {c["Config"]["Labels"]["com.docker.compose.service"]: c for c in self._inspect()}
        return [
            self._status(service, container=found.get(service.name)) for service in self.services
        ]

    def follow_logs(self, names: Sequence[str], *, lines: int, is_following: bool) -> Iterator[str]:
        """Yield log lines as compose prints them, ``<service>-1  | <line>``."""
        options = ["--no-color", f"--tail={lines}", *(["--follow"] if is_following else [])]
        command = self._command("logs", *options, *names)
        with subprocess.Popen(
            command,
            env=self._environment_for("logs"),
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process:
            try:
                assert process.stdout is not None
                yield from (line.rstrip("\n") for line in process.stdout)
            finally:
                process.terminate()

    # -- starting

    def _check(self) -> None:
        """Find out what can't work before anything starts."""
        check_room(self._layout)
        if self._is_broker_ours:
            broker_password(self._settings)
        else:
            host = self._settings.redis_address.rpartition(":")[0]
            if host in LOOPBACK:
                raise StackError(
                    f"the broker is set to {host}, which is each container itself there; "
                    "name an address that containers reach, or use STACK=local"
                )
            trouble = redis_trouble(self._settings)
            if trouble:
                raise StackError(f"the broker named by the settings can't be used: {trouble}")
            self._tell(f"broker: {self._settings.redis_address}, as set; none is started here")
        check_ports(self.services)

    def _make_folders(self) -> None:
        """Make the folders that containers write to, since the engine would make them root's."""
        try:
            state = self._layout.state_dir / CONTAINER_STATE
            for folder in (self._layout.data / REDIS_DATA, state, self._layout.results_dir):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"can't make {error.filename}: {error.strerror}") from error

    def _start_containers(self) -> None:
        images = {
            "upstream": (self._settings.image, VARIABLES["POOLBENCH_IMAGE"]),
            "collector": (self._settings.collector_image, VARIABLES["POOLBENCH_COLLECTOR_IMAGE"]),
        }
        built = [name for name, (image, known) in images.items() if image == known.default]
        if built:
            self._tell("building the images; the first time takes minutes")
            self._compose("build", "--quiet", *built, what="the images could not be built")
        self._tell("starting containers, and waiting until they are healthy")
        options = ["--wait", "--no-build", "--remove-orphans"]
        names = [service.name for service in self.services]
        if not self._is_broker_ours:
            options.append("--no-deps")
        try:
            self._compose("up", *options, *names, what="the containers could not be started")
        except StackError as error:
            # compose names the container that it gives up: "container poolbench-1a2b-flower-1 …"
            named = [status for status in self.statuses() if f"-{status.name}-" in str(error)]
            if not named:
                raise
            options = [f"--tail={LOG_TAIL_LINES}", "--no-color", "--no-log-prefix", named[0].name]
            log = self._compose("logs", *options, what="its log can't be read")
            raise StackError(failure(named[0], log=log, where="its log")) from error

    # -- asking

    def _status(self, service: Service, *, container: Mapping[str, Any] | None) -> Status:
        address = f"127.0.0.1:{service.port}" if service.port else ""
        if container is None:
            return Status(name=service.name, state="stopped", address=address)
        state = container["State"]
        word = _STATE_WORDS.get(state["Status"], state["Status"])
        is_running = word == "running"
        return Status(
            name=service.name,
            state=word,
            pid=state["Pid"] or None,
            uptime_s=_seconds_since(state["StartedAt"]) if is_running else None,
            trouble=_health(state) if is_running else _ending(state),
            address=address,
        )

    def _inspect(self) -> list[dict[str, Any]]:
        ids = self._container_ids()
        if not ids:
            return []
        done = self._run(["docker", "inspect", *ids])
        # one that went away meanwhile makes it fail, and the others are told all the same
        found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
        return found

    def _container_ids(self) -> list[str]:
        of_ours = f"label=com.docker.compose.project={self._project}"
        done = self._run(["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", of_ours])
        if done.returncode != 0:
            raise StackError(f"the containers can't be listed: {_last_line(done)}")
        return done.stdout.split()

    def _compose(self, *words: str, what: str) -> str:
        """Run a compose command; return what it prints.

        Raises:
            StackError: if it fails: ``what``, and the last line it wrote.
        """
        done = self._run(self._command(*words), environment=self._environment_for(words[0]))
        if done.returncode != 0:
            raise StackError(f"{what}: {_last_line(done)}")
        return done.stdout

    def _command(self, *words: str) -> list[str]:
        root = self._layout.root
        file = str(Path(root) / "docker-compose.yml")
        named = ["--project-name", self._project, "--project-directory", str(root), "--file", file]
        return ["docker", "compose", *named, *words]

    def _environment_for(self, word: str) -> dict[str, str]:
        """Return a compose command's environment.

        Compose refuses its file without the secrets, also where they don't matter: one who
        removed ``.env`` must be able to take the stack down.
        """
        return self._environment if word in {"up", "build"} else {**self._environment, **_UNUSED}

    def _run(
        self, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=dict(environment or self._environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )


def _seconds_since(moment: str) -> float:
    """Return how long ago a moment was that Docker writes with nanoseconds, in UTC."""
    return max(0.0, time.time() - datetime.fromisoformat(f"{moment[:19]}+00:00").timestamp())


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return said[-1] if said else f"exit code {done.returncode}"


def _health(state: Mapping[str, Any]) -> str:
    """Return what is wrong with a running container by its health check; empty if healthy."""
    word = state["Health"]["Status"]
    return "" if word == "healthy" else f"health check: {word}"


def _ending(state: Mapping[str, Any]) -> str:
    if state.get("Error"):
        return str(state["Error"])
    return f"exit code {state['ExitCode']}" if state["Status"] in {"exited", "restarting"} else ""
