"""The local stack for real: started, hurt, healed, and gone without a trace."""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lab.stack.controller import StackController
from lab.stack.local import LocalStack
from lab.stack.preflight import check_start
from lab.stack.processes import find_processes
from lab.stack.state import load_state
from lab.system.paths import ROOT
from lab.system.redis_server import free_port
from poolbench.errors import StackError
from poolbench.settings import read_dotenv
from tests.conftest import Server, wait_until
from tests.e2e.conftest import free_ports

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MakeController = Callable[..., StackController]

ROOMS = ("poolbench", "worker", "upstream", "collector", "lab")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of the test's own: its rooms are links to the real ones."""
    root = tmp_path / "a checkout; with 100 % odd # name"
    root.mkdir()
    for room in ROOMS:
        (root / room).symlink_to(ROOT / room)
    return root


@pytest.fixture
def ports() -> dict[str, str]:
    """Ports of the test's own."""
    return free_ports()


@pytest.fixture
def make_controller(checkout: Path, ports: dict[str, str]) -> Iterator[MakeController]:
    """Make controllers over the checkout; whatever they started is taken down with the test."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    controller = StackController(checkout, environ={**kept, **ports}, notify=lambda _: None)

    def make(**environ: str) -> StackController:
        return StackController(
            checkout, environ={**kept, **ports, **environ}, notify=lambda _: None
        )

    yield make
    state = controller.state
    local_stack(controller).down()
    assert state is None or find_processes(state.token) == {}


def local_stack(controller: StackController) -> LocalStack:
    """Return the local stack with the settings that it was started with, or would be."""
    stack = controller.saved_stack() or controller.choose_stack("local")
    assert isinstance(stack, LocalStack)
    return stack


def bring_up(controller: StackController) -> LocalStack:
    """Start the local stack as `poolbench up` does."""
    stack = controller.choose_stack("local")
    assert isinstance(stack, LocalStack)
    stack.up(started_with=controller.public_settings())
    return stack


def processes_of(controller: StackController) -> dict[psutil.Process, str]:
    """Return the stack's live processes, each with its service's name."""
    state = controller.state
    assert state is not None
    return find_processes(state.token)


def pid_of(stack: LocalStack, name: str) -> int:
    """Return the process id of a service, 0 while it has none."""
    return next(status.pid for status in stack.statuses() if status.name == name) or 0


def is_listening(port: str) -> bool:
    """Return whether something listens at a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def test_a_stack_lives_is_hurt_and_goes(
    make_controller: MakeController, checkout: Path, ports: dict[str, str]
) -> None:
    """One long story, since a start takes seconds: each of its parts is a promise of `up`."""
    controller = make_controller()
    stack = bring_up(controller)
    assert all(status.is_healthy for status in stack.statuses())
    assert {status.name for status in stack.statuses()} >= {"redis", "flower", "collector"}

    # secrets: in .env and in environments, and nowhere that others see
    secrets = [value.split(":")[-1] for value in read_dotenv(checkout / ".env").values()]
    seen = [" ".join(ours.cmdline()) for ours in processes_of(controller)]
    seen += [path.read_text() for path in (checkout / ".poolbench").glob("*.*")]
    assert len(secrets) == 2
    assert not [secret for secret in secrets if any(secret in text for text in seen)]
    assert stat.S_IMODE((checkout / ".env").stat().st_mode) == 0o600

    # a worker that is killed comes back by itself, its children and its recorder do not stay
    old = pid_of(stack, "worker-solo")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: pid_of(stack, "worker-solo") not in {0, old}, what="a new worker")

    # a second up repairs what was stopped
    stack._supervisor.request("stopProcess", "upstream")
    wait_until(lambda: not is_listening(ports["POOLBENCH_UPSTREAM_PORT"]), what="upstream's end")
    assert bring_up(controller).is_up()
    assert all(status.is_healthy for status in stack.statuses())

    # supervisord killed: everything it left is found and ended, then started anew
    first = processes_of(controller)
    os.kill(next(ours.pid for ours, name in first.items() if not name), signal.SIGKILL)
    assert {status.state for status in stack.statuses()} == {"stopped"}
    stack = bring_up(controller)
    assert not [ours for ours in first if ours.is_running()]
    assert all(status.is_healthy for status in stack.statuses())

    # down: no process, no port, no socket; data, logs and results stay
    second, folder = processes_of(controller), stack._supervisor.socket_path.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    stack.down()
    stack.down()
    assert not [ours for ours in second if ours.is_running()]
    assert not [port for port in ports.values() if is_listening(port)]
    assert not folder.exists()
    assert load_state(controller.state_dir) is None
    assert list(controller.state_dir.glob("data/*/appendonlydir"))
    assert stack.settings.results_dir.is_dir()


def test_a_service_that_fails_stops_what_was_started(
    make_controller: MakeController, checkout: Path, ports: dict[str, str]
) -> None:
    """The message holds its name and the end of its log, and nothing stays."""
    (checkout / "upstream").unlink()
    (checkout / "upstream").mkdir()
    (checkout / "upstream" / "__init__.py").touch()
    (checkout / "upstream" / "__main__.py").write_text("raise SystemExit('no such luck')")
    controller = make_controller()

    with pytest.raises(StackError, match=r"^upstream did not become healthy") as caught:
        bring_up(controller)

    assert "no such luck" in str(caught.value).splitlines()[-1]
    assert controller.state is None
    assert not is_listening(ports["POOLBENCH_REDIS_PORT"])


def test_a_taken_port_stops_it_before_anything_starts(
    make_controller: MakeController, ports: dict[str, str]
) -> None:
    """Nothing has started when the message comes."""
    controller = make_controller()
    with socket.create_server(("127.0.0.1", int(ports["POOLBENCH_FLOWER_PORT"]))):
        with pytest.raises(StackError, match="POOLBENCH_FLOWER_PORT"):
            bring_up(controller)

        assert controller.state is None
        assert not is_listening(ports["POOLBENCH_REDIS_PORT"])


def test_a_broker_that_is_named_is_used_and_none_started(
    make_controller: MakeController, server: Server
) -> None:
    """The stack has no broker of its own then; one that can't be used is told without its password.

    Nothing has started when the message comes.
    """
    stack = make_controller(POOLBENCH_REDIS_URL=server.url).choose_stack("local")
    assert isinstance(stack, LocalStack)
    assert "redis" not in {service.name for service in stack.services}
    check_start(stack.settings, notify=print)

    for port, trouble in ((server.port, "refuses the password"), (free_port(), "no answer from")):
        named = make_controller(POOLBENCH_REDIS_URL=f"redis://:wrong@127.0.0.1:{port}/0")
        with pytest.raises(StackError, match=trouble) as caught:
            bring_up(named)
        assert "wrong" not in str(caught.value)
        assert named.state is None
