"""What is concluded from Docker's answers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.stack.docker_engine import find_engine, read_answers

INFO = "28.1.0 [name=seccomp,profile=builtin]\n"


def said(text: str = "", *, error: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    """Return what a command printed."""
    return subprocess.CompletedProcess([], code, stdout=text, stderr=error)


@pytest.mark.parametrize("compose", ["2.26.1-4", "v2.39.0", "5.0.1"])
def test_an_engine_with_compose_is_taken(compose: str) -> None:
    """Compose v2 and its successors serve."""
    engine = read_answers(info=said(INFO), compose=said(f"{compose}\n"))

    assert engine.is_usable
    assert engine.description == f"engine 28.1.0, Compose {compose.removeprefix('v')}"
    assert not engine.is_rootless


@pytest.mark.parametrize(
    ("compose", "code"), [("1.29.2", 0), ("docker: 'compose' is not a docker command.", 1)]
)
def test_an_engine_without_compose_v2_is_not(compose: str, code: int) -> None:
    """The reason names what is missing."""
    engine = read_answers(info=said(INFO), compose=said(compose, code=code))

    assert not engine.is_usable
    assert engine.description == "engine 28.1.0 answers, but Compose v2 is missing"


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


def test_a_machine_without_docker_is_told_apart(tmp_path: Path) -> None:
    """No command is another thing than no engine."""
    assert find_engine({"PATH": str(tmp_path)}).description == "there is no docker command"


def test_a_docker_command_that_can_not_run_is_no_traceback(tmp_path: Path) -> None:
    """A file of that name that is no program counts as absent."""
    command = tmp_path / "docker"
    command.write_text("no program", encoding="utf-8")
    command.chmod(0o755)

    engine = find_engine({"PATH": str(tmp_path)})

    assert not engine.is_usable
    assert engine.description.startswith("the docker command fails")
