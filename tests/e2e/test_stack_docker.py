"""What only containers can get wrong: rights, ports, secrets, and what stays behind."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from lab.stack.services import all_services
from poolbench.settings import load_settings, read_dotenv
from tests.conftest import wait_until
from tests.e2e.conftest import Checkout

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def docker(*words: str) -> str:
    """Run a docker command; return what it prints."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
    return done.stdout


def label_of(checkout: Checkout) -> str:
    """Return the filter by which Docker finds what belongs to a checkout's stack."""
    project = read_dotenv(checkout.root / ".env")["COMPOSE_PROJECT_NAME"]
    return f"label=com.docker.compose.project={project}"


def containers_of(checkout: Checkout) -> dict[str, dict[str, Any]]:
    """Return what Docker tells of each service's container."""
    ids = docker("ps", "--all", "--quiet", "--filter", label_of(checkout)).split()
    found = json.loads(docker("inspect", *ids)) if ids else []
    return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}


@pytest.fixture(scope="module")
def stack(docker_engine: str, checkout: Checkout) -> Iterator[Checkout]:  # noqa: ARG001 -- needed
    """A checkout whose Docker stack is up; afterwards nothing of it may be left."""
    checkout.command("poolbench", "up", "--stack", "docker")
    yield checkout
    checkout.command("poolbench", "down")
    assert containers_of(checkout) == {}
    assert docker("network", "ls", "--quiet", "--filter", label_of(checkout)) == ""
    assert docker("volume", "ls", "--quiet", "--filter", label_of(checkout)) == ""


def test_a_container_may_do_no_more_than_it_must(stack: Checkout) -> None:
    """The caller's uid, no capability, a read-only root, bounded logs, an init."""
    found = containers_of(stack)

    assert found.keys() == {one.name for one in all_services(load_settings({}, dotenv=None))}
    for name, one in found.items():
        host = one["HostConfig"]
        assert one["Config"]["User"] == f"{os.getuid()}:{os.getgid()}", name
        assert host["CapDrop"] == ["ALL"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert host["ReadonlyRootfs"], name
        assert host["Init"], name
        assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}, name


def test_ports_are_published_on_loopback_alone(stack: Checkout) -> None:
    """Redis, upstream and Flower are for this machine."""
    published = {
        (binding["HostIp"], int(binding["HostPort"]))
        for one in containers_of(stack).values()
        for bindings in one["HostConfig"]["PortBindings"].values()
        for binding in bindings
    }

    assert published == {
        ("127.0.0.1", stack.port(service)) for service in ("redis", "upstream", "flower")
    }


def test_no_secret_stands_in_a_command(stack: Checkout) -> None:
    """Commands are seen by everybody who may list processes."""
    values = read_dotenv(stack.root / ".env")
    secrets = (values["POOLBENCH_REDIS_PASSWORD"], values["FLOWER_BASIC_AUTH"].split(":")[1])

    for one in containers_of(stack).values():
        seen = json.dumps([one["Path"], one["Args"], one["Config"]["Cmd"], one["Config"]["Labels"]])
        seen += docker("top", one["Id"], "-eo", "pid,args")
        assert not [secret for secret in secrets if secret in seen]


@pytest.mark.parametrize(
    ("name", "packages"),
    [("upstream", ["poolbench", "upstream", "worker"]), ("collector", ["collector", "poolbench"])],
)
def test_an_image_holds_its_packages_alone(stack: Checkout, name: str, packages: list[str]) -> None:
    """No secret, no results, and nothing that other services run."""
    image = containers_of(stack)[name]["Image"]

    assert docker("run", "--rm", "--entrypoint", "ls", image, "-A", "/app").split() == packages


def test_a_workers_image_stays_small(stack: Checkout) -> None:
    """It adds at most 130 MB to its base, which is the Dockerfile's first stage."""
    base = docker("build", "--quiet", "--target", "base", str(stack.root)).strip()
    image = containers_of(stack)["worker-prefork"]["Image"]

    sizes = [int(docker("image", "inspect", "--format", "{{.Size}}", i)) for i in (base, image)]

    assert 0 < sizes[1] - sizes[0] <= 130_000_000


def test_a_worker_that_dies_comes_back(stack: Checkout) -> None:
    """Like a local one under supervisord."""
    old = containers_of(stack)["worker-solo"]["State"]["Pid"]
    docker("exec", containers_of(stack)["worker-solo"]["Id"], "sh", "-c", "kill -QUIT -1")

    def is_back() -> bool:
        state = containers_of(stack)["worker-solo"]["State"]
        return state["Running"] and state["Pid"] not in {0, old}

    wait_until(is_back, what="a new worker", within_s=60, every_s=0.5)
    stack.command("poolbench", "up")
    found = stack.submit("--pool", "solo", "--job", "io.sleep", "--count", "3")
    assert found["summary"]["state"] == "closed"
