"""What the recorder promises, fed by hand through a pipe."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from lab.system.redis_server import RedisServer
from poolbench.keys import LINES_FIELD, records_stream
from poolbench.pipe import RecorderSettings, start_recorder
from poolbench.recorder import PRESENCE_REFRESH_S, Recorder
from tests.conftest import Server, wait_until

#: A broker that is never there.
NOBODY = "redis://127.0.0.1:1/0"


@dataclass(slots=True, kw_only=True)
class Fed:
    """A recorder and the writing end of its pipe."""

    process: subprocess.Popen[bytes]
    fd: int

    def feed(self, *lines: bytes) -> None:
        """Write lines, each in one go."""
        for line in lines:
            os.write(self.fd, line + b"\n")

    def close(self) -> None:
        """Be the last writer who goes."""
        os.close(self.fd)
        self.fd = -1

    def end(self) -> int:
        """Close the pipe; return the recorder's exit code."""
        self.close()
        return self.process.wait(20)

    @property
    def said(self) -> str:
        """All it said, once it has ended."""
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()


Start = Callable[[RecorderSettings | bytes], Fed]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start recorders; none outlives the test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    started: list[Fed] = []

    def start(settings: RecorderSettings | bytes) -> Fed:
        reader, writer = os.pipe()
        process = start_recorder(reader, stderr=subprocess.PIPE)
        os.close(reader)
        fed = Fed(process=process, fd=writer)
        started.append(fed)
        os.write(writer, settings if isinstance(settings, bytes) else settings.encode())
        return fed

    yield start
    for fed in started:
        if fed.fd >= 0:
            fed.close()
        fed.process.kill()
        fed.process.wait()
        if fed.process.stderr is not None:
            fed.process.stderr.close()


def _line(run: str, seq: int) -> bytes:
    return b'{"v":1,"m":"received","run":"%s","seq":%d,"t_ns":1}' % (run.encode(), seq)


def _stored(client: redis.Redis, run: str) -> list[str]:
    entries: Any = client.xrange(records_stream(run))
    return [line for _, entry in entries for line in entry[LINES_FIELD].splitlines()]


def test_lines_reach_their_runs_in_order(server: Server, client: redis.Redis, start: Start) -> None:
    """Lines of two runs, mixed, lie in two streams, in order, many in an entry."""
    fed = start(RecorderSettings(redis_url=server.url))
    fed.feed(*(_line(run, seq) for seq in range(700) for run in ("one", "two")))
    assert fed.end() == 0

    for run in ("one", "two"):
        assert _stored(client, run) == [_line(run, seq).decode() for seq in range(700)]
        assert client.xlen(records_stream(run)) < 70
    assert fed.said == ""


def test_the_password_is_in_no_argument_and_no_environment(server: Server, start: Start) -> None:
    """The recorder is told the broker's address through its pipe alone."""
    process = psutil.Process(start(RecorderSettings(redis_url=server.url)).process.pid)
    # Popen returns while Linux still sets up the program's memory: until then /proc shows neither
    wait_until(lambda: "poolbench.recorder" in process.cmdline(), what="the recorder's command")
    arguments, environment = process.cmdline(), process.environ()
    assert "PATH" in environment
    assert server.password not in " ".join([*arguments, *environment.values()])


def test_garbled_lines_stop_nothing(server: Server, client: redis.Redis, start: Start) -> None:
    """What is no line of ours is dropped with one word, and its neighbours are kept."""
    fed = start(RecorderSettings(redis_url=server.url))
    rubbish = [b"", b"\xff\xfe", b"{", b'{"v":9,"m":"received","run":"x"}', b"[" * 3_000, b"null"]
    # runs that can be no key
    rubbish += [_line("../etc", 1), _line("", 1)]
    for seq, bad in enumerate(rubbish):
        fed.feed(bad, _line("one", seq))
    os.write(fed.fd, b"no end " * 900)
    assert fed.end() == 0

    assert _stored(client, "one") == [_line("one", seq).decode() for seq in range(len(rubbish))]
    said = fed.said
    assert "garbled" in said
    assert said.count("\n") == 1


def test_a_worker_is_seen_while_its_pipe_is_open(
    server: Server, client: redis.Redis, start: Start
) -> None:
    """A heartbeat is a key with an expiry, gone with the last writer."""
    fed = start(RecorderSettings(redis_url=server.url))
    heartbeat = {"v": 1, "m": "alive", "t_ns": 7, "contender": "c", "host": "h", "pid": 12}
    fed.feed(json.dumps(heartbeat).encode())
    key = "poolbench:worker:c:h-12"
    wait_until(lambda: bool(client.exists(key)), what=key)
    stored, expiry_s = client.get(key), client.ttl(key)
    assert fed.end() == 0

    assert json.loads(str(stored)) == heartbeat
    assert isinstance(expiry_s, int)
    assert 0 < expiry_s <= 15
    assert not client.exists(key)


