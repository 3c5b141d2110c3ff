"""This machine, from the standard library alone: name, boot, cores, limits, installed packages."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

#: Names longer than this are cut, characters.
NAME_MAX_CHARS = 100

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


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
    found = []
    for group in control_groups():
        with contextlib.suppress(OSError):
            found.append((group / name).read_text(encoding="utf-8").strip())
    return found


def control_groups(pid: int | str = "self") -> Iterator[Path]:
    """Yield the folders of a process's control group, and of those around it, that limit the CPU.

    Both versions of control groups are looked for; without any, there are none.
    """
    with contextlib.suppress(OSError, ValueError):
        mounts = _cpu_mounts()
        for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines():
            number, controllers, path = line.split(":", 2)
            is_v2 = number == "0"
            if is_v2 in mounts and (is_v2 or "cpu" in controllers.split(",")):
                root, mount = mounts[is_v2]
                # in a container, the mount begins at the container's own group
                group = mount / path.removeprefix(root).lstrip("/")
                yield from (one for one in (group, *group.parents) if one.is_relative_to(mount))


def _cpu_mounts() -> dict[bool, tuple[str, Path]]:
    """Return where the groups are mounted, by whether it is version 2: their root and folder."""
    found: dict[bool, tuple[str, Path]] = {}
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        root, mount = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if kind == "cgroup2" or (kind == "cgroup" and "cpu" in options.split(",")):
            found.setdefault(kind == "cgroup2", (root.rstrip("/"), Path(mount)))
    return found
