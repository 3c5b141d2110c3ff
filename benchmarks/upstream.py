"""Measures upstream's rate and its capacity for waiting requests: `python -m benchmarks.upstream`.

It starts an upstream process and measures the answers a second without delay, next to the ceiling
that upstream reports; then the memory and the lateness of `HELD` concurrent requests.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from typing import Any

import psutil

from lab.instruments.ceilings import answers_per_s
from lab.system.redis_server import free_port
from upstream.cli import raise_open_files_limit

ROUNDS = 5
TARGETS = {
    "1 kB": "/wait?delay_ms=0&size_bytes=1024",
    "1 kB, drawn": "/wait?delay_ms=0&size_bytes=1024&tail_sigma=1&failure_share=0",
    "64 kB of JSON": "/json?delay_ms=0&size_bytes=65536",
    "1 MB": "/wait?delay_ms=0&size_bytes=1000000",
}
HELD = 5_000
#: Delay of these requests, seconds: the last one arrives before the first is answered.
HELD_S = 10.0


def main() -> None:
    """Start upstream, measure, print, end it."""
    raise_open_files_limit(2 * HELD)
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "upstream", "--port", str(port)]) as process:
        try:
            _await(port)
            for name, target in TARGETS.items():
                _print_ceiling(port, name=name, target=target)
            _print_held(port, process=psutil.Process(process.pid))
        finally:
            process.terminate()


def _await(port: int) -> None:
    deadline_s = time.monotonic() + 15
    while time.monotonic() < deadline_s:
        try:
            facts(port)
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("upstream did not start")


def facts(port: int) -> dict[str, Any]:
    """Return upstream's own figures."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/ceiling", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _print_ceiling(port: int, *, name: str, target: str) -> None:
    rates_per_s = [answers_per_s(port, target=target) for _ in range(ROUNDS)]
    reported = facts(port)
    print(
        f"{name:<14} {statistics.median(rates_per_s):6,.0f}/s "
        f"[{min(rates_per_s):,.0f}-{max(rates_per_s):,.0f}], "
        f"reported ceiling {reported['ceiling_per_s']:,.0f}/s: "
        f"{reported['cpu_s_per_request'] * 1e6:.0f} us of CPU a request"
    )


def _print_held(port: int, *, process: psutil.Process) -> None:
    empty_bytes = process.memory_info().rss
    begun_s = time.monotonic()
    lags_s, held_bytes, most = asyncio.run(_hold(port, process=process))
    print(
        f"{most:,} waiting at once: {(held_bytes - empty_bytes) / 1e6:.0f} MB more than "
        f"{empty_bytes / 1e6:.0f} MB, {(held_bytes - empty_bytes) / most / 1e3:.1f} kB each"
    )
    lags_s.sort()
    print(
        f"answers later than requested: p50 {lags_s[len(lags_s) // 2] * 1e3:.0f} ms, "
        f"p99 {lags_s[int(len(lags_s) * 0.99)] * 1e3:.0f} ms, of {len(lags_s):,}; "
        f"in all {time.monotonic() - begun_s:.1f} s"
    )


async def _hold(port: int, *, process: psutil.Process) -> tuple[list[float], int, int]:
    asked = asyncio.gather(*(_ask(port) for _ in range(HELD)))
    held_bytes = most = 0
    while not asked.done():
        await asyncio.sleep(0.2)
        reported = await asyncio.to_thread(facts, port)
        held_bytes = max(held_bytes, process.memory_info().rss)
        most = max(most, reported["waiting"])
    return await asked, held_bytes, most


async def _ask(port: int) -> float:
    """Return how much later than requested an answer arrived, seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    target = f"/wait?delay_ms={HELD_S * 1_000}&size_bytes=100"
    writer.write(f"GET {target} HTTP/1.1\r\nhost: upstream\r\nconnection: close\r\n\r\n".encode())
    begun_s = time.monotonic()
    answer = await reader.read(-1)
    lag_s = time.monotonic() - begun_s - HELD_S
    writer.close()
    await writer.wait_closed()
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"no whole answer: {answer[:80]!r}")
    return lag_s


if __name__ == "__main__":
    main()
