"""The lab as its user meets it: whole small runs, and what becomes of them on a bad day."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
import redis
from rich.console import Console

from collector.ledger import ledgers
from collector.reasons import Code, Severity
from collector.run_manifest import Disturbance as SeenDisturbance
from collector.run_manifest import manifest_schema
from collector.store import RunFolder
from lab.experiment_file.loader import load_experiment
from lab.fixtures.disk_reserve import RESERVE_BYTES
from lab.instruments.machine_monitor import MachineCounters, MachineMonitor
from lab.run.conductor import conduct_experiment
from lab.run.progress import RunProgress
from poolbench.__main__ import main
from poolbench.errors import ExitCode
from poolbench.keys import run_key, sent_field
from poolbench.pools import available_pools
from poolbench.settings import load_settings
from report.build import write_reports
from report.export import Format, Table, export
from report.result import from_json
from tests.conftest import Server, wait_until
from tests.processes import has_ended, run_python
from tests.summaries import codes, row_of
from tests.synthetic import flat_manifest

CONTENDER = """
[[contender]]
name = "{name}"
pool = "{pool}"
slots = {slots}
"""


def experiment(*, pools: dict[str, int], repetitions: int, kind: str, parameters: str) -> str:
    """Return a small experiment's text: pool → slots, one workload."""
    names = json.dumps(list(pools))
    contenders = "".join(
        CONTENDER.format(name=pool, pool=pool, slots=slots) for pool, slots in pools.items()
    )
    return (
        '# Does it work?\ntitle = "Does it work?"\nstall_s = 3.0\n'
        f"[profile.demo]\nrepetitions = {repetitions}\ntrial_s = 0.3\ncontenders = {names}\n"
        f'{contenders}\n[[workload]]\nkind = "{kind}"\nparameters = {parameters}\n'
    )


POOLS = {pool.name: pool.fixed_slots or 2 for pool in available_pools()}

SMALL = experiment(pools=POOLS, repetitions=1, kind="cpu.primes", parameters="{ work_ms = 2 }")
SMALL = SMALL.replace("stall_s", 'fail_on = ["failed_jobs > 0"]\nstall_s', 1)
LONG = experiment(
    pools={"prefork": 2}, repetitions=50, kind="io.sleep", parameters="{ delay_ms = 400 }"
)

SEVERAL_CONTENDERS = {"solo": 1, "threads": 3}
SEVERAL = experiment(
    pools=SEVERAL_CONTENDERS, repetitions=20, kind="io.sleep", parameters="{ delay_ms = 20 }"
)

#: Trials of a contender in a block before it is measured: it shows its slots and does first jobs.
BEFORE_TRIALS = 2


def variables(results: Path, **more: str) -> dict[str, str]:
    """Return an environment in which the lab keeps its runs in ``results``.

    Its temporary files lie beside them: a lab that is killed can't remove its server's folder.
    """
    kept = {name: word for name, word in os.environ.items() if not name.startswith("POOLBENCH_")}
    ours = {"POOLBENCH_RESULTS_DIR": str(results), "TMPDIR": str(results.parent), "COLUMNS": "100"}
    return {**kept, **ours, **more}


