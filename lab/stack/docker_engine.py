"""Detects a Docker engine with Compose v2, or the reason why none can be used."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from lab.system.commands import run_command

#: An engine that takes longer to answer counts as absent, seconds.
_ANSWER_S = 10.0
_COMPOSE_MAJOR = 2
#: What `docker info` prints: the engine's version, and options like ``name=rootless``.
_INFO = "{{.ServerVersion}} {{.SecurityOptions}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A Docker engine, or the reason why there is none."""

    #: Its versions, or why it can't be used; completes "Docker: …".
    description: str
    is_usable: bool = False
    #: Whether it runs as an ordinary user: root in a container is that user outside.
    is_rootless: bool = False


def find_engine(environ: Mapping[str, str]) -> Engine:
    """Return the Docker engine that the environment's ``docker`` command reaches."""
    try:
        info, compose = (
            run_command(["docker", *words], environment=environ, timeout_s=_ANSWER_S)
            for words in (("info", "--format", _INFO), ("compose", "version", "--short"))
        )
    except FileNotFoundError:
        return Engine(description="there is no docker command")
    except subprocess.TimeoutExpired:
        return Engine(description=f"no engine answers within {_ANSWER_S:.0f} s")
    except OSError as error:
        return Engine(description=f"the docker command fails: {error.strerror}")
    return read_answers(info=info, compose=compose)


def read_answers(
    *, info: subprocess.CompletedProcess[str], compose: subprocess.CompletedProcess[str]
) -> Engine:
    """Return the engine that ``docker info`` and ``docker compose version`` describe."""
    if "permission denied" in f"{info.stdout}\n{info.stderr}".lower():
        description = "no permission to use its socket; is this user in the group docker?"
        return Engine(description=description)
    version, _, options = info.stdout.partition(" ")
    if info.returncode != 0 or not version:
        return Engine(description="no engine answers")
    major = re.match(r"v?(\d+)\.", compose.stdout.strip())
    if compose.returncode != 0 or major is None or int(major[1]) < _COMPOSE_MAJOR:
        return Engine(description=f"engine {version} answers, but Compose v2 is missing")
    description = f"engine {version}, Compose {compose.stdout.strip().removeprefix('v')}"
    return Engine(is_usable=True, description=description, is_rootless="rootless" in options)
