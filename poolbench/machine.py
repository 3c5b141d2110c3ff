"""This machine, from the standard library alone: name, boot, cores, limits, installed packages."""

from __future__ import annotations

import contextlib
import os
import socket
from importlib import metadata
from pathlib import Path

#: Names longer than this are cut, characters.
NAME_MAX_CHARS = 100

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CGROUP = Path("/sys/fs/cgroup")


def host() -> str:
    """Return this machine's name."""
    return socket.gethostname()[:NAME_MAX_CHARS]


def boot_id() -> str:
    """Return the id of this machine's boot, or the machine's name if the system has no such id."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return host()


def package_version(package: str) -> str | None:
    """Return the version of a package in this Python; None if it isn't installed."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def usable_cpus() -> float:
    """Return how much CPU this process may use, in cores; a quota may be a fraction of a core."""
    if hasattr(os, "sched_getaffinity"):
        cores = float(len(os.sched_getaffinity(0)))
    else:
        cores = float(os.cpu_count() or 1)
    for limit in cgroup_limits("cpu.max"):
        quota, _, period = limit.partition(" ")
        if quota.isdecimal():
            cores = min(cores, int(quota) / int(period))
    return cores


def cgroup_limits(name: str) -> list[str]:
    """Return a limit of this process's own group (cgroup v2) and of every group above it."""
    try:
        own = Path("/proc/self/cgroup").read_text(encoding="utf-8").strip().rpartition("::/")[2]
    except OSError:
        return []
    group = _CGROUP / own
    found = []
    for folder in (group, *group.parents):
        if folder.is_relative_to(_CGROUP):
            with contextlib.suppress(OSError):
                found.append((folder / name).read_text(encoding="utf-8").strip())
    return found
