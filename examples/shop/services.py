"""Run what the shop depends on until Ctrl-C: a Redis server, and the supplier.

Started by the checkout's Python. The server has a fixed port and password, both for loopback only.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

from lab.system.redis_server import RedisServer
from lab.system.signals import interrupt_on_signals
from poolbench.errors import PoolbenchError

REDIS_PORT = 6395
REDIS_PASSWORD = "shop"  # noqa: S105 -- the shop's settings have it too
SUPPLIER_PORT = 8395


def main() -> int:
    """Serve until a signal; return the exit code."""
    interrupt_on_signals(lambda: None)
    try:
        return serve()
    except PoolbenchError as error:
        sys.stderr.write(f"services: {error}\n")
        return error.exit_code


def serve() -> int:
    """Serve until a signal, or until the supplier ends; return the exit code."""
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        supplier = [sys.executable, "-m", "upstream", "--host", "127.0.0.1"]
        with RedisServer(folder=Path(folder), port=REDIS_PORT, password=REDIS_PASSWORD) as server:
            upstream = subprocess.Popen([*supplier, "--port", str(SUPPLIER_PORT)])
            try:
                sys.stdout.write(f"{server.url()}\nhttp://127.0.0.1:{SUPPLIER_PORT}\n")
                sys.stdout.flush()
                return upstream.wait()
            finally:
                upstream.terminate()
                upstream.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
