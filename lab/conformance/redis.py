"""The brokers of a survey: one that most tries share, and one for each try that restarts it."""

from __future__ import annotations

import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from lab.system.redis_server import free_port, start_server

#: Databases that a server has unless it is told otherwise.
DATABASES = 16


@dataclass(slots=True, kw_only=True)
class Server:
    """A Redis-compatible server of a survey's own."""

    folder: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    _process: subprocess.Popen[bytes] | None = None

    def url(self, database: int) -> str:
        """Return the address of one of its databases."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, with the data that it had.

        Raises:
            StackError: if it can't be started.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = start_server(
            port=self.port,
            password=self.password,
            folder=self.folder,
            log=self.folder / "server.log",
        )

    def stop(self) -> None:
        """End it; its data are on the disk then."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
