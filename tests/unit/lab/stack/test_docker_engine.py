"""What is concluded from Docker's answers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.stack.docker_engine import find_engine, read_answers

INFO = "28.1.0 [name=seccomp,profile=builtin]\n"
NO_COMPOSE = "engine 28.1.0 answers, but Compose v2 is missing"


def said(text: str = "", *, error: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    """Return what a command printed."""
    return subprocess.CompletedProcess([], code, stdout=text, stderr=error)


@pytest.mark.parametrize(
    ("compose", "code", "description"),
    [
        ("2.26.1-4", 0, "engine 28.1.0, Compose 2.26.1-4"),
        ("v2.39.0", 0, "engine 28.1.0, Compose 2.39.0"),
        ("5.0.1", 0, "engine 28.1.0, Compose 5.0.1"),
        ("1.29.2", 0, NO_COMPOSE),
        ("docker: 'compose' is not a docker command.", 1, NO_COMPOSE),
    ],
)
def test_an_engine_is_usable_with_compose_v2_or_its_successors(
    compose: str, code: int, description: str
) -> None:
    """The description names the versions, or what is missing."""
    engine = read_answers(info=said(INFO), compose=said(f"{compose}\n", code=code))

    assert engine.description == description
    assert engine.is_usable == (description != NO_COMPOSE)
    assert not engine.is_rootless


def test_a_socket_without_permission_is_told_as_such() -> None:
    """The commonest trouble has a remedy of its own."""
    error = "permission denied while trying to connect to the Docker daemon socket"
    engine = read_answers(info=said(" []\n", error=error, code=1), compose=said("2.26"))

    assert not engine.is_usable
    assert "no permission to use its socket" in engine.description


@pytest.mark.parametrize("text", ["", "\n", " []\n"])
def test_an_engine_that_does_not_answer_is_absent(text: str) -> None:
    """Without a server's version there is no server."""
    error = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."
    engine = read_answers(info=said(text, error=error, code=1), compose=said("2.26.1"))

    assert engine.description == "no engine answers"


def test_a_rootless_engine_is_known() -> None:
    """In its containers root is the user, so they run as root."""
    info = said("28.1.0 [name=seccomp name=rootless]\n")

    assert read_answers(info=info, compose=said("2.30.0")).is_rootless


def test_no_docker_command_and_one_that_can_not_run_are_told_apart(tmp_path: Path) -> None:
    """Neither is the same as no engine, and neither a traceback."""
    assert find_engine({"PATH": str(tmp_path)}).description == "there is no docker command"

    command = tmp_path / "docker"
    command.write_text("no program", encoding="utf-8")
    command.chmod(0o755)
    engine = find_engine({"PATH": str(tmp_path)})

    assert not engine.is_usable
    assert engine.description.startswith("the docker command fails")
