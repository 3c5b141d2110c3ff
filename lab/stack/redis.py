"""Runs the local stack's broker; the server reads its configuration from standard input."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from lab.stack.services import broker_password, redis_port
from lab.system.paths import ROOT
from lab.system.redis_server import ServerBinary, find_server, server_configuration
from poolbench.errors import PoolbenchError, StackError
from poolbench.settings import load_settings

#: Keeps the server from overwriting its environment, which identifies it as the stack's.
_KEEP_ENVIRONMENT = "set-proc-title no\n"


def data_folder(binary: ServerBinary, *, data: Path) -> Path:
    """Return the folder of a server's data, named by server and version.

    Servers can't share data: another version rejects the file, or reads it as empty.

    Raises:
        StackError: if the server doesn't print its version.
    """
    done = subprocess.run([binary.path, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"(\w+) server v=(\d+\.\d+)", done.stdout)
    if found is None:
        raise StackError(f"{binary.path} printed no version: {done.stdout.strip()[:80]!r}")
    return data / f"{found[1].lower()}-{found[2]}"


def main() -> None:
    """Replace this process by the server of the settings in the environment."""
    settings = load_settings(dotenv=ROOT / ".env")
    binary = find_server()
    folder = data_folder(binary, data=ROOT / settings.state_dir / "data")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = server_configuration(
        port=redis_port(settings), password=broker_password(settings), folder=folder
    )
    reading, writing = os.pipe()
    os.write(writing, (text + _KEEP_ENVIRONMENT).encode())  # far below a pipe's capacity
    os.close(writing)
    os.dup2(reading, sys.stdin.fileno())
    os.execv(binary.path, [binary.path.name, "-"])  # noqa: S606 -- that is what it is for


if __name__ == "__main__":
    try:
        main()
    except PoolbenchError as error:
        sys.exit(f"poolbench: {error}")
