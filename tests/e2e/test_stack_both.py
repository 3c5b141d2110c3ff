"""Both stacks as people use them: up, submit, ledger closed, Flower, logs, down, nothing left."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from poolbench.pools import available_pools
from poolbench.settings import read_dotenv
from poolbench.summaries import Ledger
from tests.conftest import wait_until
from tests.e2e.conftest import Checkout

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

POOLS = [pool.name for pool in available_pools()]


@pytest.fixture(scope="module", params=["local", "docker"])
def kind(request: pytest.FixtureRequest, checkout: Checkout) -> str:
    """One kind of stack after the other; none is up yet."""
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    checkout.command("poolbench", "down")
    return str(request.param)


@pytest.fixture
def stack(kind: str, checkout: Checkout) -> Checkout:
    """A checkout whose stack of that kind is up, started by the command."""
    if not checkout.is_up:
        checkout.command("poolbench", "up", "--stack", kind)
    return checkout


def login_of(checkout: Checkout) -> str:
    """Return Flower's login, ``user:password``."""
    return read_dotenv(checkout.root / ".env")["FLOWER_BASIC_AUTH"]


def get(checkout: Checkout, path: str, *, login: str = "") -> tuple[int, bytes]:
    """Return status and body of a page of Flower."""
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
    connection = http.client.HTTPConnection("127.0.0.1", checkout.port("flower"), timeout=10)
    try:
        connection.request("GET", path, headers=headers if login else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def get_json(checkout: Checkout, path: str) -> dict[str, Any]:
    """Return what Flower's API answers to a user who is logged in."""
    status, body = get(checkout, path, login=login_of(checkout))
    assert status == http.client.OK, body
    found: dict[str, Any] = json.loads(body)
    return found


def test_every_pool_runs_its_jobs_and_the_ledger_closes(stack: Checkout) -> None:
    """What is sent is done, and the records are on disk, the caller's own."""
    words = ["--pool", "all", "--job", "io.http", "--param", "delay_ms=5", "--count", "40"]
    found = stack.submit(*words)["summary"]

    assert found["state"] == "closed"
    assert sorted(trial["contender"] for trial in found["trials"]) == sorted(POOLS)
    for trial in found["trials"]:
        assert trial["ledger"] == asdict(Ledger(sent=40, done=40))
    folder = stack.root / "results" / found["run"]
    assert (folder / "jobs.parquet").stat().st_uid == os.getuid()


def test_flower_asks_for_a_login(stack: Checkout) -> None:
    """Page and API are closed without it, and open with it."""
    for path in ("/", "/tasks", "/api/workers"):
        assert get(stack, path)[0] == http.client.UNAUTHORIZED
        assert get(stack, path, login="poolbench:wrong")[0] == http.client.UNAUTHORIZED
        assert get(stack, path, login=login_of(stack))[0] == http.client.OK


def test_flower_shows_workers_and_jobs(stack: Checkout) -> None:
    """Workers send events and heartbeats. The job's work is a time: `up` calibrated it."""
    stack.submit("--pool", "solo", "--job", "cpu.primes", "--param", "work_ms=2", "--count", "3")

    def online() -> list[str]:
        found = get_json(stack, "/api/workers?status=1")
        return sorted(name.partition("@")[0] for name, is_up in found.items() if is_up)

    wait_until(lambda: online() == sorted(POOLS), what="four workers in Flower")
    wait_until(
        lambda: any(
            task["name"] == "cpu.primes" and task["state"] == "SUCCESS"
            for task in get_json(stack, "/api/tasks?limit=100").values()
        ),
        what="a finished job in Flower",
    )


def test_ps_shows_every_service_healthy(stack: Checkout) -> None:
    """Every service with state, process id and health; exit code 0."""
    lines = stack.command("poolbench", "ps").splitlines()

    names = [line.split()[0] for line in lines[1:]]
    assert names == ["redis", "upstream", *(f"worker-{p}" for p in POOLS), "flower", "collector"]
    assert all(re.search(r"running +\d+ .* healthy$", line.rstrip()) for line in lines[1:])


def test_logs_name_their_service(stack: Checkout) -> None:
    """The same names and form in both stacks."""
    lines = stack.command("poolbench", "logs", "upstream", "--lines", "5").splitlines()

    assert any(line.startswith("upstream | upstream: listening on http://") for line in lines)
    assert "Did you mean flower?" in stack.run("poolbench", "logs", "flowr").stderr


def test_a_second_up_says_so_and_changes_nothing(stack: Checkout) -> None:
    """It is safe to call twice, and prints the addresses and the login again."""
    before = (stack.root / ".env").read_bytes()

    done = stack.run("poolbench", "up")

    assert done.returncode == 0
    assert "The stack was running" in done.stderr
    assert f"http://127.0.0.1:{stack.port('flower')}" in done.stdout
    assert login_of(stack).partition(":")[2] in done.stdout
    assert (stack.root / ".env").read_bytes() == before


def test_down_leaves_nothing_but_results(stack: Checkout) -> None:
    """No port and no process stays; the results do; and it is safe to call twice."""
    stack.submit("--pool", "threads", "--job", "io.sleep", "--count", "5")
    kept = sorted((stack.root / "results").iterdir())

    stack.command("poolbench", "down")
    stack.command("poolbench", "down")

    for service in ("redis", "upstream", "flower"):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", stack.port(service))) != 0
    assert processes_in(stack.root) == []
    assert kept
    assert sorted((stack.root / "results").iterdir()) == kept
    assert "no stack is running" in stack.run("poolbench", "ps").stderr


def processes_in(root: Path) -> list[str]:
    """Return the commands of live processes that work in a checkout, where the system tells."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve().is_relative_to(root):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found
