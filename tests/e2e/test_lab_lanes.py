"""Lanes of real workers: what each slot did when, after a comparison and instead of one."""

from __future__ import annotations

import json
import signal
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from collector.run_manifest import Manifest
from collector.store import RunFolder
from lab.run.lanes import FOLDER, LANE_JOBS
from poolbench.errors import ExitCode
from poolbench.evidence import is_gil_enabled
from report.analyses.slot_lanes import SlotLanes, State
from report.lanes import read_lanes
from report.result import from_json
from tests.conftest import wait_until
from tests.integration.test_lab_run import (
    CONTENDER,
    leftovers,
    only_run,
    poolbench,
    variables,
    write,
)
from tests.processes import running_python

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="states are read on Linux only"),
]

SLOTS = {"threads": 2, "prefork": 2, "gevent": 2, "asyncio": 2, "solo": 1}

#: Pools with one thread for all slots.
SHARED = {"gevent", "asyncio"}


def _head(*contenders: str, more: str = "") -> str:
    """Return an experiment's text up to its workloads."""
    return (
        '# When?\ntitle = "When?"\nstall_s = 5.0\n'
        "[profile.demo]\nrepetitions = 1\ntrial_s = 0.3\n"
        f"contenders = {json.dumps(contenders)}\n{more}\n"
        + "".join(CONTENDER.format(name=one, pool=one, slots=SLOTS[one]) for one in contenders)
    )


WORKLOADS = """
[[workload]]
name = "primes"
kind = "cpu.primes"
parameters = { work_ms = 10 }

[[workload]]
name = "sleep"
kind = "io.sleep"
parameters = { delay_ms = 20 }
"""

EXPERIMENT = _head(*SLOTS) + WORKLOADS

COMPARED = _head("solo", "threads", more='lanes = ["primes"]') + WORKLOADS

LONG = _head("prefork") + '[[workload]]\nkind = "io.sleep"\nparameters = { delay_ms = 1_000 }\n'


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of one run with lanes only; its trace is next to it."""
    folder = tmp_path_factory.mktemp("lanes")
    words = ["--profile", "demo", "--lanes", "--trace", str(folder / "trace.json")]
    done = poolbench("run", write(folder, EXPERIMENT), *words, results=folder / "results")
    assert done.returncode == ExitCode.OK, done.stderr
    return folder / "results"


@pytest.fixture(scope="module")
def manifest(results: Path) -> Manifest:
    """Its manifest."""
    return RunFolder(only_run(results)).read_manifest()


@pytest.fixture(scope="module")
def lanes(results: Path, manifest: Manifest) -> dict[tuple[str, str], SlotLanes]:
    """Its lanes by workload and contender."""
    found = read_lanes(RunFolder(only_run(results)), manifest=manifest)
    return {(one.workload, lane.name): lane for one in found for lane in one.lanes}


def _both_on_core_s(lanes: SlotLanes) -> float:
    """Return how long two slots or more were on a core at the same time, seconds."""
    changes = sorted(
        change
        for lane in lanes.slots
        for one in lane.segments
        if one.state in {State.CORE, State.RUNS}
        for change in ((one.begin_s, 1), (one.end_s, -1))
    )
    count, both_s = 0, 0.0
    for (at_s, change), (next_s, _) in pairwise(changes):
        count += change
        both_s += (next_s - at_s) * (count > 1)
    return both_s


def test_all_jobs_of_each_contender_are_recorded(
    manifest: Manifest, lanes: dict[tuple[str, str], SlotLanes]
) -> None:
    """The first jobs of a worker are in no lane."""
    assert {(one.workload, one.contender) for one in manifest.lanes} == lanes.keys()
    assert len(lanes) == 2 * len(SLOTS)
    assert all(one.sent == one.done == LANE_JOBS for one in manifest.lanes)
    for (_, pool), one in lanes.items():
        assert len(one.jobs) == LANE_JOBS
        assert {job.outcome for job in one.jobs} == {"done"}
        assert 1 <= len(one.slots) <= SLOTS[pool]


@pytest.mark.skipif(not is_gil_enabled(), reason="this Python has no GIL")
@pytest.mark.parametrize("pool", ["threads", *SHARED])
def test_python_code_of_one_process_runs_one_job_at_a_time(
    lanes: dict[tuple[str, str], SlotLanes], pool: str
) -> None:
    """Threads wait for the GIL or begin later; greenlets and coroutines have turns."""
    one = lanes["primes", pool]
    assert _both_on_core_s(one) < 0.15 * one.busy_s


def test_slots_that_share_a_thread_have_turns_and_the_thread_a_lane(
    lanes: dict[tuple[str, str], SlotLanes],
) -> None:
    """What they wait for is not known."""
    for (_, pool), one in lanes.items():
        seen = {part.state for lane in one.slots for part in lane.segments} - {State.UNSEEN}
        turns = {State.RUNS, State.PAUSES, State.BLOCKED}
        assert seen <= turns if pool in SHARED else not seen & turns, (pool, seen)
        assert len(one.threads) == (pool in SHARED)


def test_processes_never_wait_for_the_gil(lanes: dict[tuple[str, str], SlotLanes]) -> None:
    """Each has its own, and so has the only slot of solo."""
    for workload in ("primes", "sleep"):
        assert lanes[workload, "prefork"].share(State.GIL_WAIT) < 0.05
        assert lanes[workload, "solo"].share(State.GIL_WAIT) < 0.05


def test_jobs_that_wait_need_no_core(lanes: dict[tuple[str, str], SlotLanes]) -> None:
    """In every pool, most of their time."""
    for pool in SLOTS:
        one = lanes["sleep", pool]
        assert one.share(State.PAUSES if pool in SHARED else State.WAITS) > 0.6, pool


def test_the_trace_has_a_process_for_each_contender_and_workload(results: Path) -> None:
    """It is JSON in Chrome's Trace Event Format."""
    trace = json.loads((results.parent / "trace.json").read_text(encoding="utf-8"))
    names = [one["args"]["name"] for one in trace["traceEvents"] if one["name"] == "process_name"]
    assert sorted(names) == sorted(f"{w} · {pool}" for w in ("primes", "sleep") for pool in SLOTS)
    slices = [one for one in trace["traceEvents"] if one["ph"] == "X"]
    assert sum(one["cat"] == "job" for one in slices) == 2 * len(SLOTS) * LANE_JOBS
    assert all(one["dur"] >= 0 and one["ts"] >= 0 for one in slices)


