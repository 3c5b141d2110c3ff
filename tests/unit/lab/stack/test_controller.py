"""Which stack a command acts on, with which settings and secrets."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lab.stack.controller import SECRETS, Desk
from lab.stack.docker import DockerStack
from lab.stack.local import LocalStack
from lab.stack.state import DOCKER, LOCAL, Memory, recall, remember
from poolbench.errors import StackError, UsageError
from poolbench.settings import read_dotenv

Docker = Callable[..., Mapping[str, str]]


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    """Put a `docker` command on a PATH of its own; it answers what the test says."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def make(*, version: str = "", containers: str = "", rootless: bool = False) -> dict[str, str]:
        info = {"ServerVersion": version, "SecurityOptions": ["name=rootless"] if rootless else []}
        script = folder / "docker"
        script.write_text(
            "#!/bin/sh\n"
            'case "$*" in\n'
            f"info*) echo {shlex.quote(json.dumps(info))} ;;\n"
            "'compose version'*) echo 2.40.0 ;;\n"
            f"ps*) echo {shlex.quote(containers)} ;;\n"
            "esac\n",
            encoding="utf-8",
        )
        script.chmod(0o755)
        return {"PATH": f"{folder}:/usr/bin:/bin"}

    return make


@pytest.fixture
def told() -> list[str]:
    """What commands say."""
    return []


@pytest.fixture
def desk(tmp_path: Path, told: list[str]) -> Callable[..., Desk]:
    """Make a desk over an empty checkout with an environment of the test's own."""

    def make(environ: Mapping[str, str]) -> Desk:
        root = tmp_path / "checkout"
        (root / ".poolbench").mkdir(parents=True, exist_ok=True)
        return Desk(root, environ=environ, tell=told.append)

    return make


def test_docker_is_taken_where_it_answers(
    desk: Callable[..., Desk], docker: Docker, told: list[str]
) -> None:
    """And the choice is told with its reason, and the way around it."""
    stack = desk(docker(version="28.0")).choose("")

    assert isinstance(stack, DockerStack)
    assert any("since it answers: engine 28.0" in text and "STACK=local" in text for text in told)


def test_local_is_taken_where_docker_does_not_answer(
    desk: Callable[..., Desk], docker: Docker, told: list[str]
) -> None:
    """And the reason is told."""
    stack = desk(docker()).choose("")

    assert isinstance(stack, LocalStack)
    assert "local processes, since Docker can't be used: no engine answers" in told


def test_local_can_be_asked_for(desk: Callable[..., Desk], docker: Docker) -> None:
    """STACK=local goes without Docker though it answers."""
    assert isinstance(desk(docker(version="28.0")).choose(LOCAL), LocalStack)


def test_the_kind_can_stand_in_dotenv(desk: Callable[..., Desk], docker: Docker) -> None:
    """Who never wants Docker says so once."""
    made = desk(docker(version="28.0"))
    (made.root / ".env").write_text("STACK=local\n", encoding="utf-8")

    assert isinstance(made.choose(""), LocalStack)


def test_docker_asked_for_and_absent_is_an_error(desk: Callable[..., Desk], docker: Docker) -> None:
    """No silent second choice."""
    with pytest.raises(StackError, match="Docker was asked for: no engine answers"):
        desk(docker()).choose(DOCKER)


def test_an_unknown_kind_is_named_with_the_nearest(
    desk: Callable[..., Desk], docker: Docker
) -> None:
    """A typing error costs one line."""
    with pytest.raises(UsageError, match=r"unknown stack: dokcer; did you mean docker\?"):
        desk(docker()).choose("dokcer")


def test_a_broker_on_loopback_keeps_the_stack_out_of_containers(
    desk: Callable[..., Desk], docker: Docker
) -> None:
    """Inside a container 127.0.0.1 is the container."""
    environ = {**docker(version="28.0"), "POOLBENCH_REDIS_URL": "redis://127.0.0.1:6379/0"}

    assert isinstance(desk(environ).choose(""), LocalStack)


def test_secrets_are_made_once(desk: Callable[..., Desk], docker: Docker) -> None:
    """The first `up` writes them, the next one keeps them."""
    made = desk(docker())
    made.choose("")
    first = read_dotenv(made.root / ".env")

    made.choose("")

    assert read_dotenv(made.root / ".env") == first
    assert set(first) == {"POOLBENCH_REDIS_PASSWORD", "FLOWER_BASIC_AUTH"}
    assert first["FLOWER_BASIC_AUTH"].startswith("poolbench:")


