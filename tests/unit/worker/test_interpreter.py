"""What a Python says of itself before it runs a worker."""

from __future__ import annotations

import json
import sys
import sysconfig
import warnings

import pytest

from poolbench.errors import ExitCode, UsageError
from tests.processes import run_python
from worker import cli, interpreter

#: What CPython 3.13 says when an extension turns the GIL on, word for word.
WARNING = (
    "The global interpreter lock (GIL) has been enabled to load module 'greenlet._greenlet', which "
    "has not declared that it can run safely without the GIL. To override this behavior and keep "
    "the GIL disabled (at your own risk), run with PYTHON_GIL=0 or -Xgil=0."
)


@pytest.fixture
def _nothing_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this test's process as it is: what a worker imports is imported in its own."""
    monkeypatch.setattr(interpreter, "WORKER_IMPORTS", ())


@pytest.mark.usefixtures("_nothing_imported")
def test_an_interpreter_tells_its_build_and_its_packages() -> None:
    """Version, build, GIL and the packages by which a run can be repeated."""
    found = interpreter.describe()

    assert found["python"].split()[1] == ".".join(map(str, sys.version_info[:3]))
    assert found["gil_enabled"] is getattr(sys, "_is_gil_enabled", lambda: True)()
    assert found["gil_turned_on_by"] == []
    assert found["versions"]["celery"].startswith("5.")


@pytest.mark.usefixtures("_nothing_imported")
def test_who_turned_the_gil_on_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one warning that CPython gives is read, and not lost. Patched: it takes such a build."""

    def import_module(_name: str) -> None:
        warnings.warn(WARNING, RuntimeWarning, stacklevel=1)

    monkeypatch.setattr(interpreter, "WORKER_IMPORTS", ("celery",))
    monkeypatch.setattr("worker.interpreter.importlib.import_module", import_module)

    found = interpreter.describe() | {"is_free_threaded": True, "gil_enabled": True}

    assert found["gil_turned_on_by"] == ["greenlet._greenlet"]
    with pytest.raises(UsageError, match=r"turned on by greenlet\._greenlet. Remove that package"):
        interpreter.refuse_gil(found)


def test_a_python_built_with_the_gil_is_refused_in_one_line() -> None:
    """What `make free-threaded` would say in the end; in a process of its own, as there."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("this Python is built without the GIL")
    ended = run_python("-m", "worker", "interpreter", "--no-gil")

    assert ended.returncode == ExitCode.USAGE
    assert ended.stderr.count("\n") == 1
    assert "built with the GIL" in ended.stderr
    assert "python3.14t" in ended.stderr


def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bare Python has no Celery: one line, not a traceback."""
    monkeypatch.setattr(interpreter, "WORKER_IMPORTS", ("celeri",))

    assert cli.main(["interpreter", "--json"]) == ExitCode.USAGE
    assert capsys.readouterr().err == (
        "worker: a package that workers need is not installed: celeri.\n"
    )


@pytest.mark.usefixtures("_nothing_imported")
def test_it_is_told_to_machines_or_people(capsys: pytest.CaptureFixture[str]) -> None:
    """The same as JSON, or in one sentence."""
    assert cli.main(["interpreter", "--json"]) == ExitCode.OK
    as_json = capsys.readouterr().out
    assert cli.main(["interpreter"]) == ExitCode.OK
    as_text = capsys.readouterr().out

    assert json.loads(as_json)["python"] == interpreter.describe()["python"]
    assert "the GIL is" in as_text
    assert (as_json.count("\n"), as_text.count("\n")) == (1, 1)