def test_a_worker_in_a_long_job_is_still_seen(server: Server, client: redis.Redis) -> None:
    """Without a fresh heartbeat, the last one is shown again while the pipe is open."""
    recorder = Recorder(RecorderSettings(redis_url=server.url))
    recorder._sort(b'{"v":1,"m":"alive","contender":"c","host":"h","pid":12}\n')
    assert recorder._deliver()
    client.flushall()

    recorder._refresh_presence()
    assert recorder._deliver()
    assert not client.exists("poolbench:worker:c:h-12")
    recorder._shown_at_s -= 2 * PRESENCE_REFRESH_S
    recorder._refresh_presence()
    assert recorder._deliver()
    assert client.exists("poolbench:worker:c:h-12")
    recorder._client.close()


def test_a_signal_to_the_group_is_not_for_it(
    server: Server, client: redis.Redis, start: Start
) -> None:
    """While writers live, the signals that end a worker don't end its recorder."""
    fed = start(RecorderSettings(redis_url=server.url))
    # at once, while it imports, and again when it surely runs
    for seq in range(2):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            fed.process.send_signal(number)
        fed.feed(_line("one", seq))
        wait_until(lambda: len(_stored(client, "one")) == seq + 1, what="the line")  # noqa: B023 -- called at once
    assert fed.end() == 0


def test_lines_that_nobody_takes_are_left_in_a_file(start: Start, tmp_path: Path) -> None:
    """When Redis stays away for the grace, the lines are in a private file, and it says where.

    If the state's folder can't be written, that is in the system's temporary folder.
    """
    (tmp_path / "file").touch()
    for state, folder in (("state", tmp_path / "state"), ("file/state", tmp_path)):
        settings = RecorderSettings(redis_url=NOBODY, state_dir=str(tmp_path / state), grace_s=0.1)
        fed = start(settings)
        fed.feed(_line("one", 0))
        # a last line without its end is one
        os.write(fed.fd, _line("two", 0))
        assert fed.end() == 0

        (kept,) = folder.glob("undelivered-*.lines")
        assert sorted(kept.read_bytes().splitlines()) == [_line("one", 0), _line("two", 0)]
        assert kept.stat().st_mode & 0o077 == 0
        assert f"2 undelivered lines are in {kept}" in fed.said


def test_the_grace_is_cut_short_by_sigterm(start: Start, tmp_path: Path) -> None:
    """Once its worker is gone, SIGTERM makes it save what it holds at once."""
    fed = start(RecorderSettings(redis_url=NOBODY, state_dir=str(tmp_path), grace_s=60.0))
    fed.feed(_line("one", 0))
    fed.close()

    def is_ended() -> bool:
        # until it knows of the end, it ignores the signal
        fed.process.terminate()
        return fed.process.poll() is not None

    wait_until(is_ended, what="the recorder's end", every_s=0.1)
    assert len(list(tmp_path.glob("undelivered-*.lines"))) == 1


def test_reading_stops_at_the_bound(start: Start, tmp_path: Path) -> None:
    """Without Redis it holds as much as the bound, then the pipe fills; nothing is lost by it."""
    bound = 200_000
    fed = start(
        RecorderSettings(
            redis_url=NOBODY, state_dir=str(tmp_path), grace_s=0.1, buffer_max_bytes=bound
        )
    )
    os.set_blocking(fed.fd, False)
    written = 0

    def size_bytes() -> int:
        return sum(len(_line("one", seq)) + 1 for seq in range(written))

    def stays_full() -> bool:
        nonlocal written
        before = written
        with contextlib.suppress(BlockingIOError):
            while True:
                fed.feed(_line("one", written))
                written += 1
        return written == before and size_bytes() > bound

    wait_until(stays_full, what="a pipe that stays full", every_s=0.3)
    assert size_bytes() < 4 * bound
    assert fed.end() == 0
    (kept,) = tmp_path.glob("undelivered-*.lines")
    assert len(kept.read_bytes().splitlines()) == written


def test_a_wrong_password_is_redis_away(server: Server, start: Start, tmp_path: Path) -> None:
    """What Redis refuses is kept like what it can't be told; the password is not shown."""
    url = f"redis://:0123wrong4567@127.0.0.1:{server.port}/0"
    fed = start(RecorderSettings(redis_url=url, state_dir=str(tmp_path), grace_s=0.1))
    fed.feed(_line("one", 0))
    assert fed.end() == 0
    said = fed.said
    assert "does not accept lines" in said
    assert "0123wrong4567" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "first",
    [b"rubbish\n", b"", b'{"redis_url":"amqp://x"}\n', b'{"m":"received"}\n', b"[]\n"],
)
def test_a_pipe_without_settings_is_refused(first: bytes, start: Start) -> None:
    """Without usable settings it says so in one line and ends."""
    fed = start(first)
    assert fed.end() == 2
    assert fed.said.count("\n") == 1


def test_a_redis_that_comes_late_gets_the_kept_lines(start: Start, tmp_path: Path) -> None:
    """Lines written before Redis was there are delivered when it is, within the grace."""
    server = RedisServer(folder=tmp_path)
    fed = start(RecorderSettings(redis_url=server.url(), grace_s=30.0))
    fed.feed(*(_line("one", seq) for seq in range(10)))
    fed.close()
    with server:
        assert fed.process.wait(20) == 0
        with redis.Redis.from_url(server.url(), decode_responses=True) as client:
            assert len(_stored(client, "one")) == 10
