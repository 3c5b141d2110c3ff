"""Decides which stack a command acts on, and with which settings and secrets."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lab.stack.docker import DockerStack
from lab.stack.docker_engine import Engine, find_engine
from lab.stack.dotenv import complete_dotenv
from lab.stack.local import LocalStack
from lab.stack.services import Notify, names_local_broker, starts_broker
from lab.stack.stack import Stack
from lab.stack.state import DOCKER, LOCAL, StackState, load_state
from poolbench.errors import StackError, UsageError, unknown
from poolbench.settings import VARIABLES, Settings, load_settings, read_dotenv

#: Variables whose values are secret, or contain a secret.
SECRETS = frozenset(
    {
        "POOLBENCH_REDIS_URL",
        "POOLBENCH_WORKER_REDIS_URL",
        "POOLBENCH_REDIS_PASSWORD",
        "FLOWER_BASIC_AUTH",
    }
)

#: Variables of the services that the caller's environment doesn't change.
_FIXED = {
    "POOLBENCH_UPSTREAM_HOST": "127.0.0.1",
    "POOLBENCH_CONTENDER": "",
    "POOLBENCH_HEARTBEAT_FILE": "",
    # it would open Flower's API without its login; empty means no
    "FLOWER_UNAUTHENTICATED_API": "",
}

_KINDS: dict[str, type[Stack]] = {LOCAL: LocalStack, DOCKER: DockerStack}


class StackController:
    """Finds or creates the stack of one checkout, from its environment, ``.env`` and state."""

    def __init__(self, root: Path, *, environ: Mapping[str, str], notify: Notify) -> None:
        self.root = root
        self._environ = environ
        self._notify = notify
        self.state_dir = self._load({}).state_dir

    @property
    def state(self) -> StackState | None:
        """Return the saved state of the stack that is up."""
        return load_state(self.state_dir)

    def public_settings(self) -> dict[str, str]:
        """Return the settings that a stack would start with, without secrets."""
        values = self._values({})
        return {name: value for name, value in values.items() if name not in SECRETS}

    def changed_settings(self) -> list[str]:
        """Return the names of settings that changed since the stack that is up was started."""
        current = self.public_settings()
        started_with = self.state.settings if self.state else current
        return [name for name, value in current.items() if started_with.get(name) != value]

    def stack(self, kind: str, *, started_with: Mapping[str, str] | None = None) -> Stack:
        """Return the stack of that kind; ``started_with`` overrides the settings."""
        overrides = started_with or {}
        settings = self._load(overrides)
        environment = {**self._environ, **self._values(overrides), **_FIXED}
        environment["COMPOSE_PROJECT_NAME"] = self._project()
        if not starts_broker(settings):
            environment["POOLBENCH_REDIS_URL"] = settings.redis_url
        return _KINDS[kind](
            root=self.root, settings=settings, environment=environment, notify=self._notify
        )

    def saved_stack(self) -> Stack | None:
        """Return the stack of the saved state, whether or not it still runs.

        Raises:
            StackError: if it is a Docker stack and no engine answers.
        """
        state = self.state
        if state is None:
            return None
        if state.kind == DOCKER:
            engine = find_engine(self._environ)
            if not engine.is_usable:
                raise StackError(
                    f"the stack was started with Docker, and now {engine.description}. Start the "
                    f"engine, or remove {self.state_dir / 'stack.json'} if it is gone."
                )
        return self.stack(state.kind, started_with=state.settings)

    def choose_stack(self, forced: str) -> Stack:
        """Return the stack to start, and print why; remove the rest of an interrupted stack.

        Args:
            forced: `LOCAL`, `DOCKER`, or empty to choose.

        Raises:
            UsageError: if there is no such kind.
            StackError: if the other kind is up, or Docker is forced and can't be used.
        """
        forced = forced or self._dotenv().get("STACK", "")
        if forced and forced not in _KINDS:
            raise UsageError(unknown("stack", field="STACK", seen=forced, among=_KINDS))
        earlier = self.saved_stack()
        if earlier is not None:
            kind = DOCKER if isinstance(earlier, DockerStack) else LOCAL
            if earlier.is_up():
                if forced not in {"", kind}:
                    remedy = "Run `poolbench down` before you start the other."
                    raise StackError(f"the {kind} stack is up already. {remedy}")
                # compose applies changed settings; running processes keep theirs
                return self.stack(DOCKER) if kind == DOCKER else earlier
            self._notify("an earlier stack was interrupted; removing what it left")
            earlier.down()
        engine = self._choose_engine(forced)
        self._create_secrets(engine)
        return self.stack(DOCKER if engine else LOCAL)

    def find_unsaved(self) -> Stack | None:
        """Return a Docker stack of this checkout that is up although no state is saved."""
        if not find_engine(self._environ).is_usable:
            return None
        stack = self.stack(DOCKER)
        return stack if stack.is_up() else None

    def _choose_engine(self, forced: str) -> Engine | None:
        """Return the Docker engine to use, or None for local processes; print why."""
        if forced == LOCAL:
            self._notify("local processes, as requested")
            return None
        engine = find_engine(self._environ)
        if forced == DOCKER:
            if not engine.is_usable:
                raise StackError(f"Docker was requested, but {engine.description}")
            self._notify(f"Docker, as requested: {engine.description}")
            return engine
        if not engine.is_usable:
            self._notify(f"local processes, since Docker can't be used: {engine.description}")
            return None
        if names_local_broker(self._load({})):
            self._notify("local processes, since containers can't reach the broker on this host")
            return None
        self._notify(f"Docker: {engine.description}; STACK=local uses local processes instead")
        return engine

    def _create_secrets(self, engine: Engine | None) -> None:
        # hexadecimal, so that a value means the same in a URL, a shell, compose and Redis
        required = {
            "POOLBENCH_REDIS_PASSWORD": secrets.token_hex(16),
            "FLOWER_BASIC_AUTH": f"poolbench:{secrets.token_hex(16)}",
        }
        if engine is not None:
            # root in a rootless engine's container is the user outside
            required["POOLBENCH_UID"] = "0" if engine.is_rootless else str(os.getuid())
            required["POOLBENCH_GID"] = "0" if engine.is_rootless else str(os.getgid())
            required["COMPOSE_PROJECT_NAME"] = self._project()
        path = self.root / ".env"
        added = complete_dotenv(path, required=required, environ=self._environ)
        if added:
            self._notify(f"wrote {', '.join(added)} to {path}")

    def _project(self) -> str:
        """Return compose's name of this checkout's stack: two clones must not share containers."""
        named = self._environ.get("COMPOSE_PROJECT_NAME")
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:8]
        return named or self._dotenv().get("COMPOSE_PROJECT_NAME") or f"poolbench-{digest}"

    def _dotenv(self) -> dict[str, str]:
        return read_dotenv(self.root / ".env")

    def _load(self, overrides: Mapping[str, str]) -> Settings:
        """Return the settings; their relative folders start at the checkout."""
        settings = load_settings(self._values(overrides), dotenv=None)
        return replace(
            settings,
            state_dir=(self.root / settings.state_dir).resolve(),
            results_dir=(self.root / settings.results_dir).resolve(),
        )

    def _values(self, overrides: Mapping[str, str]) -> dict[str, str]:
        """Return each variable's value: overridden, or of the environment, ``.env`` or default."""
        found = {**self._dotenv(), **self._environ}
        values = {name: found.get(name) or known.default for name, known in VARIABLES.items()}
        return {**values, **overrides}