def poolbench(
    *words: str, results: Path, within_s: float = 100.0, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    environ = variables(results, **more)
    return run_python("-m", "poolbench", *words, environ=environ, within_s=within_s)


def write(folder: Path, text: str) -> str:
    """Write an experiment's file and return its path."""
    file = folder / "some.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def only_run(results: Path) -> Path:
    """Return the folder of the one run in ``results``."""
    (found,) = results.iterdir()
    return found


def read_manifest(results: Path) -> dict[str, Any]:
    """Return the manifest of the one run in ``results``."""
    return flat_manifest(RunFolder(only_run(results)))


def leftovers(results: Path) -> list[str]:
    """Return the command lines of live processes that belong to the one run."""
    name = only_run(results).name
    found = []
    for process in psutil.process_iter():
        try:
            if name in process.environ().get("POOLBENCH_SCOPE", ""):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def conduct(folder: Path, text: str, *, progress: RunProgress) -> RunFolder:
    """Carry out an experiment in this process and write its reports."""
    found, cut = conduct_experiment(
        load_experiment(Path(write(folder, text)), profile="demo", cores=2),
        settings=load_settings({}, dotenv=None),
        results_dir=folder / "results",
        command="a test",
        progress=progress,
    )
    assert cut is None
    write_reports(found.path)
    return found


class Disturbance(RunProgress):
    """Acts on the processes of a pool's worker so many seconds into its first trial."""

    def __init__(self, pool: str, acts: Mapping[float, Callable[[psutil.Process], None]]) -> None:
        super().__init__(Console(quiet=True), title="disturbance", trials=1, blocks=1)
        self.pool = pool
        self.timers = [threading.Timer(at_s, self._act, [act]) for at_s, act in acts.items()]

    def now(self, what: str) -> None:
        """Lie in wait when the trial begins."""
        if what.startswith(f"{self.pool} ·") and not self.timers[0].ident:
            for timer in self.timers:
                timer.start()

    def _act(self, act: Callable[[psutil.Process], None]) -> None:
        family = [
            one
            for worker in psutil.Process().children()
            if "worker.app" in worker.cmdline()
            for one in (worker, *worker.children())
        ]
        # told apart before the first is killed: slots end with their worker
        for one in [one for one in family if "poolbench.recorder" not in one.cmdline()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                act(one)


def interrupt_in_trials(
    text: str,
    results: Path,
    act: Callable[[subprocess.Popen[str], dict[str, Any]], None],
    **more: str,
) -> subprocess.CompletedProcess[str]:
    """Start a run, let ``act`` do its worst once a first block is kept, and wait for the end."""
    command = [sys.executable, "-m", "poolbench", "run", write(results.parent, text)]
    with subprocess.Popen(
        command,
        env=variables(results, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # the manifest is the last that is written of a block
        wait_until(
            lambda: any(results.glob("*/jobs.parquet")) and read_manifest(results)["trials"],
            what="a first block is kept",
            within_s=60,
        )
        act(process, read_manifest(results))
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one small run of all pools; a test that changes it puts it back."""
    folder = tmp_path_factory.mktemp("small")
    results = folder / "results"
    ended = poolbench("run", write(folder, SMALL), "--json", results=results)
    assert ended.returncode == ExitCode.OK, ended.stderr
    assert ended.stdout == (only_run(results) / "summary.json").read_text(encoding="utf-8")
    assert leftovers(results) == []
    return only_run(results)


def test_a_run_accounts_for_every_job_of_every_pool(small_run: Path) -> None:
    """All pools side by side: each ledger closes, each row has its figures, thresholds are checked.

    A time of work became the same units for every contender, by the calibration kept.
    """
    summary = json.loads((small_run / "summary.json").read_text(encoding="utf-8"))
    manifest = read_manifest(small_run.parent)

    assert {row["contender"] for row in summary["rows"]} == set(POOLS)
    for row in summary["rows"]:
        ledger = row["ledger"]
        assert ledger["sent"] == ledger["done"] == row["jobs"] > 0
        assert ledger["lost"] == ledger["duplicated"] == ledger["failed"] == 0
        assert row["throughput_per_s"]["median"] > 0
        assert row["pss_bytes"] > 0
        assert row["cpu_s_per_1000_jobs"] > 0
        assert row["mark"] == "?"
    checked = {(one["contender"], one["number"], one["status"]) for one in summary["thresholds"]}
    assert checked == {(pool, 0, "met") for pool in POOLS}
    measured = [trial for trial in manifest["trials"] if not trial["is_pilot"]]
    units = max(1, round(0.002 / manifest["calibration"]["cpu.primes"]))
    assert manifest["workloads"][0]["parameters"] == {"work_ms": 2.0}
    assert [trial["parameters"] for trial in measured] == [{"units": units}] * len(measured)


def test_a_report_is_rebuilt_byte_for_byte(small_run: Path) -> None:
    """The raw records alone give the same summary and page, whatever hash seed and threads."""
    first = {name: (small_run / name).read_bytes() for name in ("summary.json", "report.html")}
    for name in first:
        (small_run / name).unlink()

    ended = poolbench(
        *("report", small_run.name, "--json"),
        results=small_run.parent,
        PYTHONHASHSEED="1",
        POLARS_MAX_THREADS="1",
    )

    assert ended.returncode == ExitCode.OK
    assert ended.stdout.encode() == first["summary.json"]
    assert {name: (small_run / name).read_bytes() for name in first} == first


def test_the_manifest_holds_what_repeats_the_run(small_run: Path) -> None:
    """Experiment, versions, machine, configuration in effect; the password is not in it."""
    manifest = read_manifest(small_run.parent)

    jsonschema = pytest.importorskip("jsonschema")
    content, schema = json.loads((small_run / "manifest.json").read_bytes()), manifest_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(content, schema)
    assert content.keys() == schema["properties"].keys()
    assert manifest["state"] == "finished"
    assert manifest["experiment"]["text"] == SMALL
    assert manifest["celery"]["solo"]["worker_prefetch_multiplier"] == 4
    assert manifest["versions"]["celery"].startswith("5.")
    assert manifest["broker"]["server"] in {"valkey", "redis"}
    assert manifest["ceilings"]["noop_per_s"]["threads"] > 0
    assert manifest["ceilings"]["redis_per_s"]["threads"] > 0
    assert manifest["ceilings"]["upstream_per_s"] == {}, "none of its workloads asks upstream"
    assert {worker["exit_code"] for worker in manifest["workers"]} == {0}
    warm = {trial["contender"] for trial in manifest["trials"] if trial["workload"] == "warm"}
    assert warm == set(POOLS)


def test_ctrl_c_keeps_what_was_measured(results_dir: Path) -> None:
    """Exit 130, the run marked unfinished with its first blocks, and nothing left running."""
    ended = interrupt_in_trials(
        LONG, results_dir, lambda process, _: process.send_signal(signal.SIGINT)
    )

    assert ended.returncode == ExitCode.INTERRUPTED, ended.stderr
    assert "Traceback" not in ended.stderr
    assert read_manifest(results_dir)["state"] == "unfinished"
    summary = json.loads((only_run(results_dir) / "summary.json").read_text())
    assert summary["state"] == "unfinished"
    assert summary["rows"][0]["ledger"]["done"] > 0
    assert leftovers(results_dir) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that a run fits into with little to spare."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size_bytes = RESERVE_BYTES + 4 * 1_048_576
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting a small disk needs root: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_up_costs_no_record(
    small_disk: Path, server: Server, client: redis.Redis
) -> None:
    """One line, exit code 4; what was measured is kept, that of the block in progress too."""

    def fill(_: subprocess.Popen[str], known: dict[str, Any]) -> None:
        kept = len(known["trials"])
        sent = sent_field(kept + len(SEVERAL_CONTENDERS) * BEFORE_TRIALS)
        wait_until(
            lambda: client.hexists(run_key(known["run"]), sent), what="another block's trial"
        )
        with (
            contextlib.suppress(OSError),
            (small_disk / "filler").open("wb", buffering=0) as filler,
        ):
            while filler.write(bytes(4_096)):
                pass

    ended = interrupt_in_trials(SEVERAL, small_disk, fill, POOLBENCH_REDIS_URL=server.url)

    assert (ended.returncode, "Traceback" in ended.stderr) == (ExitCode.STORAGE, False)
    assert "Free some space" in ended.stderr
    (small_disk / "filler").unlink()
    folder = RunFolder(only_run(small_disk))
    known = flat_manifest(folder)
    sent = {trial["trial"]: trial["sent"] for trial in known["trials"] if trial["end_ns"]}
    lost = {trial: ledger.lost for trial, ledger in ledgers(folder.read_jobs(), sent=sent).items()}
    assert (known["state"], lost) == ("unfinished", dict.fromkeys(sent, 0))
    assert {trial["block"] for trial in known["trials"] if trial["trial"] in sent} > {0}


def test_a_killed_lab_leaves_no_process(results_dir: Path) -> None:
    """SIGKILL of the lab ends its workers too, and the blocks measured before are on disk."""
    started: list[psutil.Process] = []

    def kill(process: subprocess.Popen[str], _: dict[str, Any]) -> None:
        started.extend(psutil.Process(process.pid).children(recursive=True))
        process.kill()

    ended = interrupt_in_trials(LONG, results_dir, kill)

    assert ended.returncode == -signal.SIGKILL
    assert read_manifest(results_dir)["state"] == "unfinished"
    assert len(started) >= 3, "broker, upstream and gauge at least"
    wait_until(
        lambda: all(has_ended(one) for one in started),
        what="broker, upstream, gauge and workers are gone",
        within_s=30,
    )
    wait_until(lambda: leftovers(results_dir) == [], what="the workers are gone", within_s=30)


def test_a_worker_that_dies_makes_its_trial_invalid(tmp_path: Path) -> None:
    """The trial says how its worker ended, the log is kept, and the run goes on with a new one."""
    text = LONG.replace("repetitions = 50", "repetitions = 2")

    # a trial takes 2 s
    folder = conduct(tmp_path, text, progress=Disturbance("prefork", {0.7: psutil.Process.kill}))

    summary = write_reports(folder.path)
    manifest = flat_manifest(folder)
    first, second = [trial for trial in manifest["trials"] if not trial["is_pilot"]]
    (reason,) = first["reasons"]
    assert (reason["code"], reason["parameters"]["exit_code"]) == (Code.WORKER_EXITED, -9)
    assert second["reasons"] == []
    assert summary.rows[0].mark is Severity.INVALID
    assert summary.rows[0].reasons[0].code is Code.WORKER_EXITED
    assert summary.rows[0].ledger.lost > 0
    assert [worker["exit_code"] for worker in manifest["workers"]] == [-signal.SIGKILL, 0, 0]
    assert all((folder.path / worker["log"]).exists() for worker in manifest["workers"])


class LastShown(RunProgress):
    """Keeps what runs at the moment."""

    what = ""

    def now(self, what: str) -> None:
        """Keep it."""
        self.what = what


def test_a_trial_hit_by_steal_is_measured_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of its repetition, and again never; account, report and records have both."""
    progress = LastShown(Console(quiet=True), title="steal", trials=2, blocks=1)
    since = MachineMonitor.since

    def steal(monitor: MachineMonitor, before: MachineCounters) -> SeenDisturbance:
        share = 0.5 if progress.what.startswith("threads ·") else 0.0
        return replace(since(monitor, before), stolen_cpu_share=share, clock_step_s=0.0)

    # patched, since no test can make a hypervisor steal
    monkeypatch.setattr(MachineMonitor, "since", steal)
    text = SEVERAL.replace("repetitions = 20", "repetitions = 1")
    folder = conduct(tmp_path, text, progress=progress)

    plans = [one.plan for one in folder.read_manifest().trials if not one.plan.is_pilot]
    first = next(plan for plan in plans if plan.contender == "threads")
    assert [plan.repeats for plan in plans] == [None, None, first.trial]
    assert (plans[-1].contender, plans[-1].count) == ("threads", first.count)
    summary = from_json((folder.path / "summary.json").read_bytes())
    row = row_of(summary, "threads")
    assert (row.repetitions, row.ledger.done) == (1, 2 * first.count)
    assert {Code.MEASURED_AGAIN, Code.STOLEN_CPU} <= {*codes(row)}
    file = io.BytesIO()
    export(folder, file, table=Table.JOBS, form=Format.PARQUET)
    jobs = pl.read_parquet(file.getvalue()).filter(contender="threads", is_pilot=False)
    seen = jobs.select("trial", "repeats", "is_valid").unique(maintain_order=True)
    assert seen.rows() == [(first.trial, None, False), (plans[-1].trial, first.trial, True)]


@pytest.mark.parametrize(
    ("words", "variable", "exit_code", "said"),
    [
        ("run {faulty}", {}, ExitCode.USAGE, "Did you mean solo?"),
        ("report no-such-run", {}, ExitCode.USAGE, "no-such-run"),
        ("run", {}, ExitCode.USAGE, "missing argument"),
        ("run x.toml --repetitions 0", {}, ExitCode.USAGE, "--repetitions = 0 is invalid"),
        ("run {small} --until 3 --at-most soon", {}, ExitCode.USAGE, "--budget = soon is"),
        ("run x.toml --sed 1", {}, ExitCode.USAGE, "no such option: --sed"),
        ("rum", {}, ExitCode.USAGE, "Did you mean 'run'?"),
        ("run {small}", {"REDIS_URL": "redis://127.0.0.1:1/0"}, ExitCode.STACK, "127.0.0.1:1"),
        (
            "run {small}",
            {"REDIS_URL": "redis://:wrong-secret@127.0.0.1:{port}/0"},
            ExitCode.STACK,
            "127.0.0.1:{port}",
        ),
        ("run {small}", {"RESULTS_DIR": "{small}"}, ExitCode.STORAGE, "{small}"),
    ],
)
def test_what_cant_be_done_is_one_line(
    tmp_path: Path,
    results_dir: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    words: str,
    variable: dict[str, str],
    exit_code: ExitCode,
    said: str,
) -> None:
    """A wrong file, run, command line, broker or folder: no traceback, password or result."""
    (tmp_path / "faulty").mkdir()
    known = {
        "small": write(tmp_path, SMALL),
        "faulty": write(tmp_path / "faulty", SMALL.replace("solo", "sole")),
        "port": server.port,
    }
    more = {f"POOLBENCH_{name}": text.format(**known) for name, text in variable.items()}
    # in this process: starting Python takes longer than finding the fault
    monkeypatch.setattr(os, "environ", variables(results_dir, **more))
    monkeypatch.setattr(sys, "argv", ["poolbench", *words.format(**known).split()])

    with pytest.raises(SystemExit) as caught:
        sys.exit(main())

    errors = capsys.readouterr().err
    assert caught.value.code == exit_code
    assert said.format(**known) in errors.replace("\n", "")
    assert "Traceback" not in errors
    assert "wrong-secret" not in errors
    assert list(results_dir.iterdir()) == []
