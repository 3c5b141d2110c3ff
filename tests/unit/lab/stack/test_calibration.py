"""What `up` does once the workers are idle: it measures a unit of work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.commands import stack
from lab.stack.controller import StackController
from lab.stack.state import DOCKER, LOCAL
from lab.system.paths import ROOT
from lab.system.redis_server import free_port
from poolbench.errors import StackError

#: A docker that writes down its words and can't run anything.
DOCKER_SCRIPT = """\
#!/bin/sh
echo "$*" >> "$0.log"
echo "service is not running" >&2
exit 1
"""


@pytest.fixture
def controller(tmp_path: Path) -> StackController:
    """The controller of a checkout of the test's own, where no broker answers."""
    root = tmp_path / "checkout"
    root.mkdir()
    for room in ("poolbench", "worker"):
        (root / room).symlink_to(ROOT / room)
    docker = tmp_path / "docker"
    docker.write_text(DOCKER_SCRIPT, encoding="utf-8")
    docker.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": path, "POOLBENCH_REDIS_PORT": str(free_port())}
    return StackController(root, environ=environ, notify=lambda _: None)


def test_in_docker_a_worker_measures_in_its_container_and_a_failure_stops_no_stack(
    controller: StackController, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By compose; the message holds the reason in one line, and the command to run later."""
    stack._calibrate(controller.stack(DOCKER))

    called = (tmp_path / "docker.log").read_text().strip()
    assert called.startswith("compose --file ")
    assert called.endswith(" exec --no-TTY worker-prefork python -m worker calibrate --publish")
    printed = capsys.readouterr().err
    assert "No calibration, so that work_ms can't be used" in printed
    assert "the calibration failed: service is not running" in printed
    assert "python -m worker calibrate --publish" in printed


def test_locally_a_process_measures_with_the_stacks_settings(controller: StackController) -> None:
    """It goes to the stack's own broker; a failure is one line without a password."""
    address = controller.stack(LOCAL).settings.redis_address

    with pytest.raises(StackError, match=f"worker: Redis at {address} doesn't answer") as error:
        controller.stack(LOCAL).calibrate()
    assert len(str(error.value).splitlines()) == 1
