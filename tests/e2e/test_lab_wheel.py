"""The wheel in an app's own environment: old Pythons, old Celerys, and nothing else is changed."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from poolbench import __version__
from poolbench.pools import POOLS
from tests.conftest import wait_until
from tests.processes import run_python
from tests.unit.poolbench.test_imports import IMPORT_ALL, WITHOUT

pytestmark = pytest.mark.e2e

#: Python → Celery.
MATRIX = {"3.10": "5.3", "3.11": "5.4", "3.13": "5.7"}

#: Any broker works: this one needs neither a server nor a package.
APP = """\
import os
import threading
import time

from celery import Celery
from kombu.transport.filesystem import Channel

folder = os.environ["SHOP_QUEUE"]
os.makedirs(folder, exist_ok=True)
app = Celery("shop", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": folder, "data_folder_out": folder, "control_folder": folder + "-control"
}
put, lock = Channel._put, threading.Lock()


def put_whole(channel, *args, **kwargs):
    # kombu writes in place, and a worker that looks at that moment reads a part of the message
    with lock:
        channel.data_folder_out = f"{folder}-{os.getpid()}"
        os.makedirs(channel.data_folder_out, exist_ok=True)
        put(channel, *args, **kwargs)
        for name in os.listdir(channel.data_folder_out):
            os.replace(os.path.join(channel.data_folder_out, name), os.path.join(folder, name))


Channel._put = put_whole


@app.task
def waits():
    time.sleep(0.01)


@app.task
def fails():
    raise ValueError("no")


@app.task(bind=True)
def is_retried(self):
    if not self.request.retries:
        raise self.retry(countdown=0)
