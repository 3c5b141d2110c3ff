"""A checkout of the tests' own, and commands run in it as a person runs them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.stack.docker_engine import find_engine
from lab.system.paths import ROOT
from lab.system.redis_server import free_port
from tests.conftest import Server
from tests.integration.pooling import VARIANTS, PoolWorker, Variant, running_pool
from tests.processes import run_python

#: What a stack and its commands need of a checkout.
PARTS = (
    *("poolbench", "producer", "worker", "upstream", "collector", "report", "lab"),
    *("requirements", "experiments", "Dockerfile", ".dockerignore", "docker-compose.yml"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A copy of this checkout with ports, secrets and results of its own."""

    root: Path
    environment: Mapping[str, str]

    @property
    def is_up(self) -> bool:
        """Whether `up` was called here, and no `down` since."""
        return (self.root / ".poolbench" / "stack.json").exists()

    def run(self, *words: str, timeout_s: float = 300.0) -> subprocess.CompletedProcess[str]:
        """Run ``python -m`` with these words; return what it printed."""
        return run_python(
            *("-m", *words), environ=self.environment, folder=self.root, within_s=timeout_s
        )

    def command(self, *words: str) -> str:
        """Run a command that must succeed; return its standard output."""
        done = self.run(*words)
        said = f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, said
        return done.stdout

    def port(self, service: str) -> int:
        """Return the port of a service."""
        return int(self.environment[f"POOLBENCH_{service.upper()}_PORT"])

    def submit(self, *words: str) -> dict[str, Any]:
        """Send jobs with the producer and wait for them; return its JSON."""
        found: dict[str, Any] = json.loads(self.command("producer", *words, "--wait", "--json"))
        return found


@pytest.fixture(scope="session")
def is_ci() -> bool:
    """Whether what is missing here is an error."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A copy of this checkout, for a module's tests; nothing is up in it afterwards."""
    root = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / part)
    (root / "results").mkdir()
    mine = {name: value for name, value in os.environ.items() if not _is_ours(name)}
    found = Checkout(root=root, environment={**mine, **free_ports(), "PYTHONPATH": str(root)})
    yield found
    found.run("poolbench", "down")


@pytest.fixture(scope="session")
def docker_engine(is_ci: bool) -> str:  # noqa: FBT001 -- a fixture
    """The Docker engine's versions; a test that needs it is skipped without one, except in CI."""
    engine = find_engine(os.environ)
    if not engine.is_usable:
        if is_ci:
            pytest.fail(f"CI must have a Docker engine: {engine.description}")
        pytest.skip(f"needs Docker: {engine.description}")
    return engine.description


def free_ports() -> dict[str, str]:
    """Return variables with free ports, so that nobody's own stack is disturbed."""
    services = ("REDIS", "UPSTREAM", "FLOWER")
    return {f"POOLBENCH_{service}_PORT": str(free_port()) for service in services}


def _is_ours(name: str) -> bool:
    return name.startswith(("POOLBENCH_", "FLOWER_", "COMPOSE_")) or name == "STACK"


@pytest.fixture(scope="module", params=VARIANTS, ids=str)
def worker(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PoolWorker]:
    """One worker a module, in each pool, with plain jobs and with coroutines where they can be."""
    variant: Variant = request.param
    with running_pool(
        server.url,
        pool=variant.pool,
        folder=tmp_path_factory.mktemp(str(variant)),
        queue=f"q-{secrets.token_hex(4)}",
        slots=variant.pool.fixed_slots or 4,
        has_coroutines=variant.has_coroutines,
    ) as it:
        yield it
