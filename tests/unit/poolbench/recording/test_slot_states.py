"""How samples of threads become the states of executions."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from poolbench import evidence
from poolbench.recording import observer, thread_states
from poolbench.recording.gil_probe import GIL_LINE
from poolbench.recording.observer import Observer
from poolbench.recording.slot_states import (
    THREAD_POOLS,
    Charge,
    Sample,
    SlotProcess,
    SlotStates,
    core_shares,
)
from poolbench.recording.thread_states import GilWords
from poolbench.records import STATE_COLUMNS
from tests.conftest import wait_until

MS = 1_000_000

_UNKNOWN = (0.0, 0.0, 1.0)

is_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


def _sample(state: str, *, run_ms: float = 0.0, wait_ms: float = 0.0) -> Sample:
    times = (int(run_ms * MS), int(wait_ms * MS))
    run_share = run_ms / (run_ms + wait_ms) if run_ms else 1.0
    return Sample(t_ns=0, gap_ns=20 * MS, state=state, times=times, run_share=run_share)


def test_the_pools_with_threads_of_their_own_are_those_of_the_evidence() -> None:
    """The recorder's process doesn't import Celery, so it has a list of its own."""
    assert THREAD_POOLS == evidence.OWN_THREAD_POOLS


def test_a_sample_stands_for_the_time_since_the_one_before() -> None:
    """A job shorter than the interval is charged all of it, for those that no sample met."""
    charge = Charge()
    charge.add(_sample("io_wait_ns"), _UNKNOWN)
    assert charge.states(3 * MS)["io_wait_ns"] == 20 * MS
    assert set(charge.states(3 * MS)) == set(STATE_COLUMNS)


def test_a_running_thread_divides_by_the_kernels_counts() -> None:
    """Running is being on a core, or waiting for one."""
    charge = Charge()
    charge.add(_sample("running", run_ms=5, wait_ms=15), (0.5, 0.25, 0.25))
    found = charge.states(20 * MS)
    assert found["runnable_ns"] == 15 * MS
    assert found["core_held_ns"] == 2.5 * MS
    assert found["core_released_ns"] == found["core_ns"] == 1.25 * MS


def test_many_samples_are_exact_on_the_core() -> None:
    """Ten looks at a job that slept at each of them still find the quarter that it computed."""
    charge = Charge()
    for _ in range(20):
        charge.add(_sample("lock_wait_ns", run_ms=5), _UNKNOWN)
    found = charge.states(400 * MS)
    assert found["core_ns"] == 100 * MS
    assert found["lock_wait_ns"] == 300 * MS
    assert sum(found.values()) == 400 * MS


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        pytest.param([_sample("running", run_ms=20)], (0.0, 0.0, 1.0), id="alone"),
        pytest.param(
            [_sample("running", run_ms=20), _sample("gil_wait_ns")], (1.0, 0.0, 0.0), id="holder"
        ),
        pytest.param(
            [_sample("running", run_ms=20), _sample("running", run_ms=20)],
            (0.0, 0.5, 0.5),
            id="two on cores",
        ),
        pytest.param(
            [_sample("running", run_ms=10), _sample("running", run_ms=10)],
            (0.0, 0.0, 1.0),
            id="two on one core",
        ),
        pytest.param([_sample("io_wait_ns"), _sample("gil_wait_ns")], (0.0, 0.0, 1.0), id="none"),
    ],
)
def test_only_one_thread_holds_the_gil(
    samples: list[Sample], expected: tuple[float, float, float]
) -> None:
    """What is not proven is unknown."""
    assert core_shares(samples, has_gil=True) == expected


def test_without_a_gil_nothing_holds_it() -> None:
    """A free-threaded interpreter computes with it released."""
    assert core_shares([_sample("running", run_ms=20)], has_gil=False) == (0.0, 1.0, 0.0)


def _line(moment: str, nonce: str, **members: object) -> bytes:
    line = {"v": 1, "m": moment, "nonce": nonce, "t_ns": time.time_ns(), "pid": os.getpid()}
    return json.dumps(line | members, separators=(",", ":")).encode() + b"\n"


def _started(nonce: str, **members: object) -> bytes:
    pool = "celery.concurrency.thread:TaskPool"
    thread_id = threading.get_native_id()
    return _line("started", nonce, pool_seen=pool, thread_id=thread_id, **members)


@is_linux
def test_an_execution_that_still_runs_has_its_states_at_the_end() -> None:
    """The samples so far are not lost with the recording."""
    states = SlotStates(gil_words=lambda _: GilWords(None))
    states.note(_started("ab" * 8))
    assert states.sample() == []
    (line,) = states.finish()
    found = json.loads(line)
    assert found["nonce"] == "ab" * 8
    assert sum(found[name] for name in STATE_COLUMNS) > 0


@is_linux
def test_a_sample_belongs_to_the_job_of_its_instant() -> None:
    """The lines of jobs arrive later than the sample, which is charged by their times."""
    states = SlotStates(gil_words=lambda _: GilWords(None))
    states.note(_started("aa" * 8))
    states.note(_line("finished", "aa" * 8))
    second = _started("bb" * 8)
    states.sample()
    states.note(second)
    states.note(_line("finished", "bb" * 8))
    (line,) = states.sample()
    assert json.loads(line)["nonce"] == "bb" * 8


@is_linux
def test_jobs_that_share_a_thread_are_not_charged() -> None:
    """What the thread of an event loop did is a level of the worker instead."""
    states = SlotStates(gil_words=lambda _: GilWords(None))
    states.note(
        _line(
            "started",
            "aa" * 8,
            pool_seen="celery.concurrency.gevent:TaskPool",
            thread_id=threading.get_native_id(),
        )
    )
    for _ in range(3):
        states.sample()
    assert sum(states.take_loop_states().values()) > 0
    assert states.finish() == []


@is_linux
def test_a_started_line_without_a_thread_that_lives_is_ignored() -> None:
    """The job may have ended, with its process, before its line was read."""
    states = SlotStates(gil_words=lambda _: GilWords(None))
    states.note(_line("started", "aa" * 8, pool_seen="x", thread_id=2**22 + 1))
    states.note(_line("finished", "aa" * 8))
    states.sample()
    assert states.finish() == []


@is_linux
@pytest.mark.parametrize(
    ("wait_ms", "expected"),
    [
        pytest.param(0.2, (0.75, 0.25, 0.0), id="undisturbed"),
        pytest.param(5.0, None, id="no core"),
    ],
)
def test_a_helper_divides_the_time_on_a_core_by_its_measurements(
    wait_ms: float, expected: tuple[float, float, float] | None
) -> None:
    """Only those of the job's own time count, of rounds in which no thread lacked a core."""
    process = SlotProcess(os.getpid(), words=GilWords(None), has_gil=True)
    helper = str(threading.get_native_id()).encode()
    for t_ns, held in ((1, b"false"), (5, b"true"), (6, b"true"), (7, b"true"), (8, b"false")):
        process.note_probe({b"thread_id": helper, b"t_ns": b"%d" % t_ns, b"held": held})
    process.settle_probes([Sample(t_ns=9, gap_ns=9, state="running", times=(1, int(wait_ms * MS)))])
    assert process.probed_shares(from_ns=5, to_ns=9) == expected


