"""What is checked before anything starts."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.stack.preflight import check_disk, check_ports, port_problem
from lab.stack.services import Service
from lab.system.redis_server import free_port
from poolbench.errors import ExitCode, StackError, StorageError
from poolbench.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with folders of the test's own."""
    names = {f"POOLBENCH_{name}_DIR": f"{tmp_path}/{name.lower()}" for name in ("STATE", "RESULTS")}
    return load_settings(names, dotenv=None)


def service_at(port: int | None, *, name: str = "flower") -> Service:
    """Return a service that wants a port."""
    return Service(name=name, command=("x",), summary="", port=port)


def test_every_taken_port_is_told_with_service_and_listener() -> None:
    """The message says who is there, and which setting moves our service; free ports pass."""
    check_ports([service_at(free_port()), service_at(None, name="collector")])

    with (
        socket.create_server(("127.0.0.1", 0)) as first,
        socket.create_server(("127.0.0.1", 0)) as second,
    ):
        port = first.getsockname()[1]
        upstream = service_at(second.getsockname()[1], name="upstream")
        with pytest.raises(StackError) as caught:
            check_ports([service_at(port), upstream])

    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    for part in (f"POOLBENCH_FLOWER_PORT = {port} is", f"(pid {os.getpid()})", "Change it."):
        assert part in lines[0]
    assert caught.value.exit_code == ExitCode.STACK


def test_two_services_at_one_port_are_a_fault() -> None:
    """Settings that contradict each other are seen before anything starts."""
    port = free_port()

    with pytest.raises(StackError, match="redis uses this port too"):
        check_ports([service_at(port, name="redis"), service_at(port)])


def test_a_port_that_rests_after_a_close_is_free() -> None:
    """A stack that went down a second ago doesn't block the next."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        accepted, _ = listener.accept()
        accepted.close()
        listener.close()

    assert port_problem(port) == ""


def test_a_disk_without_space_stops_a_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line instead of services that die of it. Patched: a full disk can't be had in a test."""
    check_disk(settings)

    monkeypatch.setattr(
        "lab.stack.preflight.shutil.disk_usage", lambda _: SimpleNamespace(free=3_000_000)
    )

    with pytest.raises(StorageError, match=r"state has 3 MB left: the stack needs 50 MB"):
        check_disk(settings)


def test_a_results_folder_that_can_not_be_made_stops_a_start(settings: Settings) -> None:
    """A file stands in its place."""
    settings.results_dir.write_text("", encoding="utf-8")

    with pytest.raises(StorageError, match=r"results: "):
        check_disk(settings)
