"""Which stack a command acts on, with which settings and secrets."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from lab.stack.controller import SECRETS, StackController
from lab.stack.docker import DockerStack
from lab.stack.local import LocalStack
from lab.stack.state import DOCKER, LOCAL, StackState, load_state, save_state
from poolbench.errors import StackError, UsageError
from poolbench.settings import read_dotenv

MakeController = Callable[..., StackController]
Kind = Literal["local", "docker"]

HERE = {"POOLBENCH_REDIS_URL": "redis://127.0.0.1:6379/0"}

#: Answers of an engine that has a container of the stack.
UP = {"version": "28.0", "containers": "0123456789ab"}


@pytest.fixture
def messages() -> list[str]:
    """The messages that commands print."""
    return []


@pytest.fixture
def controller(tmp_path: Path, messages: list[str]) -> MakeController:
    """Make a controller of an empty checkout, whose PATH has a `docker` that answers this."""

    def make(
        *, version: str = "", containers: str = "", rootless: bool = False, **environ: str
    ) -> StackController:
        info = f"{version} [{'name=rootless' if rootless else ''}]"
        script = tmp_path / "docker"
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
        environ["PATH"] = f"{tmp_path}:/usr/bin:/bin"
        root = tmp_path / "checkout"
        (root / ".poolbench").mkdir(parents=True, exist_ok=True)
        return StackController(root, environ=environ, notify=messages.append)

    return make


def save(made: StackController, kind: Kind, *, token: str = "", **settings: str) -> None:
    """Save the state of a stack that was started."""
    state = StackState(kind=kind, token=token, settings=settings)
    save_state(made.state_dir, state=state)


@pytest.mark.parametrize(
    ("version", "forced", "environ", "message"),
    [
        ("28.0", "", {}, "Docker: engine 28.0, Compose 2.40.0; STACK=local uses local processes"),
        ("28.0", DOCKER, {}, "Docker, as requested: engine 28.0"),
        ("", "", {}, "local processes, since Docker can't be used: no engine answers"),
        ("28.0", LOCAL, {}, "local processes, as requested"),
        ("28.0", "", HERE, "local processes, since containers can't reach the broker on this host"),
    ],
)
def test_docker_is_used_if_it_answers_and_nothing_else_is_requested(
    controller: MakeController,
    messages: list[str],
    *,
    version: str,
    forced: str,
    environ: dict[str, str],
    message: str,
) -> None:
    """The first message holds the kind and the reason."""
    stack = controller(version=version, **environ).choose_stack(forced)

    assert isinstance(stack, DockerStack if message.startswith("Docker") else LocalStack)
    assert messages[0].startswith(message)


def test_the_kind_can_be_set_in_dotenv(controller: MakeController) -> None:
    """STACK in `.env` holds for each `up`."""
    made = controller(version="28.0")
    (made.root / ".env").write_text("STACK=local\n", encoding="utf-8")

    assert isinstance(made.choose_stack(""), LocalStack)


def test_a_kind_that_is_absent_or_unknown_is_an_error(controller: MakeController) -> None:
    """No silent second choice; a typing error is named with the nearest."""
    made = controller()

    with pytest.raises(StackError, match="Docker was requested, but no engine answers"):
        made.choose_stack(DOCKER)
    with pytest.raises(UsageError, match=r"dokcer is invalid: .* Did you mean docker\?"):
        made.choose_stack("dokcer")


@pytest.mark.parametrize(("rootless", "uid"), [(False, str(os.getuid())), (True, "0")])
def test_dotenv_gets_secrets_once_and_who_containers_run_as(
    controller: MakeController, *, rootless: bool, uid: str
) -> None:
    """The first `up` writes them. Under a rootless engine, root in a container is the caller."""
    made = controller(version="28.0", rootless=rootless)
    made.choose_stack("")
    found = read_dotenv(made.root / ".env")
    made.choose_stack("")

    assert read_dotenv(made.root / ".env") == found
    login = found.pop("FLOWER_BASIC_AUTH").removeprefix("poolbench:")
    both = {found.pop("POOLBENCH_REDIS_PASSWORD"), login}
    assert all(re.fullmatch("[0-9a-f]{32}", secret) for secret in both)
    assert len(both) == 2
    assert found.pop("COMPOSE_PROJECT_NAME").startswith("poolbench-")
    assert found.pop("POOLBENCH_UID") == uid
    assert list(found) == ["POOLBENCH_GID"]


def test_the_other_kind_waits_until_the_first_is_down(controller: MakeController) -> None:
    """Two stacks at the same ports would be no help."""
    made = controller(**UP)
    save(made, DOCKER)

    with pytest.raises(StackError, match=r"docker stack is up already. Run `poolbench down`"):
        made.choose_stack(LOCAL)
    assert isinstance(made.choose_stack(""), DockerStack)


def test_a_stack_that_was_cut_off_is_cleared(
    controller: MakeController, messages: list[str]
) -> None:
    """After a reboot the saved state is stale: either kind can start."""
    made = controller()
    save(made, LOCAL, token="gone")

    assert isinstance(made.choose_stack(""), LocalStack)
    assert load_state(made.state_dir) is None
    assert "an earlier stack was interrupted; removing what it left" in messages


def test_containers_without_a_saved_state_are_found(controller: MakeController) -> None:
    """`down` works after somebody removed the state folder."""
    assert controller(**UP).find_unsaved() is not None
    assert controller(version="28.0").find_unsaved() is None
    assert controller().find_unsaved() is None


def test_a_running_stack_keeps_the_settings_it_was_started_with(controller: MakeController) -> None:
    """A port changed in .env moves nothing that runs."""
    made = controller(POOLBENCH_FLOWER_PORT="7777")
    save(made, LOCAL, token="t", POOLBENCH_FLOWER_PORT="6666")

    running = made.saved_stack()

    assert running is not None
    assert {service.port for service in running.services if service.name == "flower"} == {6666}
    assert made.public_settings()["POOLBENCH_FLOWER_PORT"] == "7777"


def test_the_saved_state_holds_no_secret(controller: MakeController) -> None:
    """The state folder is for everybody's eyes."""
    environ = dict.fromkeys(SECRETS, "redis://:secret@h:1/0")

    values = controller(**environ).public_settings()

    assert "secret" not in json.dumps(values)


def test_services_are_kept_from_an_open_flower(controller: MakeController) -> None:
    """The variable that opens Flower's API to everybody is not handed on."""
    made = controller(FLOWER_UNAUTHENTICATED_API="1", POOLBENCH_CONTENDER="mine")

    stack = made.stack(LOCAL)

    assert stack.environment["FLOWER_UNAUTHENTICATED_API"] == ""
    assert stack.environment["POOLBENCH_CONTENDER"] == ""


def test_two_clones_have_two_projects(tmp_path: Path) -> None:
    """One clone's `down` must not remove another's containers."""
    names = set()
    for clone in ("a", "b"):
        stack = StackController(tmp_path / clone, environ={"PATH": ""}, notify=print).stack(DOCKER)
        names.add(stack.environment["COMPOSE_PROJECT_NAME"])

    assert len(names) == 2


def test_folders_count_from_the_checkout(controller: MakeController) -> None:
    """A stack belongs to its checkout, wherever a command is called."""
    made = controller(POOLBENCH_RESULTS_DIR="/elsewhere/results")

    assert made.state_dir == made.root / ".poolbench"
    assert str(made.stack(LOCAL).settings.results_dir) == "/elsewhere/results"
