"""supervisord's configuration and the folder of its socket."""

from __future__ import annotations

import configparser
import os
import socket
from pathlib import Path

import pytest

from lab.stack.services import CONTAINERS, WORKER_STOP_S, Layout, Service, services
from lab.stack.supervisor import (
    Supervisor,
    configuration,
    make_runtime_folder,
    runtime_folder,
)
from poolbench.errors import StackError


def parsed() -> configparser.RawConfigParser:
    """Return the configuration as supervisord's parser reads it."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(configuration(services(CONTAINERS)))
    return parser


def layout_at(state_dir: Path) -> Layout:
    """Return a layout with that state folder."""
    return Layout(root=state_dir.parent, state_dir=state_dir, results_dir=state_dir)


@pytest.mark.parametrize("service", services(CONTAINERS), ids=lambda service: service.name)
def test_every_service_is_a_program(service: Service) -> None:
    """Programs restart, and write one log each."""
    program = parsed()[f"program:{service.name}"]

    assert program["autorestart"] == "true"
    assert program["stdout_logfile"] == f"logs/{service.name}.log"
    assert program["redirect_stderr"] == "true"


def test_workers_get_time_to_finish_and_take_their_children_along() -> None:
    """SIGTERM goes to the worker alone; the kill after it to all of its group."""
    program = parsed()["program:worker-prefork"]

    assert program["stopwaitsecs"] == str(WORKER_STOP_S)
    assert program["killasgroup"] == "true"
    assert "stopasgroup" not in program


@pytest.mark.parametrize(("uid", "is_told"), [(0, True), (1234, False)])
def test_only_root_is_told_whom_to_be(
    monkeypatch: pytest.MonkeyPatch, uid: int, *, is_told: bool
) -> None:
    """A uid without a name is refused by supervisord. Patched: a test has one uid."""
    monkeypatch.setattr("lab.stack.supervisor.os.getuid", lambda: uid)

    assert ("user=root" in configuration(services(CONTAINERS))) == is_told


def test_the_configuration_holds_no_path_of_this_machine() -> None:
    """A ` ;` or `%` in a path would be read as something else."""
    text = configuration(services(CONTAINERS))

    assert str(Path.cwd()) not in text
    assert os.path.expanduser("~") + "/" not in text  # noqa: PTH111 -- a string is wanted


def test_the_socket_lies_in_the_session_s_runtime_folder(tmp_path: Path) -> None:
    """Where the system gives one, it is short, private and cleared at logout."""
    short = Path("/tmp") / f"pb-{os.getpid()}"  # noqa: S108 -- a short path is the point
    short.mkdir()
    try:
        folder = runtime_folder(
            layout_at(tmp_path / "state"), environ={"XDG_RUNTIME_DIR": str(short)}
        )
    finally:
        short.rmdir()

    assert folder.parent == short


def test_a_deep_checkout_gets_a_short_socket(tmp_path: Path) -> None:
    """A UNIX socket's path holds about 100 bytes, however deep the clone lies."""
    deep = tmp_path.joinpath(*["deep"] * 40)

    for environ in ({}, {"XDG_RUNTIME_DIR": str(deep)}, {"XDG_RUNTIME_DIR": "/gone"}):
        folder = runtime_folder(layout_at(deep), environ=environ)
        assert len(str(folder / "supervisor.sock")) < 70


def test_two_checkouts_have_two_sockets(tmp_path: Path) -> None:
    """Stacks of two clones don't meet."""
    first, second = (runtime_folder(layout_at(tmp_path / name), environ={}) for name in "ab")

    assert first != second


def test_the_runtime_folder_is_its_owner_s_alone(tmp_path: Path) -> None:
    """Whoever can reach the socket can start and stop services."""
    folder = tmp_path / "runtime"

    make_runtime_folder(folder)
    make_runtime_folder(folder)

    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    """Somebody may have laid it there."""
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o755)

    with pytest.raises(StackError, match="not a folder of yours alone"):
        make_runtime_folder(folder)


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    """A link leads wherever its maker wants."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.mkdir(mode=0o700)
    link.symlink_to(target)

    with pytest.raises(StackError, match="not a folder of yours alone"):
        make_runtime_folder(link)


def test_a_supervisor_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    """A stale socket path is told, not waited for."""
    with pytest.raises(StackError, match="supervisord doesn't answer"):
        Supervisor(tmp_path / "none.sock").states()


def test_a_supervisor_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts a call and never answers. Patched: nobody waits ten seconds for a test."""
    monkeypatch.setattr("lab.stack.supervisor._CALL_TIMEOUT_S", 0.1)
    path = tmp_path / "hung.sock"
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(path))
        hung.listen()

        with pytest.raises(StackError, match=r"supervisord doesn't answer .*timed out"):
            Supervisor(path).states()

    assert socket.getdefaulttimeout() is None


def test_a_configuration_it_refuses_is_told(tmp_path: Path) -> None:
    """Its own last line says what is wrong."""
    config = tmp_path / "broken.conf"
    config.write_text("[supervisord]\nlogfile=/nonexistent/folder/x.log\n", encoding="utf-8")

    with pytest.raises(StackError, match=r"supervisord did not start: .*/nonexistent/folder"):
        Supervisor(tmp_path / "s.sock").start(config=config, environment=dict(os.environ))