@pytest.mark.parametrize(("rootless", "uid"), [(False, str(os.getuid())), (True, "0")])
def test_containers_run_as_the_caller(
    desk: Callable[..., Desk], docker: Docker, *, rootless: bool, uid: str
) -> None:
    """Under a rootless engine, root in a container is the caller."""
    made = desk(docker(version="28.0", rootless=rootless))
    made.choose("")

    found = read_dotenv(made.root / ".env")

    assert found["POOLBENCH_UID"] == uid
    assert found["COMPOSE_PROJECT_NAME"].startswith("poolbench-")


def test_the_other_kind_waits_until_the_first_is_down(
    desk: Callable[..., Desk], docker: Docker
) -> None:
    """Two stacks at the same ports would be no help."""
    made = desk(docker(version="28.0", containers="0123456789ab"))
    remember(made.layout.state_dir, memory=Memory(kind=DOCKER, token="", settings={}))

    with pytest.raises(StackError, match="the docker stack is up already; run `poolbench down`"):
        made.choose(LOCAL)
    assert isinstance(made.choose(""), DockerStack)


def test_a_stack_that_was_cut_off_is_cleared(
    desk: Callable[..., Desk], docker: Docker, told: list[str]
) -> None:
    """After a reboot the memory is stale: the choice is free again."""
    made = desk(docker())
    remember(made.layout.state_dir, memory=Memory(kind=LOCAL, token="gone", settings={}))

    assert isinstance(made.choose(""), LocalStack)
    assert recall(made.layout.state_dir) is None
    assert "an earlier stack was cut off; clearing what it left" in told


def test_containers_out_of_reach_are_not_forgotten(
    desk: Callable[..., Desk], docker: Docker
) -> None:
    """An engine that is off may start them again: nothing is decided without it."""
    made = desk(docker())
    remember(made.layout.state_dir, memory=Memory(kind=DOCKER, token="", settings={}))

    with pytest.raises(StackError, match="was started with Docker, and now no engine answers"):
        made.choose("")
    assert recall(made.layout.state_dir) is not None


def test_containers_whose_memory_was_lost_are_found(
    desk: Callable[..., Desk], docker: Docker
) -> None:
    """`down` works after somebody removed the state folder."""
    assert desk(docker(version="28.0", containers="0123456789ab")).find_forgotten() is not None
    assert desk(docker(version="28.0")).find_forgotten() is None
    assert desk(docker()).find_forgotten() is None


def test_a_running_stack_keeps_the_settings_it_was_started_with(
    desk: Callable[..., Desk], docker: Docker
) -> None:
    """A port changed in .env moves nothing that runs."""
    made = desk({**docker(), "POOLBENCH_FLOWER_PORT": "7777"})
    settings = {"POOLBENCH_FLOWER_PORT": "6666"}
    remember(made.layout.state_dir, memory=Memory(kind=LOCAL, token="t", settings=settings))

    running = made.running()

    assert running is not None
    assert {service.port for service in running.services if service.name == "flower"} == {6666}
    assert made.plain_values()["POOLBENCH_FLOWER_PORT"] == "7777"


def test_what_is_remembered_holds_no_secret(desk: Callable[..., Desk], docker: Docker) -> None:
    """The state folder is for everybody's eyes."""
    environ = dict.fromkeys(SECRETS, "redis://:secret@h:1/0")

    values = desk({**docker(), **environ}).plain_values()

    assert "secret" not in json.dumps(values)


def test_services_are_kept_from_an_open_flower(desk: Callable[..., Desk], docker: Docker) -> None:
    """The variable that opens Flower's API to everybody is not handed on."""
    environ = {**docker(), "FLOWER_UNAUTHENTICATED_API": "1", "POOLBENCH_CONTENDER": "mine"}

    stack = desk(environ).stack(LOCAL)

    assert isinstance(stack, LocalStack)
    assert "FLOWER_UNAUTHENTICATED_API" not in stack._environment
    assert stack._environment["POOLBENCH_CONTENDER"] == ""


def test_two_clones_have_two_projects(docker: Docker, tmp_path: Path) -> None:
    """One clone's `down` must not remove another's containers."""
    names = set()
    for clone in ("a", "b"):
        stack = Desk(tmp_path / clone, environ=docker(), tell=print).stack(DOCKER)
        assert isinstance(stack, DockerStack)
        names.add(stack._project)

    assert len(names) == 2
