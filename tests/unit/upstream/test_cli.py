"""The command line of upstream, up to the first request."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from poolbench.errors import ExitCode, StackError, UsageError
from upstream import cli


@pytest.fixture
def open_files() -> Iterator[tuple[int, int]]:
    """The limits of open files, put back afterwards."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield limits
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_the_port_is_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --port it is POOLBENCH_UPSTREAM_PORT, so that jobs and service agree."""
    monkeypatch.setenv("POOLBENCH_UPSTREAM_PORT", "8399")

    options = cli._parse([])

    assert (options.host, options.port) == ("127.0.0.1", 8_399)


@pytest.mark.parametrize("words", [["--port", "65536"], ["--port", "-1"]])
def test_an_impossible_port_names_the_bounds(words: list[str]) -> None:
    """A port out of bounds is refused with the bounds."""
    with pytest.raises(UsageError, match="is invalid: must be 0 to 65535"):
        cli._parse(words)


@pytest.mark.parametrize("words", [["--port", "x"], ["--prt", "1"], ["stray"]])
def test_words_that_mean_nothing_are_one_line(words: list[str]) -> None:
    """What argparse refuses is a fault like any other, without its usage text."""
    with pytest.raises(UsageError) as caught:
        cli._parse(words)

    assert caught.value.exit_code == ExitCode.USAGE
    assert "\n" not in str(caught.value)


def test_a_strange_host_is_a_failed_stack() -> None:
    """An address that isn't ours can't be listened on."""
    with pytest.raises(StackError, match=r"can't listen on 192\.0\.2\.1:0"):
        cli.listen("192.0.2.1", port=0)


def test_answers_are_not_held_back() -> None:
    """What is accepted sends at once: two small writes don't wait for an acknowledgement."""
    with (
        closing(cli.listen("127.0.0.1", port=0)) as listener,
        closing(socket.create_connection(listener.getsockname())),
        closing(listener.accept()[0]) as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_low_limit_of_open_files_is_raised(open_files: tuple[int, int]) -> None:
    """A laptop's soft limit of 256 isn't the end of 5,000 requests."""
    _, hard = open_files
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))

    cli.raise_open_files_limit(300)

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, hard)


def test_a_high_limit_of_open_files_stays(open_files: tuple[int, int]) -> None:
    """More than is needed isn't taken away."""
    soft, hard = open_files

    cli.raise_open_files_limit(16)

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)
