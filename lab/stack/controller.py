"""Decides which stack a command acts on, and with which settings and secrets."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from lab.stack.docker import DockerStack
from lab.stack.docker_engine import Engine, find_engine
from lab.stack.dotenv import complete_dotenv, secret
from lab.stack.local import LocalStack
from lab.stack.services import LOOPBACK, Layout, is_broker_ours
from lab.stack.state import DOCKER, LOCAL, Memory, recall
from poolbench.errors import Fault, StackError, UsageError, nearest
from poolbench.settings import VARIABLES, Settings, load_settings, read_dotenv

#: Variables whose values are secret, or hold a secret.
SECRETS = frozenset(
    {
        "POOLBENCH_REDIS_URL",
        "POOLBENCH_WORKER_REDIS_URL",
        "POOLBENCH_REDIS_PASSWORD",
        "FLOWER_BASIC_AUTH",
    }
)

#: Opens Flower's API to everybody, whatever its login: kept from the services.
_REFUSED = "FLOWER_UNAUTHENTICATED_API"

#: What the stack decides for its services, whatever the caller's environment says.
_DECIDED = {
    "POOLBENCH_UPSTREAM_HOST": "127.0.0.1",
    "POOLBENCH_CONTENDER": "",
    "POOLBENCH_HEARTBEAT_FILE": "",
}

Stack = LocalStack | DockerStack
Tell = Callable[[str], None]


class Desk:
    """One checkout with its environment: where commands find out what to act on."""

    def __init__(self, root: Path, *, environ: Mapping[str, str], tell: Tell) -> None:
        self.root = root
        self._environ = environ
        self._tell = tell
        self.layout = Layout.of(self._load({}), root=root)

    @property
    def memory(self) -> Memory | None:
        """Return what is remembered of the stack that is up."""
        return recall(self.layout.state_dir)

    def settings(self) -> Settings:
        """Return the settings of the stack that is up, or else those that one would start with."""
        memory = self.memory
        return self._load(memory.settings if memory else {})

    def plain_values(self) -> dict[str, str]:
        """Return the value of every setting that a stack would start with, but secrets."""
        values = self._values({})
        return {name: value for name, value in values.items() if name not in SECRETS}

    def stack(self, kind: str, *, started_with: Mapping[str, str] | None = None) -> Stack:
        """Return the stack of that kind, with settings that go before those set here."""
        overlay = started_with or {}
        settings = self._load(overlay)
        if kind == DOCKER:
            return DockerStack(
                self.layout,
                settings=settings,
                environment=self._environ,
                project=self._project(),
                tell=self._tell,
            )
        environment = {**self._environ, **self._values(overlay), **_DECIDED}
        if not is_broker_ours(settings):
            environment["POOLBENCH_REDIS_URL"] = settings.redis_url
        environment.pop(_REFUSED, None)
        return LocalStack(self.layout, settings=settings, environment=environment, tell=self._tell)

    def running(self) -> Stack | None:
        """Return the stack that is remembered, whether or not it still runs.

        Raises:
            StackError: if its containers can't be asked for want of an engine.
        """
        memory = self.memory
        if memory is None:
            return None
        if memory.kind == DOCKER:
            engine = find_engine(self._environ)
            if not engine.is_usable:
                raise StackError(
                    f"the stack was started with Docker, and now {engine.word}; start the engine, "
                    f"or remove {self.layout.state_dir / 'stack.json'} if it is gone for good"
                )
        return self.stack(memory.kind, started_with=memory.settings)

    def choose(self, forced: str) -> Stack:
        """Return the stack that `up` is to start, saying why; a cut-off one is cleared first.

        Raises:
            UsageError: if there is no such kind.
            StackError: if the other kind is up, or Docker is forced and can't be used.
        """
        forced = self._checked(forced or self._dotenv().get("STACK", ""))
        earlier = self.running()
        if earlier is not None:
            kind = DOCKER if isinstance(earlier, DockerStack) else LOCAL
            if earlier.is_up():
                if forced not in {"", kind}:
                    remedy = "run `poolbench down` before you start the other"
                    raise StackError(f"the {kind} stack is up already; {remedy}")
                # compose takes settings up as they are now; running processes have theirs
                return self.stack(DOCKER) if kind == DOCKER else earlier
            self._tell("an earlier stack was cut off; clearing what it left")
            earlier.down()
        kind, engine = self._kind_for(forced)
        self._make_secrets(kind, engine=engine)
        return self.stack(kind)

    def find_forgotten(self) -> DockerStack | None:
        """Return a Docker stack of this checkout that runs although nothing is remembered."""
        if not find_engine(self._environ).is_usable:
            return None
        stack = self.stack(DOCKER)
        assert isinstance(stack, DockerStack)
        return stack if stack.is_up() else None

    def _kind_for(self, forced: str) -> tuple[str, Engine | None]:
        if forced == LOCAL:
            self._tell("local processes, as asked")
            return LOCAL, None
        engine = find_engine(self._environ)
        if forced == DOCKER:
            if not engine.is_usable:
                raise StackError(f"Docker was asked for: {engine.word}")
            self._tell(f"Docker, as asked: {engine.word}")
            return DOCKER, engine
        settings = self._load({})
        if not engine.is_usable:
            self._tell(f"local processes, since Docker can't be used: {engine.word}")
            return LOCAL, None
        if not is_broker_ours(settings) and settings.redis_address.rpartition(":")[0] in LOOPBACK:
            self._tell("local processes, since containers don't reach the broker that is set")
            return LOCAL, None
        self._tell(f"Docker, since it answers: {engine.word}; STACK=local goes without")
        return DOCKER, engine

    def _checked(self, kind: str) -> str:
        if kind in {"", LOCAL, DOCKER}:
            return kind
        remedy = nearest(kind, among=(LOCAL, DOCKER))
        raise UsageError(Fault(problem="unknown stack", seen=kind, remedy=remedy))

    def _make_secrets(self, kind: str, *, engine: Engine | None) -> None:
        wanted: dict[str, Callable[[], str]] = {
            "POOLBENCH_REDIS_PASSWORD": secret,
            "FLOWER_BASIC_AUTH": lambda: f"poolbench:{secret()}",
        }
        if kind == DOCKER:
            # root in a rootless engine's container is the user outside
            is_rootless = engine is not None and engine.is_rootless
            wanted["POOLBENCH_UID"] = lambda: "0" if is_rootless else str(os.getuid())
            wanted["POOLBENCH_GID"] = lambda: "0" if is_rootless else str(os.getgid())
            wanted["COMPOSE_PROJECT_NAME"] = self._project
        path = self.root / ".env"
        made = complete_dotenv(path, wanted=wanted, environ=self._environ)
        if made:
            self._tell(f"wrote {', '.join(made)} to {path}")

    def _project(self) -> str:
        """Return compose's name of this checkout's stack: two clones must not share containers."""
        given = self._environ.get("COMPOSE_PROJECT_NAME")
        mark = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:8]
        return given or self._dotenv().get("COMPOSE_PROJECT_NAME") or f"poolbench-{mark}"

    def _dotenv(self) -> dict[str, str]:
        return read_dotenv(self.root / ".env")

    def _load(self, started_with: Mapping[str, str]) -> Settings:
        return load_settings(self._values(started_with), dotenv=None)

    def _values(self, started_with: Mapping[str, str]) -> dict[str, str]:
        """Return the value of every variable: as the stack was started, else as set here."""
        dotenv = self._dotenv()
        values = {}
        for name, variable in VARIABLES.items():
            set_here = self._environ.get(name, dotenv.get(name, ""))
            values[name] = started_with.get(name, set_here or variable.default)
        return values
