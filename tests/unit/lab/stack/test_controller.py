"""Which stack a command acts on, with which settings and secrets."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lab.stack.controller import SECRETS, StackController
from lab.stack.docker import DockerStack
from lab.stack.local import LocalStack
from lab.stack.state import DOCKER, LOCAL, StackState, load_state, save_state
from poolbench.errors import StackError, UsageError
from poolbench.settings import read_dotenv

Docker = Callable[..., Mapping[str, str]]
MakeController = Callable[..., StackController]


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    """Put a `docker` command on a PATH of its own; it answers what the test says."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def make(*, version: str = "", containers: str = "", rootless: bool = False) -> dict[str, str]:
        info = f"{version} [{'name=rootless' if rootless else ''}]"
        script = folder / "docker"
        script.write_text(
            "#!/bin/sh\n"
            'case "$*" in\n'
            f"info*) echo {shlex.quote(info)} ;;\n"
            "'compose version'*) echo 2.40.0 ;;\n"
            f"compose*' ps '*) echo {shlex.quote(containers)} ;;\n"
            "esac\n",
            encoding="utf-8",
        )
        script.chmod(0o755)
        return {"PATH": f"{folder}:/usr/bin:/bin"}

    return make


@pytest.fixture
def messages() -> list[str]:
    """The messages that commands print."""
    return []


@pytest.fixture
def controller(tmp_path: Path, messages: list[str]) -> MakeController:
    """Make a controller of an empty checkout with an environment of the test's own."""

    def make(environ: Mapping[str, str]) -> StackController:
        root = tmp_path / "checkout"
        (root / ".poolbench").mkdir(parents=True, exist_ok=True)
        return StackController(root, environ=environ, notify=messages.append)

    return make


@pytest.mark.parametrize(
    ("version", "forced", "environ", "message"),
    [
        ("28.0", "", {}, "Docker: engine 28.0, Compose 2.40.0; STACK=local uses local processes"),
        ("28.0", DOCKER, {}, "Docker, as requested: engine 28.0"),
        ("", "", {}, "local processes, since Docker can't be used: no engine answers"),
        ("28.0", LOCAL, {}, "local processes, as requested"),
        (
            "28.0",
            "",
            {"POOLBENCH_REDIS_URL": "redis://127.0.0.1:6379/0"},
            "local processes, since containers can't reach the broker on this host",
        ),
    ],
)
def test_docker_is_used_if_it_answers_and_nothing_else_is_requested(
    controller: MakeController,
    docker: Docker,
    messages: list[str],
    *,
    version: str,
    forced: str,
    environ: dict[str, str],
    message: str,
) -> None:
    """The first message holds the kind and the reason."""
    stack = controller({**docker(version=version), **environ}).choose_stack(forced)

    assert isinstance(stack, DockerStack if message.startswith("Docker") else LocalStack)
    assert messages[0].startswith(message)


def test_the_kind_can_be_set_in_dotenv(controller: MakeController, docker: Docker) -> None:
    """STACK in `.env` holds for each `up`."""
    made = controller(docker(version="28.0"))
    (made.root / ".env").write_text("STACK=local\n", encoding="utf-8")

    assert isinstance(made.choose_stack(""), LocalStack)


def test_docker_asked_for_and_absent_is_an_error(
    controller: MakeController, docker: Docker
) -> None:
    """No silent second choice."""
    with pytest.raises(StackError, match="Docker was requested, but no engine answers"):
        controller(docker()).choose_stack(DOCKER)


def test_an_unknown_kind_is_named_with_the_nearest(
    controller: MakeController, docker: Docker
) -> None:
    """A typing error costs one line."""
    with pytest.raises(UsageError, match=r"unknown stack: dokcer; did you mean docker\?"):
        controller(docker()).choose_stack("dokcer")


def test_secrets_are_made_once(controller: MakeController, docker: Docker) -> None:
    """The first `up` writes them, the next one keeps them."""
    made = controller(docker())
    made.choose_stack("")
    first = read_dotenv(made.root / ".env")

    made.choose_stack("")

    assert read_dotenv(made.root / ".env") == first
    assert set(first) == {"POOLBENCH_REDIS_PASSWORD", "FLOWER_BASIC_AUTH"}
    login = first["FLOWER_BASIC_AUTH"].removeprefix("poolbench:")
    both = {first["POOLBENCH_REDIS_PASSWORD"], login}
    assert all(re.fullmatch("[0-9a-f]{32}", secret) for secret in both)
    assert len(both) == 2


