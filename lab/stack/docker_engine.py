"""Whether a Docker engine with Compose v2 answers here, and if not, why."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: An engine that takes longer to say who it is counts as absent, seconds.
_ANSWER_S = 10.0
_COMPOSE_MAJOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What was found."""

    is_usable: bool
    #: Version, or why it can't be used; completes "Docker: …".
    word: str
    #: Whether the engine runs as an ordinary user: root in a container is that user outside.
    is_rootless: bool = False


def find_engine(environ: Mapping[str, str]) -> Engine:
    """Return what can be said of Docker here."""
    try:
        info = _run(["docker", "info", "--format", "{{json .}}"], environ=environ)
        compose = _run(["docker", "compose", "version", "--short"], environ=environ)
    except FileNotFoundError:
        return Engine(is_usable=False, word="there is no docker command")
    except subprocess.TimeoutExpired:
        return Engine(is_usable=False, word=f"no engine answers within {_ANSWER_S:.0f} s")
    except OSError as error:
        return Engine(is_usable=False, word=f"the docker command fails: {error.strerror}")
    return judge(info=info, compose=compose)


def judge(
    *, info: subprocess.CompletedProcess[str], compose: subprocess.CompletedProcess[str]
) -> Engine:
    """Return what the answers of ``docker info`` and ``docker compose version`` mean."""
    said = f"{info.stdout}\n{info.stderr}"
    if "permission denied" in said.lower():
        word = "no permission to use its socket; is this user in the group docker?"
        return Engine(is_usable=False, word=word)
    try:
        found = json.loads(info.stdout)
        version = str(found.get("ServerVersion") or "")
    except (ValueError, AttributeError):
        version = ""
    if not version:
        return Engine(is_usable=False, word="no engine answers")
    major = re.match(r"v?(\d+)\.", compose.stdout.strip())
    if compose.returncode != 0 or major is None or int(major[1]) < _COMPOSE_MAJOR:
        return Engine(is_usable=False, word=f"engine {version} answers, but Compose v2 is missing")
    is_rootless = any("rootless" in option for option in found.get("SecurityOptions") or ())
    word = f"engine {version}, Compose {compose.stdout.strip().removeprefix('v')}"
    return Engine(is_usable=True, word=word, is_rootless=is_rootless)


def _run(command: Sequence[str], *, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_ANSWER_S,
    )