def test_the_page_is_rebuilt_from_the_recordings(results: Path) -> None:
    """As it was."""
    page = only_run(results) / "report.html"
    before = page.read_text(encoding="utf-8")
    page.unlink()
    done = poolbench("report", "latest", results=results)
    assert done.returncode == ExitCode.OK, done.stderr
    assert page.read_text(encoding="utf-8") == before


def test_lanes_are_not_json(results: Path) -> None:
    """The message names the option that writes them."""
    done = poolbench("report", "latest", "--json", results=results)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert "Use --trace FILE.json" in done.stderr


@pytest.mark.parametrize("words", [("compare", "latest", "latest"), ("export", "latest")])
def test_a_run_with_lanes_only_has_nothing_to_compare(results: Path, words: list[str]) -> None:
    """One line has the reason."""
    done = poolbench(*words, results=results)
    assert done.returncode == ExitCode.STORAGE
    assert "a run with lanes only" in " ".join(done.stderr.split())
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)


def test_lanes_beside_a_comparison_are_on_its_page_and_in_no_ledger(tmp_path: Path) -> None:
    """The rows are of the measured jobs alone."""
    words = ["--profile", "demo", "--trace", str(tmp_path / "trace.json")]
    done = poolbench("run", write(tmp_path, COMPARED), *words, results=tmp_path / "results")
    folder = only_run(tmp_path / "results")
    summary = from_json((folder / "summary.json").read_text(encoding="utf-8"))
    assert done.returncode == ExitCode.OK, done.stderr
    assert {row.workload for row in summary.rows} == {"primes", "sleep"}
    assert all(row.ledger.sent == row.ledger.done > 0 for row in summary.rows)
    lanes = RunFolder(folder).read_manifest().lanes
    assert [(one.contender, one.done) for one in lanes] == [
        ("solo", LANE_JOBS),
        ("threads", LANE_JOBS),
    ]
    assert "What each slot does: primes" in (folder / "report.html").read_text(encoding="utf-8")


def test_ctrl_c_keeps_the_folder_and_no_worker(tmp_path: Path) -> None:
    """Exit 130, while jobs run."""
    results, log = tmp_path / "results", tmp_path / "log"
    words = ["-m", "poolbench", "run", write(tmp_path, LONG), "--profile", "demo", "--lanes"]

    def has_lane_jobs() -> bool:
        files = list(results.glob(f"*/{FOLDER}/*/*.pbrec"))
        text = files[0].read_text(encoding="utf-8") if files else ""
        # after the first jobs of both slots
        return text.count('"m":"finished"') > 2

    with running_python(*words, log=log, environ=variables(results)) as process:
        wait_until(has_lane_jobs, what="a job in a lane", within_s=60)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == ExitCode.INTERRUPTED, log.read_text(encoding="utf-8")
    assert "Traceback" not in log.read_text(encoding="utf-8")
    assert RunFolder(only_run(results)).read_manifest().state == "unfinished"
    assert leftovers(results) == []
