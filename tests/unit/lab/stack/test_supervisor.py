"""supervisord's configuration, and calls over its socket."""

from __future__ import annotations

import configparser
import os
import socket
from pathlib import Path

import pytest

from lab.stack.services import WORKER_STOP_S, all_services
from lab.stack.supervisor import Supervisor, configuration, socket_folder
from poolbench.errors import StackError
from poolbench.settings import load_settings

SERVICES = all_services(load_settings({}, dotenv=None))


def test_services_are_programs_and_workers_get_time_to_finish() -> None:
    """They restart, and write one log each; the kill after SIGTERM goes to a worker's group."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(configuration(SERVICES))

    for service in SERVICES:
        program = parser[f"program:{service.name}"]
        assert program["autorestart"] == "true"
        assert program["stdout_logfile"] == f"logs/{service.name}.log"
        assert program["redirect_stderr"] == "true"
    worker = parser["program:worker-prefork"]
    assert worker["stopwaitsecs"] == str(WORKER_STOP_S)
    assert worker["killasgroup"] == "true"
    assert "stopasgroup" not in worker


@pytest.mark.parametrize(("uid", "is_told"), [(0, True), (1234, False)])
def test_only_root_is_told_whom_to_be(
    monkeypatch: pytest.MonkeyPatch, uid: int, *, is_told: bool
) -> None:
    """A uid without a name is refused by supervisord. Patched: a test has one uid."""
    monkeypatch.setattr("lab.stack.supervisor.os.getuid", lambda: uid)

    assert ("user=root" in configuration(SERVICES)) == is_told


def test_the_configuration_holds_no_path_of_this_machine() -> None:
    """A ` ;` or `%` in a path would be read as something else."""
    text = configuration(SERVICES)

    assert str(Path.cwd()) not in text
    assert os.path.expanduser("~") + "/" not in text  # noqa: PTH111 -- a string is wanted


def test_each_stack_has_a_short_socket_path_of_its_own() -> None:
    """A UNIX socket's path has at most about 100 bytes, however deep the clone is."""
    first, second = (str(socket_folder(token * 32) / "supervisor.sock") for token in "ab")

    assert first != second
    assert len(first) < 70


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