@pytest.mark.parametrize(("rootless", "uid"), [(False, str(os.getuid())), (True, "0")])
def test_containers_run_as_the_caller(
    controller: MakeController, docker: Docker, *, rootless: bool, uid: str
) -> None:
    """Under a rootless engine, root in a container is the caller."""
    made = controller(docker(version="28.0", rootless=rootless))
    made.choose_stack("")

    found = read_dotenv(made.root / ".env")

    assert found["POOLBENCH_UID"] == uid
    assert found["COMPOSE_PROJECT_NAME"].startswith("poolbench-")


def test_the_other_kind_waits_until_the_first_is_down(
    controller: MakeController, docker: Docker
) -> None:
    """Two stacks at the same ports would be no help."""
    made = controller(docker(version="28.0", containers="0123456789ab"))
    save_state(made.state_dir, state=StackState(kind=DOCKER, token="", settings={}))

    with pytest.raises(StackError, match="the docker stack is up already; run `poolbench down`"):
        made.choose_stack(LOCAL)
    assert isinstance(made.choose_stack(""), DockerStack)


def test_a_stack_that_was_cut_off_is_cleared(
    controller: MakeController, docker: Docker, messages: list[str]
) -> None:
    """After a reboot the saved state is stale: either kind can start."""
    made = controller(docker())
    save_state(made.state_dir, state=StackState(kind=LOCAL, token="gone", settings={}))

    assert isinstance(made.choose_stack(""), LocalStack)
    assert load_state(made.state_dir) is None
    assert "an earlier stack was interrupted; removing what it left" in messages


def test_containers_out_of_reach_are_not_forgotten(
    controller: MakeController, docker: Docker
) -> None:
    """An engine that is off may start them again: nothing is decided without it."""
    made = controller(docker())
    save_state(made.state_dir, state=StackState(kind=DOCKER, token="", settings={}))

    with pytest.raises(StackError, match="was started with Docker, and now no engine answers"):
        made.choose_stack("")
    assert load_state(made.state_dir) is not None


def test_containers_without_a_saved_state_are_found(
    controller: MakeController, docker: Docker
) -> None:
    """`down` works after somebody removed the state folder."""
    assert controller(docker(version="28.0", containers="0123456789ab")).find_unsaved() is not None
    assert controller(docker(version="28.0")).find_unsaved() is None
    assert controller(docker()).find_unsaved() is None


def test_a_running_stack_keeps_the_settings_it_was_started_with(
    controller: MakeController, docker: Docker
) -> None:
    """A port changed in .env moves nothing that runs."""
    made = controller({**docker(), "POOLBENCH_FLOWER_PORT": "7777"})
    settings = {"POOLBENCH_FLOWER_PORT": "6666"}
    save_state(made.state_dir, state=StackState(kind=LOCAL, token="t", settings=settings))

    running = made.saved_stack()

    assert running is not None
    assert {service.port for service in running.services if service.name == "flower"} == {6666}
    assert made.public_settings()["POOLBENCH_FLOWER_PORT"] == "7777"


def test_the_saved_state_holds_no_secret(controller: MakeController, docker: Docker) -> None:
    """The state folder is for everybody's eyes."""
    environ = dict.fromkeys(SECRETS, "redis://:secret@h:1/0")

    values = controller({**docker(), **environ}).public_settings()

    assert "secret" not in json.dumps(values)


def test_services_are_kept_from_an_open_flower(controller: MakeController, docker: Docker) -> None:
    """The variable that opens Flower's API to everybody is not handed on."""
    environ = {**docker(), "FLOWER_UNAUTHENTICATED_API": "1", "POOLBENCH_CONTENDER": "mine"}

    stack = controller(environ).stack(LOCAL)

    assert stack.environment["FLOWER_UNAUTHENTICATED_API"] == ""
    assert stack.environment["POOLBENCH_CONTENDER"] == ""


def test_two_clones_have_two_projects(docker: Docker, tmp_path: Path) -> None:
    """One clone's `down` must not remove another's containers."""
    names = set()
    for clone in ("a", "b"):
        stack = StackController(tmp_path / clone, environ=docker(), notify=print).stack(DOCKER)
        names.add(stack.environment["COMPOSE_PROJECT_NAME"])

    assert len(names) == 2


def test_folders_count_from_the_checkout(controller: MakeController, docker: Docker) -> None:
    """A stack belongs to its checkout, wherever a command is called."""
    made = controller({**docker(), "POOLBENCH_RESULTS_DIR": "/elsewhere/results"})

    assert made.state_dir == made.root / ".poolbench"
    assert str(made.stack(LOCAL).settings.results_dir) == "/elsewhere/results"
