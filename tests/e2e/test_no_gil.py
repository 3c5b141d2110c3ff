"""Workers without the GIL, on a real Python that was built so: POOLBENCH_FREE_THREADED names it.

Either the bare Python, from which an environment is made here as `make free-threaded` makes it, or
the Python of such an environment.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from collector.reasons import Code
from collector.store import RunFolder
from lab.experiment.interpreter import NoInterpreterError, find_interpreter
from lab.system.paths import ROOT
from poolbench.errors import ExitCode
from tests.integration.test_lab_run import poolbench, write
from tests.synthetic import flat_manifest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

#: Contender → its Python; the fourth has none.
INTERPRETERS = {
    "threads-2": "",
    "threads-2-nogil": 'interpreter = "free-threaded"',
    "threads-2-greenlet": 'interpreter = "WITH_GREENLET"',
    "threads-2-gone": 'interpreter = "no/such/python"',
}

EXPERIMENT = (
    '# Does the GIL show?\ntitle = "Does the GIL show?"\n'
    f"[profile.demo]\nrepetitions = 1\ntrial_s = 0.3\ncontenders = {json.dumps([*INTERPRETERS])}\n"
    '[profile.nobody]\nrepetitions = 1\ntrial_s = 0.3\ncontenders = ["threads-2-gone"]\n'
    + "".join(
        f'[[contender]]\nname = "{name}"\npool = "threads"\nslots = 2\n{interpreter}\n'
        for name, interpreter in INTERPRETERS.items()
    )
    + '[[workload]]\nkind = "cpu.primes"\nparameters = { units = 4 }\n'
)

#: An extension that has not declared that it can run without the GIL, as greenlet has not.
GREENLET = """\
#include <Python.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "greenlet", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_greenlet(void) { return PyModule_Create(&definition); }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run of the experiment."""

    stderr: str
    exit_code: int
    folder: RunFolder
    summary: dict[str, Any]

    def row(self, contender: str) -> dict[str, Any]:
        """Return a contender's row."""
        return next(row for row in self.summary["rows"] if row["contender"] == contender)


def make(*words: str) -> subprocess.CompletedProcess[str]:
    """Run make in the checkout."""
    return subprocess.run(
        ["make", *words], cwd=ROOT, capture_output=True, text=True, timeout=150, check=False
    )


@pytest.fixture(scope="module")
def freed_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python without the GIL that can run a worker."""
    named = os.environ.get("POOLBENCH_FREE_THREADED")
    if not named:
        pytest.skip("needs a Python built without the GIL: POOLBENCH_FREE_THREADED names none")
    try:
        return Path(find_interpreter("free-threaded", free_threaded=named).path)
    except NoInterpreterError:
        environment = tmp_path_factory.mktemp("made") / "environment"
        made = make("free-threaded", f"PYTHON={named}", f"FREE={environment}")
        assert made.returncode == 0, made.stderr
        return environment / "bin" / "python"


def build_facts(python: Path) -> list[str]:
    """Return where a Python keeps packages and headers, and how its extensions end."""
    code = (
        "import sysconfig as s; "
        "print(s.get_path('platlib'), s.get_path('include'), s.get_config_var('EXT_SUFFIX'))"
    )
    said = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return said.stdout.split()


@pytest.fixture(scope="module")
def python_with_greenlet(freed_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with an extension named greenlet beside its packages; missing without a compiler."""
    copy = tmp_path_factory.mktemp("copy") / "environment"
    python = copy / "bin" / "python"
    compiler = shutil.which("cc")
    if compiler is None:
        return python
    without_pip = shutil.ignore_patterns("pip", "__pycache__")
    shutil.copytree(freed_python.parent.parent, copy, symlinks=True, ignore=without_pip)
    source = copy / "greenlet.c"
    source.write_text(GREENLET)
    packages, headers, suffix = build_facts(python)
    target = f"{packages}/greenlet{suffix}"
    subprocess.run([compiler, "-shared", "-fPIC", f"-I{headers}", source, "-o", target], check=True)
    return python


@pytest.fixture(scope="module")
def ended(
    freed_python: Path, python_with_greenlet: Path, tmp_path_factory: pytest.TempPathFactory
) -> Ended:
    """One run: with the GIL, without it, with greenlet about, and with no Python at all."""
    folder = tmp_path_factory.mktemp("run")
    done = run(folder, python_with_greenlet, freed=freed_python)
    (kept,) = (folder / "results").iterdir()
    return Ended(
        stderr=done.stderr,
        exit_code=done.returncode,
        folder=RunFolder(kept),
        summary=json.loads(done.stdout),
    )


