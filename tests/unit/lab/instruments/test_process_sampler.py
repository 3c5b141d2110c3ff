"""The sampler counts a worker's whole tree, and not the observer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from lab.instruments import process_sampler
from lab.instruments.process_sampler import Sampler

#: A parent with one child, which has its input and output and burns some CPU time.
TREE = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
BURN = """
import sys, time
while time.process_time() < 0.2:
    pass
print("burnt", flush=True)
sys.stdin.read()
"""


@contextmanager
def tree(*words: str) -> Iterator[int]:
    """Yield the pid of a process whose child has burnt 0.2 s of CPU."""
    with subprocess.Popen(
        [sys.executable, "-c", TREE, BURN, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"burnt\n"
        yield parent.pid


def test_the_whole_tree_is_counted() -> None:
    """CPU, memory and processes of the child belong to the worker."""
    with tree() as pid:
        sample = Sampler(pid, contender="x").sample(trial=3, is_whole=True)

    assert sample is not None
    assert sample.trial == 3
    assert sample.processes == 2
    assert sample.cpu_s > 0.2
    assert sample.pss_bytes is not None
    assert 0 < sample.pss_bytes <= sample.rss_bytes
    assert sample.connections == 0


def test_the_recorder_is_counted_separately() -> None:
    """The observer's CPU is not the worker's."""
    with tree("poolbench.recorder") as pid:
        sample = Sampler(pid, contender="x").sample(trial=0)

    assert sample is not None
    assert sample.processes == 1
    assert sample.recorder_cpu_s > 0.2
    assert sample.cpu_s < 0.2


@pytest.mark.skipif(sys.platform != "linux", reason="proc is Linux's")
@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_near_ends_are_named_as_psutil_names_them(family: socket.AddressFamily, host: str) -> None:
    """Their server is asked about these very addresses; another process's are left out."""
    with socket.socket(family) as server, socket.socket(family) as client, tree() as pid:
        try:
            server.bind((host, 0))
        except OSError as error:
            pytest.skip(f"no {host} on this machine: {error}")
        server.listen()
        client.connect(server.getsockname())
        expected = process_sampler._psutil_ends([psutil.Process()])

        found = process_sampler._linux_ends([psutil.Process(), psutil.Process(pid)])

        ends = set(found)
        assert client.getsockname()[:2] in ends
        assert ends == {tuple(end) for end in expected}
        assert list(process_sampler._linux_ends([psutil.Process(pid)])) == []


def test_pss_and_connections_are_optional() -> None:
    """PSS walks every mapping: once a trial is enough."""
    sample = Sampler(os.getpid(), contender="x").sample(trial=0)

    assert sample is not None
    assert (sample.pss_bytes, sample.connections) == (None, None)


def test_a_worker_that_is_gone_gives_no_sample() -> None:
    """A sample of a dead worker is none, not zeros."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as brief:
        sampler = Sampler(brief.pid, contender="x")
        brief.communicate()
        assert sampler.sample(trial=0) is None


@pytest.mark.skipif(sys.platform != "linux", reason="the process CPU clock is Linux's")
def test_cpu_time_is_finer_than_a_tick() -> None:
    """A short trial may use less CPU than the hundredth of a second that /proc resolves."""
    sampler = Sampler(os.getpid(), contender="x")

    looks = [sampler.sample(trial=0) for _ in range(3)]

    spent_s = [look.cpu_s for look in looks if look is not None]
    assert len(set(spent_s)) == 3