def test_the_lines_of_the_gils_helper_are_not_stored() -> None:
    """They are fifty a second, and mean nothing to a reader."""
    lines = _started("aa" * 8)
    assert Observer().to_store(lines + GIL_LINE + b'"pid":1}\n') == lines


def test_another_system_says_why_there_are_no_states() -> None:
    """A recording works there, without them."""
    found = Observer().opening()
    assert found["sample_hz"] == 0
    assert "Linux" in found["gil_reason"]
    assert Observer().observe(b"") == Observer().end() == b""


@is_linux
def test_without_the_processor_in_the_list_a_lock_is_any_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the system call can't be read or isn't known, the kernel's function tells the rest."""
    monkeypatch.setattr(thread_states, "FUTEX_CALL", None)
    lock = threading.Lock()
    lock.acquire()
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    assert thread.native_id is not None
    reader = thread_states.ThreadReader(os.getpid(), thread.native_id, gil=GilWords(range(0)))
    wait_until(lambda: reader.read_state() != "running", what="its wait for the lock")
    state = reader.read_state()
    lock.release()
    thread.join()
    reader.close()
    # a kernel may hide the function
    assert state in {"any_lock_ns", "unknown_ns"}


@pytest.mark.parametrize(
    ("scope", "reason"),
    [("1", "kernel.yama.ptrace_scope is 1"), ("0", "another user"), (None, "another user")],
)
def test_a_refused_look_has_its_reason(
    scope: str | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is in the recording's first line."""
    file = tmp_path / "ptrace_scope"
    if scope is not None:
        file.write_text(f"{scope}\n")
    monkeypatch.setattr(observer, "PTRACE_SCOPE", file)
    assert reason in observer.reason_of(PermissionError(1, "Operation not permitted"))


@is_linux
def test_a_kernel_without_times_of_threads_has_no_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """The levels of the worker are measured all the same."""
    monkeypatch.setattr(thread_states.ThreadReader, "read_times", lambda _: (0, 0))
    found = observer.LinuxObserver(os.getpid())
    assert found.opening()["sample_hz"] == 0
    assert "schedstat" in found.opening()["gil_reason"]
    assert b'"m":"states"' not in found.observe(_started("aa" * 8)) + found.end()


@is_linux
def test_sampling_slows_down_before_it_costs_more_than_its_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its interval grows with the threads that it has to read."""
    found = observer.LinuxObserver(os.getpid())
    assert found.interval_s == 0.02
    monkeypatch.setattr(observer, "MAX_CPU_SHARE", 1e-9)
    found.observe(b"")
    assert found.interval_s > 1.0
