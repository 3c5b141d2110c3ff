"""Control groups on trees of files that look like those of cgroup v1 and v2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collector.run_manifest import LimitUse
from lab.system.cgroup import ControlGroup, LimitError, Limits, Place, find_places, open_group

HALF = Limits(cpus=0.5, memory_bytes=512 << 20)
BOTH = HALF.controllers

#: What systemd makes of a session: the process is in a scope, beside others of its user.
SCOPE = "user.slice/app.slice/run.scope"


class Tree:
    """The files of /proc/self and of the mounted hierarchies, in a folder of a test."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.mounts = folder / "proc", folder / "cgroup"
        self.proc.mkdir()
        self.mounts.mkdir()
        (self.proc / "mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/sda rw\n")
        (self.proc / "cgroup").write_text("")

    def v1(self, controllers: str, *, path: str, root: str = "/") -> Path:
        """Mount a hierarchy of v1 in which the process is in the group ``path``."""
        point = self.mounts / controllers
        self._add("mountinfo", f"31 22 0:5 {root} {point} rw - cgroup cgroup rw,{controllers}")
        self._add("cgroup", f"4:{controllers}:{path}")
        point.mkdir()
        return point

    def v2(self, path: str, *, controllers: str = "cpu memory") -> Path:
        """Mount v2; the process is in the group ``path``, alone."""
        self._add("mountinfo", f"41 22 0:6 / {self.mounts} rw - cgroup2 cgroup2 rw,nsdelegate")
        self._add("cgroup", f"0::/{path}")
        own = self.mounts / path
        own.mkdir(parents=True, exist_ok=True)
        (self.mounts / "cgroup.controllers").write_text(controllers)
        for folder in (own, *own.parents):
            if folder.is_relative_to(self.mounts):
                (folder / "cgroup.type").write_text("domain\n")
                (folder / "cgroup.procs").write_text("1\n" if folder == own else "")
                (folder / "cgroup.subtree_control").write_text("")
        return own

    def _add(self, name: str, line: str) -> None:
        with (self.proc / name).open("a", encoding="ascii") as file:
            file.write(f"{line}\n")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A system without control groups."""
    return Tree(tmp_path)


def test_groups_of_v1_are_made_below_ones_own(tree: Tree) -> None:
    """Its limits apply to them too; each controller has a hierarchy of its own."""
    cpu, memory = tree.v1("cpu,cpuacct", path="/"), tree.v1("memory", path="/session/7")

    found = find_places(BOTH, proc=tree.proc)

    assert [(one.version, one.parent) for one in found] == [(1, cpu), (1, memory / "session/7")]
    assert all(one.parent == one.own for one in found)


def test_a_container_sees_a_part_of_the_hierarchy(tree: Tree) -> None:
    """The process's path is that of the host; the mount shows what is below its root."""
    point = tree.v1("cpu", path="/docker/ab12/inner", root="/docker/ab12")

    assert find_places(["cpu"], proc=tree.proc)[0].parent == point / "inner"


def test_groups_of_v2_are_made_beside_ones_own(tree: Tree) -> None:
    """A group with processes can't have groups with limits; the one above gets the controllers."""
    own = tree.v2(SCOPE)

    found = find_places(BOTH, proc=tree.proc)

    assert {(one.version, one.parent, one.own) for one in found} == {(2, own.parent, own)}
    assert (own.parent / "cgroup.subtree_control").read_text() == "+cpu +memory"


def test_only_the_root_of_v2_may_hold_processes_and_groups(tree: Tree) -> None:
    """It alone has no type: a process at the top of a machine can have groups there."""
    own = tree.v2("")
    with pytest.raises(LimitError, match="is at the top"):
        find_places(BOTH, proc=tree.proc)

    (own / "cgroup.type").unlink()

    assert find_places(BOTH, proc=tree.proc)[0].parent == own


def test_v2_has_what_v1_does_not_take(tree: Tree) -> None:
    """With both side by side, each controller is in one of them."""
    tree.v2(SCOPE, controllers="memory")
    tree.v1("cpu", path="/")

    found = find_places(BOTH, proc=tree.proc)

    assert [(one.controller, one.version) for one in found] == [("cpu", 1), ("memory", 2)]


