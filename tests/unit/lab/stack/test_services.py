"""The services' one definition, and that the compose file says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.stack.controller import SECRETS
from lab.stack.services import (
    HEARTBEAT_LIMIT_S,
    LOG_FILES,
    LOG_MAX_MB,
    SERVICE_STOP_S,
    WORKER_STOP_S,
    all_services,
    broker_password,
    starts_broker,
)
from lab.system.paths import ROOT
from lab.system.redis_server import server_configuration
from poolbench.errors import UsageError
from poolbench.pools import available_pools
from poolbench.settings import VARIABLES, load_settings

COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")

#: The services as they run in containers, which listen on all addresses.
SERVICES = all_services(load_settings({}, dotenv=None), host="0.0.0.0")

#: Settings that mean nothing in containers: compose decides them.
FIXED_IN_CONTAINERS = {
    "POOLBENCH_REDIS_HOST",
    "POOLBENCH_UPSTREAM_HOST",
    "POOLBENCH_CONTENDER",
    "POOLBENCH_HEARTBEAT_FILE",
    # a proxy is the lab's
    "POOLBENCH_WORKER_REDIS_URL",
    # the image has one Python, and no lab runs in it
    "POOLBENCH_FREE_THREADED",
}

#: Variables of the compose file alone.
COMPOSE_ONLY = {"POOLBENCH_UID", "POOLBENCH_GID"}


def section_of(service: str) -> str:
    """Return the lines of a service in the compose file."""
    found = re.search(rf"^  {service}:\n((?:    .*\n|\n)+)", COMPOSE, flags=re.MULTILINE)
    assert found, f"{service} is missing in docker-compose.yml"
    return found[1]


def test_the_broker_starts_first_then_a_worker_for_every_pool_and_the_collector_last() -> None:
    """The order of the definition is the order of starting; workers are named after their pool."""
    names = [service.name for service in SERVICES]

    assert [one.contender for one in SERVICES if one.contender] == [
        pool.name for pool in available_pools()
    ]
    assert names[0] == "redis"
    assert names[-1] == "collector"
    assert len(set(names)) == len(names)


def test_a_local_stack_listens_on_loopback_at_the_settings_ports() -> None:
    """Ports are settings; the host is not."""
    environ = {"POOLBENCH_FLOWER_PORT": "5001", "POOLBENCH_REDIS_PORT": "6001"}
    found = all_services(load_settings(environ, dotenv=None))

    ports = {service.name: service.port for service in found if service.port}

    assert "127.0.0.1" in found[1].command
    assert ports == {"redis": 6001, "upstream": 8390, "flower": 5001}


def test_compose_has_the_same_services_with_the_same_commands() -> None:
    """Each container's command is the definition's, in exec form; workers differ by it alone."""
    names = re.findall(r"^  ([a-z-]+):$", COMPOSE.partition("\nservices:\n")[2], re.MULTILINE)

    assert names == [service.name for service in SERVICES]
    for service in SERVICES[1:]:
        section = section_of(service.name)
        words = [f'"{word}"' if word.isdigit() else word for word in service.command]
        assert f"command: [{', '.join(words)}]" in section
        if service.contender:
            assert re.findall(r"^ *([^ :]+):", section, re.MULTILINE) == ["<<", "command"]


def test_compose_takes_every_setting_with_its_default() -> None:
    """A variable that Poolbench reads can be set in .env, and means the same unset."""
    found = dict(re.findall(r"\$\{(\w+)(?::-([^}]*))?", COMPOSE))
    required = set(re.findall(r"\$\{(\w+):\?", COMPOSE))

    assert set(found) == set(VARIABLES) - FIXED_IN_CONTAINERS | COMPOSE_ONLY
    assert required == {"POOLBENCH_REDIS_PASSWORD", "FLOWER_BASIC_AUTH"}
    for name in set(found) & set(VARIABLES) - required:
        assert found[name] == VARIABLES[name].default, name


def test_compose_configures_the_broker_like_the_local_stack() -> None:
    """Directives differ in nothing but where it listens and keeps its data."""
    text = server_configuration(port=6379, password="$$REDISCLI_AUTH", folder=Path("/data"))
    wanted = set(text.replace("bind 127.0.0.1", "bind 0.0.0.0").splitlines())

    heredoc = section_of("redis").partition("<<END\n")[2].partition("END\n")[0]

    assert {line.strip() for line in heredoc.splitlines() if line.strip()} == wanted


def test_compose_publishes_on_loopback_alone() -> None:
    """Nothing of the stack is reachable from another machine."""
    published = re.findall(r"^    ports: (.*)$", COMPOSE, re.MULTILINE)

    assert len(published) == 3
    assert all(ports.startswith('["127.0.0.1:') for ports in published)


def test_compose_and_the_documents_keep_the_definition_s_times_and_sizes() -> None:
    """Grace, heartbeat and logs are the same in both stacks."""
    worker = COMPOSE.partition("x-worker:")[2].partition("\nservices:")[0]
    ours = COMPOSE.partition("x-ours:")[2].partition("x-worker:")[0]

    assert f"stop_grace_period: {WORKER_STOP_S}s" in worker
    assert f"stop_grace_period: {SERVICE_STOP_S}s" in ours
    assert f"-lt {HEARTBEAT_LIMIT_S}" in COMPOSE
    assert f'options: {{max-size: {LOG_MAX_MB}m, max-file: "{LOG_FILES}"}}' in COMPOSE
    assert f"{LOG_FILES} × {LOG_MAX_MB} MB" in (ROOT / "docs" / "operations.md").read_text()


def test_no_secret_stands_in_a_command() -> None:
    """Commands are seen by every user of a machine."""
    commands = " ".join(word for service in SERVICES for word in service.command)

    assert not re.search(r"password|auth|redis://", commands, re.IGNORECASE)
    assert {name for name in VARIABLES if "PASSWORD" in name or "AUTH" in name} <= SECRETS


def test_a_broker_elsewhere_is_not_ours() -> None:
    """A URL, or another host, names a broker that the stack must not start."""
    for environ in (
        {"POOLBENCH_REDIS_URL": "redis://127.0.0.1:6379/0"},
        {"POOLBENCH_REDIS_HOST": "10.0.0.7"},
    ):
        assert not starts_broker(load_settings(environ, dotenv=None))
    assert starts_broker(load_settings({}, dotenv=None))


@pytest.mark.parametrize("password", ["", "short", "with space in it", 'quote"quote"', "ünsafe-ü"])
def test_a_password_that_a_configuration_would_misread_is_refused(password: str) -> None:
    """A URL, a shell and Redis must read the same password."""
    settings = load_settings({"POOLBENCH_REDIS_PASSWORD": password}, dotenv=None)

    with pytest.raises(UsageError, match="POOLBENCH_REDIS_PASSWORD") as caught:
        broker_password(settings)
    assert not password or password not in str(caught.value)
