"""The commands of docs/your-app.md, run in their order as a reader would, on a copy of the shop."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = Path("docs/your-app.md").read_text(encoding="utf-8")

COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    for line in block.splitlines()
]

#: The reader's minutes, shortened.
SHORTER = {
    "--rate 8 --for 130": "--rate 25 --for 24",
    "--for 2m": "--for 20s",
    "try.toml --i-know": "try.toml --i-know --repetitions 1",
}

#: Exit codes other than 0: a recording that is as short has too little evidence for advice, which
#: tests/e2e/test_advise.py gets from a longer one.
EXIT_CODES = {"poolbench advise": 1}

#: What a command may take at the most, seconds.
LIMIT_S = 300.0

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


class Reader:
    """Runs the page's commands; keeps those that run beside others."""

    def __init__(self, shop: Path, *, results: Path) -> None:
        self._shop = shop
        self._environment = {**os.environ, "COLUMNS": "100", "POOLBENCH_RESULTS_DIR": str(results)}
        self._beside: list[subprocess.Popen[str]] = []

    def run(self, command: str) -> str:
        """Run a command; return what it printed. One that ends with ``&`` is left running."""
        for text, shorter in {"examples/shop": str(self._shop), **SHORTER}.items():
            command = command.replace(text, shorter)
        if "poolbench record" in command:
            return self._record(command)
        if command.endswith("&"):
            self._start(command.removesuffix("&"))
            return ""
        ended = subprocess.run(
            ["sh", "-c", command],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        expected = next((code for text, code in EXIT_CODES.items() if text in command), 0)
        assert ended.returncode == expected, f"{command}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def close(self) -> None:
        """End what still runs."""
        for process in reversed(self._beside):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)

    def _start(self, command: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["sh", "-c", command], env=self._environment, text=True, start_new_session=True
        )
        self._beside.append(process)
        return process

    def _record(self, command: str) -> str:
        """Run the recorded worker until its recording has ended, then end it."""
        worker, recording = self._start(command), self._shop / "shop.pbrec"
        deadline_s = time.monotonic() + LIMIT_S
        while not (recording.exists() and '"m":"ended"' in recording.read_text(encoding="utf-8")):
            assert worker.poll() is None, f"{command} ended with exit code {worker.returncode}"
            assert time.monotonic() < deadline_s, f"{command}: the recording has not ended"
            time.sleep(0.2)
        opening = recording.read_text(encoding="utf-8").partition("\n")[0]
        os.kill(json.loads(opening)["worker_pid"], signal.SIGTERM)
        worker.wait(60)
        return ""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader with a copy of the shop, since the page creates an environment in its folder."""
    shop = tmp_path / "shop"
    shutil.copytree("examples/shop", shop, ignore=shutil.ignore_patterns(".venv", "*.pbrec"))
    reader = Reader(shop, results=tmp_path / "results")
    yield reader
    reader.close()


def test_the_page_leads_from_the_wheel_to_the_advice(reader: Reader) -> None:
    """Every command works; the profile names the shop's tasks, and the advice what it needs."""
    printed = {command: reader.run(command) for command in COMMANDS}

    profile = next(text for command, text in printed.items() if "poolbench profile" in command)
    assert "shop.fetch_price" in profile
    tried = next(text for command, text in printed.items() if "poolbench run" in command)
    assert "jobs accounted for" in tried
    advice = next(text for command, text in printed.items() if "poolbench advise" in command)
    assert "Record for 60 s at least" in " ".join(advice.split())
