"""How the stack looks in a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.commands.stack_tables import status_table, uptime_text, welcome
from lab.stack.health import Status
from lab.stack.local import LocalStack
from lab.stack.services import all_services
from poolbench.settings import load_settings
from tests.summaries import printed

SERVICES = all_services(load_settings({}, dotenv=None))


@pytest.mark.parametrize(
    ("uptime_s", "text"),
    [
        (None, ""),
        (0.4, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (12_000, "3 h 20 min"),
        (190_800, "2 d 5 h"),
    ],
)
def test_uptimes_are_short(uptime_s: float | None, text: str) -> None:
    """Two units at most."""
    assert uptime_text(uptime_s) == text


def test_the_table_shows_the_problem_of_an_unhealthy_service() -> None:
    """Its health column holds the reason."""
    services = [one for one in SERVICES if one.name in {"redis", "flower", "collector"}]
    statuses = [
        Status(name="redis", state="running", pid=7, uptime_s=61),
        Status(name="flower", state="running", pid=8, uptime_s=1, problem="answers 500"),
        Status(name="collector", state="stopped"),
    ]

    _, *rows = printed(status_table(services, statuses=statuses), width=100).splitlines()

    for part in ("127.0.0.1:6390", "healthy", "1 min"):
        assert part in rows[0]
    assert "answers 500" in rows[1]
    assert "stopped" in rows[2]
    assert "healthy" not in rows[2]


def test_the_welcome_names_addresses_slots_and_login(tmp_path: Path) -> None:
    """Everything needed to begin stands there, also in a narrow terminal."""
    login = "poolbench:0123456789abcdef0123456789abcdef"
    settings = load_settings({"FLOWER_BASIC_AUTH": login}, dotenv=None)
    stack = LocalStack(root=tmp_path, settings=settings, environment={}, notify=print)

    text = printed(welcome(stack), width=80)

    for wanted in (
        "http://127.0.0.1:5555",
        "user poolbench  password 0123456789abcdef0123456789abcdef",
        "127.0.0.1:6390",
        "100 slots",
        "1 slot ",
        "local processes",
    ):
        assert wanted in text
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines())
