"""The upstream service as a process, over real sockets."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import time
import urllib.request
from collections import Counter

from poolbench.errors import ExitCode
from tests.conftest import wait_until
from tests.integration.working import Upstream, running_upstream
from tests.processes import run_python
from upstream.cli import raise_open_files_limit

#: Requests that wait at once; each holds a socket here and one there.
HELD = 5_000


async def _ask(port: int, *, delay_ms: float, size_bytes: int = 10) -> tuple[int, int]:
    """Return an answer's status and length, from a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    target = f"/wait?delay_ms={delay_ms}&size_bytes={size_bytes}"
    writer.write(f"GET {target} HTTP/1.1\r\nhost: upstream\r\nconnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), len(body)


def test_a_connection_is_kept_and_answers_without_delay(upstream: Upstream) -> None:
    """A hundred requests one after another don't each wait for a delayed acknowledgement."""
    connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=10)
    begun_s = time.monotonic()

    for _ in range(100):
        connection.request("GET", "/wait?delay_ms=0&size_bytes=100")
        assert len(connection.getresponse().read()) == 100

    elapsed_s = time.monotonic() - begun_s
    connection.close()
    assert elapsed_s < 3.0  # 40 ms for each would be 4 s


def test_a_stop_answers_all_the_five_thousand_that_wait() -> None:
    """It holds 5,000 at once and says so; SIGTERM: each gets 503, and the exit code is 0."""
    raise_open_files_limit(2 * HELD)

    with running_upstream() as upstream:
        url = f"http://127.0.0.1:{upstream.port}/ceiling"

        def are_held() -> bool:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return bool(json.load(answer)["waiting"] == HELD)

        async def stop_while_waiting() -> list[tuple[int, int]]:
            asked = asyncio.gather(*(_ask(upstream.port, delay_ms=600_000) for _ in range(HELD)))
            what = f"{HELD} requests to wait"
            await asyncio.to_thread(wait_until, are_held, what=what, within_s=60, every_s=0.2)
            upstream.process.send_signal(signal.SIGTERM)
            return await asked

        answers = asyncio.run(stop_while_waiting())

        assert Counter(status for status, _ in answers) == {503: HELD}
        assert upstream.process.wait(20) == ExitCode.OK


def test_ctrl_c_ends_it() -> None:
    """SIGINT ends it with the code of an interrupt, and no traceback."""
    with running_upstream() as upstream:
        upstream.process.send_signal(signal.SIGINT)

        assert upstream.process.wait(10) == ExitCode.INTERRUPTED
        assert upstream.process.stderr is not None
        assert not upstream.process.stderr.read()


def test_a_taken_port_is_one_line(upstream: Upstream) -> None:
    """Where something listens already, the message names the place; exit 3."""
    done = run_python("-m", "upstream", "--port", str(upstream.port))

    assert done.returncode == ExitCode.STACK
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"upstream: can't listen on 127.0.0.1:{upstream.port}: Address already")
