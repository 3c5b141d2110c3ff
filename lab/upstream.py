"""The slow service that I/O jobs call, for the length of a lab run."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from lab import children, server
from poolbench.errors import StackError

#: How long it may take until it answers, seconds.
UPSTREAM_TIMEOUT_S = 15.0


@contextlib.contextmanager
def open_upstream(logs: Path) -> Iterator[dict[str, str]]:
    """Run upstream on a free port; give the variables by which jobs find it."""
    port = server.free_port()
    command = [sys.executable, "-m", "upstream", "--host", "127.0.0.1", "--port", str(port)]
    child = children.start(command, name="upstream", log=logs / "upstream.log")
    try:
        deadline_s = time.monotonic() + UPSTREAM_TIMEOUT_S
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/health", timeout=1.0).is_success:
                    break
            if child.exit_code is not None or time.monotonic() > deadline_s:
                raise StackError(f"upstream did not start: {child.last_line()}")
            time.sleep(0.05)
        yield {"POOLBENCH_UPSTREAM_HOST": "127.0.0.1", "POOLBENCH_UPSTREAM_PORT": str(port)}
    finally:
        child.end()