def test_a_missing_controller_is_named(tree: Tree) -> None:
    """So is the only one of a system without control groups."""
    with pytest.raises(LimitError, match="no control groups with the controller cpu"):
        find_places(BOTH, proc=tree.proc)
    tree.v2(SCOPE, controllers="cpu pids")

    with pytest.raises(LimitError, match="no control groups with the controller memory"):
        find_places(BOTH, proc=tree.proc)


def test_limits_are_written_as_v2_reads_them(tree: Tree) -> None:
    """A quota in each period and a maximum; a kernel without swap accounting has no such file."""
    tree.v2(SCOPE)

    (folder,) = open_group(HALF, proc=tree.proc).folders

    written = {file.name: file.read_text() for file in folder.iterdir()}
    assert written == {"cpu.max": "50000 100000", "memory.max": str(512 << 20)}


def test_limits_are_written_as_v1_reads_them(tree: Tree) -> None:
    """The period before the quota."""
    tree.v1("cpu", path="/")
    tree.v1("memory", path="/")

    cpu, memory = open_group(HALF, proc=tree.proc).folders

    assert (cpu / "cpu.cfs_period_us").read_text() == "100000"
    assert (cpu / "cpu.cfs_quota_us").read_text() == "50000"
    assert (memory / "memory.limit_in_bytes").read_text() == str(512 << 20)


def test_a_place_without_permission_gives_the_reason(tree: Tree) -> None:
    """With the path and the system's words, and nothing is left behind."""
    tree.v1("cpu", path="/gone")

    with pytest.raises(LimitError) as caught:
        open_group(Limits(cpus=1.0), proc=tree.proc)

    where = tree.mounts / "cpu/gone"
    reason = str(caught.value)
    assert reason.startswith(f"limit not applied: {where}/poolbench-{os.getpid()}-")
    assert reason.endswith("can't be written (No such file or directory)")


def test_groups_of_runs_that_were_killed_are_removed(tree: Tree) -> None:
    """Only those of processes that are gone, and no other's."""
    folder = tree.v1("cpu", path="/")
    gone, running, other = "poolbench-4194305-0", f"poolbench-{os.getpid()}-x", "docker"
    for name in (gone, running, other):
        (folder / name).mkdir()

    open_group(Limits(cpus=1.0), proc=tree.proc)

    names = {one.name for one in folder.iterdir()}
    assert gone not in names
    assert {running, other} < names


@pytest.mark.parametrize(
    ("version", "files"),
    [
        (
            1,
            {
                "cpu.stat": "nr_periods 50\nnr_throttled 48\nthrottled_time 2400000000\n",
                "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
                "memory.max_usage_in_bytes": "1000\n",
            },
        ),
        (
            2,
            {
                "cpu.stat": "usage_usec 9\nnr_periods 50\nnr_throttled 48\nthrottled_usec 2400000",
                "memory.events": "low 0\nhigh 0\nmax 5\noom 3\noom_kill 2\noom_group_kill 0\n",
                "memory.peak": "1000\n",
            },
        ),
    ],
)
def test_effects_are_read(tmp_path: Path, version: int, files: dict[str, str]) -> None:
    """Both versions count the same, under different names and in different units."""
    places = [
        Place(controller=name, version=version, parent=tmp_path, own=tmp_path) for name in BOTH
    ]
    group = ControlGroup(name="some", places=tuple(places))
    (tmp_path / "some").mkdir()
    for name, text in files.items():
        (tmp_path / "some" / name).write_text(text)

    use = group.read()

    assert use == LimitUse(
        periods=50,
        throttled_periods=48,
        throttled_s=2.4,
        memory_peak_bytes=1000,
        oom_kills=2,
    )
    since = group.since(LimitUse(periods=40, throttled_periods=40, throttled_s=2.0, oom_kills=2))
    assert (since.periods, since.throttled_periods, since.oom_kills) == (10, 8, 0)
    assert since.memory_peak_bytes == 1000


def test_a_process_enters_before_it_becomes_the_command() -> None:
    """One shell writes its own id into each file, and is then replaced."""
    places = tuple(
        Place(controller=name, version=1, parent=Path("/c g", name), own=Path("/")) for name in BOTH
    )

    command = ControlGroup(name="some", places=places).enter(["python", "-m", "worker"])

    script = "echo $$ > '/c g/cpu/some/cgroup.procs' && echo $$ > '/c g/memory/some/cgroup.procs'"
    assert command == [
        *("/bin/sh", "-c", f'{script} && exec "$@"', "sh"),
        *("python", "-m", "worker"),
    ]
