"""How the Docker stack reads the answers of ``docker``, which is a script here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.stack.docker import DockerStack
from poolbench.errors import StackError
from poolbench.settings import load_settings

RUNNING = {"Status": "running", "Pid": 7, "StartedAt": "2026-01-01T00:00:00Z"}
TOLD = "flower did not become healthy: health check: unhealthy; its log ends:"

DOCKER = """#!/bin/sh
echo "$*" >> "$0.log"
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


def stack_in(
    folder: Path, *, said: str = "", found: Sequence[object] = (), **environ: str
) -> DockerStack:
    """Return a stack whose `docker` answers this, where `up` always fails."""
    script = folder / "docker"
    script.write_text(DOCKER.format(said=said, found=json.dumps(found)), encoding="utf-8")
    script.chmod(0o755)
    folders = {f"POOLBENCH_{name}_DIR": str(folder / name) for name in ("STATE", "RESULTS")}
    return DockerStack(
        root=folder,
        settings=load_settings(folders | environ, dotenv=None),
        environment={"PATH": f"{folder}:/usr/bin:/bin"},
        notify=lambda _: None,
    )


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
    stack = stack_in(tmp_path, said=said, found=found)

    with pytest.raises(StackError) as caught:
        stack.up(started_with={})

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("named", "built"),
    [
        ([], "build --quiet upstream collector"),
        (["POOLBENCH_IMAGE"], "build --quiet collector"),
        (["POOLBENCH_COLLECTOR_IMAGE"], "build --quiet upstream"),
        (["POOLBENCH_IMAGE", "POOLBENCH_COLLECTOR_IMAGE"], None),
    ],
)
def test_an_image_that_is_named_is_not_built(
    tmp_path: Path, named: list[str], built: str | None
) -> None:
    """The other one still is."""
    stack = stack_in(tmp_path, **dict.fromkeys(named, "example/mine:1"))

    with pytest.raises(StackError):
        stack.up(started_with={})

    calls = (tmp_path / "docker.log").read_text(encoding="utf-8").splitlines()
    builds = [f"build{call.partition(' build')[2]}" for call in calls if " build " in call]
    assert builds == ([built] if built else [])