"""

SEND = "import shop; [job.delay() for job in [shop.waits] * 6 + [shop.fails, shop.is_retried]]"

EXPERIMENT = """\
# Does it run?
title = "Does it run?"
[app]
module = "shop"
python = "{python}"
directory = "{directory}"
[profile.demo]
repetitions = 1
trial_s = 0.3
contenders = ["prefork-2"]
[[contender]]
name = "prefork-2"
pool = "prefork"
slots = 2
[[workload]]
task = "shop.waits"
"""

#: Celery's states of the executions of `SEND`.
STATES = {"SUCCESS": 7, "FAILURE": 1, "RETRY": 1}


oldest = pytest.mark.parametrize("environment", ["3.10"], indirect=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A virtual environment of an app, with the wheel."""

    python: str
    celery: str
    folder: Path
    #: Packages with their versions, before and after the wheel was installed.
    before: frozenset[str]
    after: frozenset[str]

    @property
    def runs_asyncio(self) -> bool:
        """Whether the asyncio pool runs there."""
        return self.python != "3.10"

    def start(self, *words: str, log: Path, **variables: str) -> subprocess.Popen[bytes]:
        """Start one of its programs in the app's folder, without anything of this checkout."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("POOLBENCH_", "PYTHON", "CELERY_"))
        }
        with log.open("ab") as out:
            return subprocess.Popen(
                [self.folder / "bin" / words[0], *words[1:]],
                cwd=self.folder.parent,
                env={**kept, "C_FORCE_ROOT": "1", **variables},
                stdout=out,
                stderr=out,
            )

    def run(self, *words: str, log: Path, **variables: str) -> int:
        """Run one of its programs to its end; return the exit code."""
        return self.start(*words, log=log, **variables).wait(60.0)


def interpreter(version: str) -> str | None:
    """Return the path of a Python of a version on this machine, if there is one."""
    found = shutil.which(f"python{version}")
    others = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    for path in filter(None, (sys.executable, found, *map(str, sorted(others)))):
        asked = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return path
    return None


def uv(*words: str) -> str:
    """Run uv; return what it printed.

    Raises:
        subprocess.CalledProcessError: if it fails.
    """
    command = [str(Path(sys.executable).with_name("uv")), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as `make wheel` builds it."""
    folder = tmp_path_factory.mktemp("dist")
    done = run_python("-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder))
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module", params=MATRIX)
def environment(
    request: pytest.FixtureRequest,
    wheel: Path,
    tmp_path_factory: pytest.TempPathFactory,
    is_ci: bool,  # noqa: FBT001 -- a fixture
) -> Environment:
    """An app's environment of one Python and its Celery, in which the wheel was installed."""
    python, celery = request.param, MATRIX[request.param]
    path = interpreter(python)
    if path is None:
        if is_ci:
            pytest.fail(f"CI has no Python {python}: see .github/workflows/ci.yml")
        pytest.skip(f"Python {python} isn't installed")
    app = tmp_path_factory.mktemp("app")
    (app / "shop.py").write_text(APP, encoding="utf-8")
    folder = app / "venv"
    uv("venv", "--python", path, str(folder))
    here = ("--python", str(folder / "bin" / "python"))
    try:
        uv("pip", "install", *here, f"celery[gevent]=={celery}.*")
    except subprocess.CalledProcessError as error:
        if is_ci:
            raise
        pytest.skip(f"Celery {celery} can't be installed: {error.stderr[-300:]}")
    before = uv("pip", "freeze", *here)
    uv("pip", "install", *here, str(wheel))
    return Environment(
        python=python,
        celery=celery,
        folder=folder,
        before=frozenset(before.splitlines()),
        after=frozenset(uv("pip", "freeze", *here).splitlines()),
    )


@pytest.fixture
def recordings(environment: Environment, tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Pool → the recording of a worker that ran the jobs of `SEND`, was stopped, and ended well.

    prefork is recorded by the command, the others by a variable.
    """
    pools = {name: pool for name, pool in POOLS.items() if name != "solo"}
    if not environment.runs_asyncio:
        del pools["asyncio"]
    files = {name: tmp_path / f"{name}.pbrec" for name in pools}
    with ExitStack() as stack:
        workers = {}
        for name, pool in pools.items():
            variables = {**dict(pool.environment), "SHOP_QUEUE": str(tmp_path / name)}
            command = ["celery", "-A", "shop", "worker", "-P", pool.celery_value, "-c", "2"]
            if name == "prefork":
                command[0] = str(environment.folder / "bin" / "celery")
                command = ["poolbench", "record", "--to", str(files[name]), "--", *command]
            else:
                command += ["-I", "poolbench.probe"]
                variables["POOLBENCH_RECORD"] = str(files[name])
            worker = environment.start(*command, log=tmp_path / f"{name}.log", **variables)
            stack.callback(worker.wait)
            stack.callback(worker.kill)
            workers[name] = worker
            sent = environment.run(
                *("python", "-c", SEND), log=tmp_path / "send.log", SHOP_QUEUE=str(tmp_path / name)
            )
            assert sent == 0, (tmp_path / "send.log").read_text(encoding="utf-8")
        for name, worker in workers.items():
            wait_until(
                functools.partial(has_all_ends, files[name]),
                what=f"the executions of {name}",
                within_s=60.0,
            )
            worker.terminate()
        for name, worker in workers.items():
            log = (tmp_path / f"{name}.log").read_text(encoding="utf-8")
            assert worker.wait(60.0) == 0, log
            assert "failed (logged once)" not in log
        yield files


def read(file: Path) -> list[dict[str, Any]]:
    """Return the complete lines of a recording; none if there is no file yet."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def has_all_ends(file: Path) -> bool:
    """Return whether a recording has the end of each execution of `SEND`."""
    return [line["m"] for line in read(file)].count("finished") >= sum(STATES.values())


def test_installing_it_changes_nothing_else(environment: Environment) -> None:
    """No version of the app's packages is another one, and only Poolbench is new."""
    assert not environment.before - environment.after
    new = environment.after - environment.before
    assert [line.split(" ")[0] for line in new] == ["poolbench"]


def test_every_module_imports_there(environment: Environment, tmp_path: Path) -> None:
    """Also what no other test here runs."""
    log = tmp_path / "imports.log"
    code = environment.run("python", "-c", IMPORT_ALL, *WITHOUT, log=log)

    assert code == 0, log.read_text(encoding="utf-8")


def test_each_execution_is_recorded_once_in_every_pool(
    environment: Environment, recordings: dict[str, Path]
) -> None:
    """With its moments, how it ended, the versions of its worker, and the worker's levels."""
    for pool, file in recordings.items():
        found: defaultdict[str, list[str]] = defaultdict(list)
        for line in read(file):
            if "nonce" in line and line["m"] in {"received", "started", "finished"}:
                found[line["nonce"]].append(line["m"])
        once = ["received", "started", "finished"]
        assert list(found.values()) == [once] * sum(STATES.values()), pool

        lines = {line["m"]: line for line in read(file)}
        tasks = {line["task"] for line in read(file) if line["m"] == "task"}
        assert tasks == {"shop.waits", "shop.fails", "shop.is_retried"}, pool
        assert lines["worker"]["pool"] == pool
        assert "levels" in lines, pool
        states = Counter(line["state"] for line in read(file) if line["m"] == "finished")
        assert states == STATES, pool
        assert lines["recording"]["celery"].startswith(environment.celery)
        assert lines["recording"]["python"].startswith(environment.python)
        assert lines["recording"]["poolbench"] == __version__
        assert lines["alive"]["pool"] == pool
        assert {"prefetch_count", "reserved_jobs", "countdown_jobs"} <= lines["alive"].keys()
        assert lines["ended"]["reason"] == "worker"


@oldest
def test_a_loaded_probe_that_records_nothing_logs_the_reason(
    environment: Environment, tmp_path: Path
) -> None:
    """One line; the worker works and stops as always."""
    log = tmp_path / "worker.log"
    worker = environment.start(
        *("celery", "-A", "shop", "worker", "-P", "solo", "-l", "INFO", "-I", "poolbench.probe"),
        log=log,
        SHOP_QUEUE=str(tmp_path / "queue"),
    )
    try:
        wait_until(lambda: " ready." in log.read_text(encoding="utf-8"), what="the worker")
        worker.terminate()
        assert worker.wait(60.0) == 0
    finally:
        worker.kill()
        worker.wait()
    said = [line for line in log.read_text(encoding="utf-8").splitlines() if "poolbench:" in line]
    assert len(said) == 1
    assert "POOLBENCH_RECORD" in said[0]


@oldest
def test_the_asyncio_pool_is_refused_where_it_cannot_run(
    environment: Environment, tmp_path: Path
) -> None:
    """One line and exit code 2; on newer Pythons it is one of the pools above."""
    log = tmp_path / "worker.log"
    code = environment.run(
        *("celery", "-A", "shop", "worker", "-P", "custom"),
        log=log,
        SHOP_QUEUE=str(tmp_path / "queue"),
        **dict(POOLS["asyncio"].environment),
    )

    assert code == 2
    reason = "poolbench: The asyncio pool needs Python 3.11 or newer; this is Python 3.10.\n"
    assert log.read_text(encoding="utf-8") == reason


@oldest
def test_its_command_refuses_what_only_a_checkout_has(
    environment: Environment, tmp_path: Path
) -> None:
    """It prints its version, and one line with exit code 2 for the lab's commands."""
    log = tmp_path / "command.log"
    assert environment.run("poolbench", "--version", log=log) == 0
    assert environment.run("poolbench", "demo", log=log) == 2
    version, refusal = log.read_text(encoding="utf-8").splitlines()
    assert version == f"poolbench {__version__}"
    assert "from a checkout" in refusal


@oldest
def test_an_experiment_runs_tasks_of_the_app_in_its_environment(
    environment: Environment, wheel: Path, tmp_path: Path
) -> None:
    """With the extra for Redis, since its own broker is another; each job is accounted for."""
    python = environment.folder / "bin" / "python"
    uv("pip", "install", "--python", str(python), f"{wheel}[redis]")
    file = tmp_path / "shop.toml"
    text = EXPERIMENT.format(python=python, directory=environment.folder.parent)
    file.write_text(text, encoding="utf-8")
    variables = {"SHOP_QUEUE": str(tmp_path / "queue"), "POOLBENCH_RESULTS_DIR": str(tmp_path)}

    done = run_python(
        "-m", "poolbench", "run", str(file), "--i-know", environ=os.environ | variables
    )

    assert done.returncode == 0, done.stderr
    assert "jobs accounted for" in done.stdout
