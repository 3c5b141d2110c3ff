"""Where an interpreter's GIL is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from poolbench.recording import gil_address
from poolbench.recording.gil_address import GilNotFoundError, Mapping, find_gil, locate

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")

_ROOT = Path(__file__).resolve().parents[4]

_FILE, _OTHER = ("fe:00", "17"), ("fe:00", "18")

#: A file with code, with data, and with zero-initialized state, which has no file; another file.
_MAPPINGS = [
    Mapping(0x1000, 0x2000, _FILE),
    Mapping(0x2000, 0x3000, _FILE),
    Mapping(0x3000, 0x5000, None),
    Mapping(0x8000, 0x9000, _OTHER),
    Mapping(0xA000, 0xB000, None),
]


@pytest.mark.parametrize(
    ("waits", "offset"),
    [
        pytest.param([0x2808, 0x280C, 0x2808], 0x1808, id="data"),
        pytest.param([0x4860, 0x480C, 0x4808], 0x3808, id="zero-initialized"),
        pytest.param([0xA808, *[0x2808] * 3], 0x1808, id="after-the-lock-of-a-start"),
    ],
)
def test_an_address_is_relative_to_its_file(waits: list[int], offset: int) -> None:
    """Other processes have the file elsewhere."""
    found = locate(waits, mappings=_MAPPINGS)
    assert (found.file, found.offset) == (_FILE, offset)


@pytest.mark.parametrize(
    ("waits", "reason"),
    [
        pytest.param([0x2808, 0x8808], "at different addresses", id="apart"),
        pytest.param([0xA808], "not part of the interpreter", id="heap"),
        pytest.param([0x7000], "not part of the interpreter", id="nowhere"),
    ],
)
def test_what_is_not_proven_is_not_found(waits: list[int], reason: str) -> None:
    """Another C library may wait for a condition elsewhere, as on the stack."""
    with pytest.raises(GilNotFoundError, match=reason):
        locate(waits, mappings=_MAPPINGS)


def test_it_is_found_in_another_process_of_the_interpreter() -> None:
    """Its words are in memory that the process can write."""
    address = find_gil()
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        words = address.range_in(other.pid)
        other.kill()
    assert len(words) == 2 * gil_address.GIL_REACH_BYTES
    assert address == find_gil()


def test_another_interpreter_is_refused() -> None:
    """Its GIL is at another distance."""
    address = find_gil()
    with subprocess.Popen(["sleep", "60"]) as other:
        with pytest.raises(GilNotFoundError, match="another interpreter"):
            address.range_in(other.pid)
        other.kill()


def test_an_unlisted_processor_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of the system call differs by processor."""
    monkeypatch.setattr(gil_address, "FUTEX_CALL", None)
    with pytest.raises(GilNotFoundError, match="processors"):
        find_gil()


def _interpreters() -> list[Path]:
    pyenv = Path.home() / ".pyenv/versions"
    return sorted(path for minor in range(10, 20) for path in pyenv.glob(f"3.{minor}.*/bin/python"))


@pytest.mark.skipif(not _interpreters(), reason="no other Python in ~/.pyenv/versions")
@pytest.mark.parametrize("python", _interpreters(), ids=lambda path: path.parents[1].name)
def test_every_python_on_this_machine_has_one(python: Path) -> None:
    """The state moved between versions: runtime, interpreter, zero-initialized or not."""
    code = "from poolbench.recording.gil_address import find_gil; print(find_gil().offset)"
    done = subprocess.run(
        [python, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        timeout=60,
    )
    assert int(done.stdout) > 0
