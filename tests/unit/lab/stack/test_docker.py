"""How the Docker stack reads the answers of ``docker``, which is a script here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.stack.docker import DockerStack
from lab.stack.services import Layout
from poolbench.errors import StackError
from poolbench.settings import load_settings

RUNNING = {"Status": "running", "Pid": 7, "StartedAt": "2026-01-01T00:00:00Z"}
TOLD = "flower did not become healthy: health check: unhealthy; its log ends:"

DOCKER = """#!/bin/sh
case "$*" in
compose*--wait*) echo '{said}' >&2; exit 1 ;;
compose*logs*) echo bad luck ;;
compose*' ps '*) echo id ;;
inspect*) echo '{found}' ;;
esac
"""


def container(service: str, *, health: str) -> dict[str, object]:
    """Return what `docker inspect` prints of a running container."""
    return {
        "Config": {"Labels": {"com.docker.compose.service": service}},
        "State": RUNNING | {"Health": {"Status": health}},
    }


@pytest.mark.parametrize(
    ("said", "found", "message"),
    [
        (
            "container test-flower-1 is unhealthy",
            [container("redis", health="starting"), container("flower", health="unhealthy")],
            f"{TOLD}\n  bad luck",
        ),
        ("no such image", [], "the containers could not be started: no such image"),
    ],
    ids=["unhealthy", "not started"],
)
def test_a_start_that_fails_names_the_service_or_says_what_compose_says(
    tmp_path: Path, said: str, found: list[object], message: str
) -> None:
    """A service is named with the end of its log, which goes with its container."""
    script = tmp_path / "docker"
    script.write_text(DOCKER.format(said=said, found=json.dumps(found)), encoding="utf-8")
    script.chmod(0o755)
    stack = DockerStack(
        Layout(root=tmp_path, state_dir=tmp_path / "state", results_dir=tmp_path / "results"),
        settings=load_settings({}, dotenv=None),
        environment={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        project="test",
        notify=lambda _: None,
    )

    with pytest.raises(StackError) as caught:
        stack.up(started_with={})

    assert str(caught.value) == message
