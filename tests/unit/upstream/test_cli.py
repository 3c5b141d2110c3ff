"""The command line of upstream, up to the first request."""

from __future__ import annotations

import resource
import socket
from contextlib import closing

import pytest

from poolbench.errors import ExitCode, UsageError
from upstream import cli


def test_the_port_is_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --port it is POOLBENCH_UPSTREAM_PORT, so that jobs and service agree."""
    monkeypatch.setenv("POOLBENCH_UPSTREAM_PORT", "8399")

    options = cli._parse([])

    assert (options.host, options.port) == ("127.0.0.1", 8_399)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "65536"], "--port = 65536 is invalid: must be a whole number from 0 to 65535"),
        (["--port", "-1"], "--port = -1 is"),
        (["--port", "x"], "--port = x is"),
        (["--prt", "1"], "--prt"),
        (["stray"], "stray"),
    ],
)
def test_words_that_mean_nothing_are_one_line(words: list[str], said: str) -> None:
    """What argparse refuses is a fault like any other, without its usage text."""
    with pytest.raises(UsageError, match=said) as caught:
        cli._parse(words)

    assert caught.value.exit_code == ExitCode.USAGE
    assert "\n" not in str(caught.value)


def test_answers_are_not_held_back() -> None:
    """What is accepted sends at once: two small writes don't wait for an acknowledgement."""
    with (
        closing(cli.listen("127.0.0.1", port=0)) as listener,
        closing(socket.create_connection(listener.getsockname())),
        closing(listener.accept()[0]) as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(("soft", "wanted", "raised"), [(256, 300, 300), (256, 16, 256)])
def test_a_low_limit_of_open_files_is_raised(soft: int, wanted: int, raised: int) -> None:
    """A laptop's soft limit of 256 isn't the end of 5,000 requests; more is not taken away."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        cli.raise_open_files_limit(wanted)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (raised, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