def run(
    folder: Path, with_greenlet: Path, *, freed: Path, profile: str = "demo"
) -> subprocess.CompletedProcess[str]:
    """Run the experiment as a person does."""
    return poolbench(
        *("run", write(folder, EXPERIMENT.replace("WITH_GREENLET", str(with_greenlet)))),
        *("--profile", profile, "--json"),
        results=folder / "results",
        within_s=120,
        POOLBENCH_FREE_THREADED=str(freed),
    )


def test_the_jobs_ran_without_the_gil(ended: Ended) -> None:
    """Every record says so, each in a thread of one process; the row is valid."""
    records = ended.folder.read_jobs().filter(pl.col("contender") == "threads-2-nogil")
    row = ended.row("threads-2-nogil")

    assert records["gil_enabled"].to_list() == [False] * len(records)
    assert len(records) > 10
    assert row["evidence"]["pools_seen"] == ["celery.concurrency.thread:TaskPool"]
    assert row["evidence"]["processes"] == 1
    assert (row["mark"], row["is_without_gil"], row["ledger"]["lost"]) == ("?", True, 0)
    assert ended.row("threads-2")["evidence"]["gil_enabled"] is True


def test_the_manifest_says_which_python_it_was(ended: Ended) -> None:
    """Build, version, GIL and packages; the ceiling is of that Python's own speed."""
    manifest = flat_manifest(ended.folder)
    found = manifest["interpreters"]["free-threaded"]

    assert (found["is_free_threaded"], found["gil_enabled"]) == (True, False)
    assert found["versions"]["celery"] == manifest["versions"]["celery"]
    assert "greenlet" not in found["versions"]
    assert "hiredis" not in found["versions"]
    assert ended.row("threads-2-nogil")["ceiling_per_s"] != ended.row("threads-2")["ceiling_per_s"]


def test_greenlet_merely_installed_makes_the_row_invalid(
    ended: Ended, python_with_greenlet: Path
) -> None:
    """Celery imports it, the GIL comes back with one warning, and the row says who did that."""
    if not python_with_greenlet.exists():
        pytest.skip("needs a C compiler")

    row = ended.row("threads-2-greenlet")

    assert (row["mark"], row["valid_repetitions"], row["is_without_gil"]) == ("!", 0, False)
    reason = row["reasons"][0]
    assert (reason["code"], reason["parameters"]["packages"]) == (Code.GIL_TURNED_ON, ["greenlet"])
    assert ended.exit_code == ExitCode.INVALID
    assert ended.row("threads-2-nogil")["mark"] != "!"


def test_who_has_no_python_is_skipped(ended: Ended) -> None:
    """Said in the terminal, in the manifest and in the report, with the command that helps."""
    (skip,) = [one for one in flat_manifest(ended.folder)["skipped"] if "gone" in one["contender"]]

    assert "skipped threads-2-gone: there is no Python at no/such/python. Run uv" in ended.stderr
    assert "uv python install" in skip["remedy"]
    assert ended.summary["skipped"][-1] == skip
    page = (ended.folder.path / "report.html").read_text()
    assert skip["remedy"].split(", then")[0].removeprefix("run ") in page
    assert ".." not in page[page.index("no/such/python") :][:200]


def test_nobody_to_run_is_one_clear_error(tmp_path: Path) -> None:
    """Exit 2 before anything starts: no folder, no traceback."""
    done = run(tmp_path, Path("none"), freed=Path("none"), profile="nobody")

    assert done.returncode == ExitCode.USAGE
    said = " ".join(done.stderr.split())  # wrapped, by the length of the path
    assert "profile nobody has no contender that can run here" in said
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


def test_make_refuses_a_python_with_the_gil(tmp_path: Path) -> None:
    """Exit 2, one line of ours with the command that gets another, and nothing is made."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip("this Python runs without the GIL")

    done = make("free-threaded", f"PYTHON={sys.executable}", f"FREE={tmp_path / 'made'}")

    ours = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode == 2
    assert len(ours) == 1
    assert "is built with the GIL. Run uv python install 3.14t" in ours[0]
    assert "PYTHON=$(uv python find 3.14t)" in ours[0]
    assert not (tmp_path / "made").exists()
