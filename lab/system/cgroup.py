"""Linux control groups: limits the CPU and memory of processes, and reads what the limits did.

It works with cgroup v1, v2 and both side by side. In v1, groups are made below this process's own.
In v2 a group can't hold both processes and groups with limits (the "no internal process constraint"
of cgroups(7)), so they are made beside this process's own group, or further up.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from collector.run_manifest import Contender, LimitUse
from poolbench.errors import StackError

#: Length of an enforcement period of a CPU quota, µs: the kernel's default.
PERIOD_US = 100_000

#: How to get permission, for messages.
REMEDY = "run it as root or with systemd-run --user --scope -p Delegate=yes, or limit its container"

#: Name of a group: the lab's process id and a number.
_NAME = "poolbench-{pid}-{number}"
_OWN_NAME = re.compile(r"poolbench-(\d+)-\d+")

#: How long the last processes of a group may take to end until they are killed, and to leave the
#: group after that, seconds.
_END_TIMEOUT_S = 2.0

_POLL_S = 0.02

_PROC = Path("/proc/self")

_numbers = itertools.count()


class LimitError(StackError):
    """A limit can't be applied on this machine; has the reason and a remedy."""

    def __init__(self, reason: str, *, remedy: str = REMEDY) -> None:
        super().__init__(f"limit not applied: {reason}")
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a group of processes together; None for no limit."""

    #: CPU time in each period, in cores.
    cpus: float | None = None
    memory_bytes: int | None = None

    @classmethod
    def of(cls, contender: Contender) -> Self:
        """Return the limits of a contender's workers."""
        return cls(cpus=contender.cpus, memory_bytes=contender.memory_bytes)

    @property
    def controllers(self) -> tuple[str, ...]:
        """Return the names of the kernel's controllers that apply them."""
        known = {"cpu": self.cpus, "memory": self.memory_bytes}
        return tuple(name for name, limit in known.items() if limit is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where groups with one of the limits are made."""

    controller: str
    #: Version of the hierarchy, 1 or 2.
    version: int
    #: Folder of the group in which they are made, and of the group of this process.
    parent: Path
    own: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlGroup:
    """A group of processes under common limits; in v1, a folder for each controller."""

    name: str
    places: tuple[Place, ...]

    @property
    def folders(self) -> list[Path]:
        """Return the group's folders."""
        return [*dict.fromkeys(place.parent / self.name for place in self.places)]

    def enter(self, command: Sequence[str]) -> list[str]:
        """Return a command line whose process enters the group before it becomes ``command``.

        Children are born in their parent's group, so that no process is ever outside.
        """
        files = [shlex.quote(str(folder / "cgroup.procs")) for folder in self.folders]
        script = " && ".join([*(f"echo $$ > {file}" for file in files), 'exec "$@"'])
        return ["/bin/sh", "-c", script, "sh", *command]

    @property
    def outside(self) -> list[Path]:
        """Return the files through which a process moves to the groups of this process."""
        return [*dict.fromkeys(place.own / "cgroup.procs" for place in self.places)]

    def since(self, before: LimitUse) -> LimitUse:
        """Return what the limits did since an earlier `read`; the peak is that since the start."""
        now = asdict(self.read())
        earlier = asdict(before) | {"memory_peak_bytes": 0}
        changes = {name: count - (earlier[name] or 0) for name, count in now.items() if count}
        return LimitUse(**now | changes)

    def read(self) -> LimitUse:
        """Return what the limits did since the group was made."""
        found = LimitUse()
        for place in self.places:
            read = _cpu_use if place.controller == "cpu" else _memory_use
            found = read(place.parent / self.name, version=place.version, found=found)
        return found

    def remove(self) -> None:
        """Remove the group; kill processes that don't end within `_END_TIMEOUT_S`."""
        for pid in self._await_empty():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._await_empty()
        for folder in self.folders:
            # a group that can't be removed now is removed by a later run
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _await_empty(self) -> list[int]:
        """Wait until the group has no process; return the ids of those that it still has."""
        deadline_s = time.monotonic() + _END_TIMEOUT_S
        while True:
            words = [word for one in self.folders for word in _read(one / "cgroup.procs").split()]
            if not words or time.monotonic() > deadline_s:
                return [int(word) for word in words]
            time.sleep(_POLL_S)


def find_places(controllers: Sequence[str], *, proc: Path = _PROC) -> tuple[Place, ...]:
    """Return where groups with limits of these controllers are made; ``proc`` is /proc/self.

    Raises:
        LimitError: if there is no such place.
    """
    v1, v2 = _mounts(proc)
    own = _own_groups(proc)
    found = []
    # v2 has only the controllers that v1 doesn't take
    for name in [name for name in controllers if name in v1]:
        folder = v1[name].folder(own.get(name, "/"))
        found.append(Place(controller=name, version=1, parent=folder, own=folder))
    others = [name for name in controllers if name not in v1]
    if others:
        available = _read(v2.point / "cgroup.controllers").split() if v2 else []
        missing = [name for name in others if name not in available]
        if v2 is None or missing:
            problem = f"this system has no control groups with the controller {missing[0]}"
            raise LimitError(problem)
        folder = v2.folder(own.get("", "/"))
        parent = _parent(folder, top=v2.point, controllers=others)
        found += [Place(controller=name, version=2, parent=parent, own=folder) for name in others]
    return tuple(found)


def open_group(limits: Limits, *, proc: Path = _PROC) -> ControlGroup:
    """Make a group with limits, which is empty; remove the empty groups of runs that were killed.

    Raises:
        LimitError: if the system doesn't allow it.
    """
    places = find_places(limits.controllers, proc=proc)
    group = ControlGroup(name=_NAME.format(pid=os.getpid(), number=next(_numbers)), places=places)
    for place in places:
        _remove_leftovers(place.parent)
    try:
        for folder in group.folders:
            folder.mkdir()
        for place in places:
            folder = place.parent / group.name
            for file, content in _contents(limits, place=place, folder=folder).items():
                _write(folder / file, content)
    except OSError as error:
        group.remove()
        raise LimitError(_reason(error)) from error
    return group


def check(limits: Limits) -> None:
    """Make a group with these limits, run a command in it, and remove it.

    Raises:
        LimitError: if the system doesn't allow any of that.
    """
    group = open_group(limits)
    try:
        subprocess.run(group.enter(["true"]), check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise LimitError(f"no process can enter a group: {error.stderr.strip()}") from error
    finally:
        group.remove()


def describe(controllers: Sequence[str]) -> dict[str, str]:
    """Return which versions apply the limits of these controllers and where, for the manifest."""
    places = find_places(controllers) if controllers else ()
    if not places:
        return {}
    versions = [f"{place.controller} by cgroup v{place.version}" for place in places]
    parents = dict.fromkeys(str(place.parent) for place in places)
    return {"limits": ", ".join(versions), "limits_in": ", ".join(parents)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mount:
    """Where a hierarchy is mounted, and the path of the group at the top there."""

    point: Path
    root: str

    def folder(self, path: str) -> Path:
        """Return the folder of a group from its path in /proc/self/cgroup."""
        # a container may see only a part of the hierarchy, under the path that the host knows
        root = self.root.rstrip("/")
        is_below = path.startswith(f"{root}/")
        return self.point / path.removeprefix(root).strip("/") if is_below else self.point


def _mounts(proc: Path) -> tuple[Mapping[str, _Mount], _Mount | None]:
    """Return the mounts of v1 by controller, and that of v2."""
    v1: dict[str, _Mount] = {}
    v2 = None
    for line in _read(proc / "mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        mount = _Mount(root=before.split()[3], point=Path(before.split()[4]))
        if kind == "cgroup":
            v1 |= dict.fromkeys(options.split(","), mount)
        elif kind == "cgroup2":
            v2 = v2 or mount
    return v1, v2


def _own_groups(proc: Path) -> dict[str, str]:
    """Return the path of this process's group by controller of v1; that of v2 has no name."""
    rows = [line.split(":", 2) for line in _read(proc / "cgroup").splitlines()]
    return {name: path for _, names, path in rows for name in names.split(",")}


def _parent(own: Path, *, top: Path, controllers: Sequence[str]) -> Path:
    """Return the innermost group of v2 around this process in which groups can have limits.

    Raises:
        LimitError: if there is none.
    """
    reason = f"the control group of this process, {own}, is at the top"
    for folder in (own, *own.parents):
        if not folder.is_relative_to(top):
            break
        # the root of the whole hierarchy may hold processes too; it alone has no type
        if (folder / "cgroup.type").exists() and _read(folder / "cgroup.procs").split():
            continue
        file = folder / "cgroup.subtree_control"
        missing = [name for name in controllers if name not in _read(file).split()]
        try:
            if missing:
                _write(file, " ".join(f"+{name}" for name in missing))
        except OSError as error:
            reason = _reason(error)
            continue
        return folder
    raise LimitError(reason)


def _remove_leftovers(parent: Path) -> None:
    for folder in parent.glob("poolbench-*"):
        name = _OWN_NAME.fullmatch(folder.name)
        if name and not Path("/proc", name[1]).exists():
            # a group with processes can't be removed
            with contextlib.suppress(OSError):
                folder.rmdir()


def _contents(limits: Limits, *, place: Place, folder: Path) -> dict[str, str]:
    """Return the content of a group's files for its limits, in the order of writing.

    There is no swap: a process would be slow at its memory limit, instead of at its end.
    """
    if place.controller == "cpu":
        quota_us = round((limits.cpus or 0.0) * PERIOD_US)
        if place.version == 2:
            return {"cpu.max": f"{quota_us} {PERIOD_US}"}
        return {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(quota_us)}
    memory = str(limits.memory_bytes)
    if place.version == 2:
        file, swap_file, swap = "memory.max", "memory.swap.max", "0"
    else:
        # the limit of memory and swap together
        file, swap_file, swap = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", memory
    # the kernel may not account for swap
    return {file: memory, **({swap_file: swap} if (folder / swap_file).exists() else {})}


def _cpu_use(folder: Path, *, version: int, found: LimitUse) -> LimitUse:
    counts = _counts(folder / "cpu.stat")
    name, per_s = ("throttled_usec", 1e6) if version == 2 else ("throttled_time", 1e9)
    return replace(
        found,
        periods=counts.get("nr_periods", 0),
        throttled_periods=counts.get("nr_throttled", 0),
        throttled_s=counts.get(name, 0) / per_s,
    )


def _memory_use(folder: Path, *, version: int, found: LimitUse) -> LimitUse:
    events, peak = ("memory.events", "memory.peak")
    if version == 1:
        events, peak = ("memory.oom_control", "memory.max_usage_in_bytes")
    # kernels before 5.19 have no peak in v2
    peak_bytes = _read(folder / peak).strip()
    return replace(
        found,
        oom_kills=_counts(folder / events).get("oom_kill", 0),
        memory_peak_bytes=int(peak_bytes) if peak_bytes else None,
    )


def _counts(file: Path) -> dict[str, int]:
    rows = [line.split() for line in _read(file).splitlines()]
    return {name: int(value) for name, value in rows}


def _read(file: Path) -> str:
    """Return the content of a file; empty if it can't be read."""
    with contextlib.suppress(OSError):
        return file.read_text(encoding="ascii")
    return ""


def _write(file: Path, content: str) -> None:
    # one write(2): the kernel takes each as a whole value
    file.write_text(content, encoding="ascii")


def _reason(error: OSError) -> str:
    return f"{error.filename} can't be written ({error.strerror})"
