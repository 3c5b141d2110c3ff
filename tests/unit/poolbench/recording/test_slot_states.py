"""How the threads of slots are sampled, and their states charged to executions."""

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
from poolbench.recording.events import Finished, GilMeasured, Pool, Started
from poolbench.recording.observer import Observer
from poolbench.recording.slot_states import THREAD_POOLS, SlotProcess, SlotStates
from poolbench.recording.state_charge import Sample
from poolbench.recording.thread_states import GilWords
from poolbench.records import STATE_COLUMNS
from tests.conftest import wait_until

MS = 1_000_000

is_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


def test_the_pools_with_threads_of_their_own_are_those_of_the_evidence() -> None:
    """The recorder's process doesn't import Celery, so it has a list of its own."""
    assert THREAD_POOLS == evidence.OWN_THREAD_POOLS


def _started(nonce: int, *, thread_id: int | None = None) -> Started:
    return Started(
        nonce=nonce,
        t_ns=time.time_ns(),
        pid=os.getpid(),
        slot=1,
        thread_id=thread_id or threading.get_native_id(),
        are_sockets_patched=False,
        is_gil_enabled=True,
        rss_bytes=None,
    )


def _finished(nonce: int) -> Finished:
    unknown = [None] * (len(Finished._fields) - 3)
    return Finished(nonce, time.time_ns(), os.getpid(), *unknown)


def _states(pool: str = "thread") -> SlotStates:
    states = SlotStates(gil_words=lambda _: GilWords(None))
    states.note(Pool(pool_seen=f"celery.concurrency.{pool}:TaskPool", worker="celery@x"))
    return states


@is_linux
def test_an_execution_that_still_runs_has_its_states_at_the_end() -> None:
    """The samples so far are not lost with the recording."""
    states = _states()
    states.note(_started(0xAB))
    assert states.sample() == []
    (line,) = states.finish()
    found = json.loads(line)
    assert found["nonce"] == "00000000000000ab"
    assert sum(found[name] for name in STATE_COLUMNS) > 0


@is_linux
def test_a_sample_belongs_to_the_job_of_its_instant() -> None:
    """The lines of jobs arrive later than the sample, which is charged by their times."""
    states = _states()
    states.note(_started(0xAA))
    states.note(_finished(0xAA))
    second = _started(0xBB)
    states.sample()
    states.note(second)
    states.note(_finished(0xBB))
    (line,) = states.sample()
    assert json.loads(line)["nonce"] == "00000000000000bb"


@is_linux
def test_jobs_that_share_a_thread_are_not_charged() -> None:
    """What the thread of an event loop did is a level of the worker instead."""
    states = _states("gevent")
    states.note(_started(0xAA))
    for _ in range(3):
        states.sample()
    assert sum(states.take_loop_states().values()) > 0
    assert states.finish() == []


@is_linux
def test_a_started_line_without_a_thread_that_lives_is_ignored() -> None:
    """The job may have ended, with its process, before its line was read."""
    states = _states()
    states.note(_started(0xAA, thread_id=2**22 + 1))
    states.note(_finished(0xAA))
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
    helper = threading.get_native_id()
    for t_ns, is_held in ((1, False), (5, True), (6, True), (7, True), (8, False)):
        process.note_probe(GilMeasured(t_ns, os.getpid(), helper, is_held))
    process.settle_probes([Sample(t_ns=9, gap_ns=9, state="running", times=(1, int(wait_ms * MS)))])
    assert process.probed_shares(from_ns=5, to_ns=9) == expected


def test_another_system_says_why_there_are_no_states() -> None:
    """A recording works there, without them."""
    found = Observer().opening()
    assert found["sample_hz"] == 0
    assert "Linux" in found["gil_reason"]
    assert Observer().observe([]) == Observer().end() == b""


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
    assert b'"m":"states"' not in found.observe([_started(0xAA)]) + found.end()


@is_linux
def test_sampling_slows_down_before_it_costs_more_than_its_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its interval grows with the threads that it has to read."""
    monkeypatch.setattr(observer, "MAX_CPU_SHARE", 1e-9)
    found = observer.LinuxObserver(os.getpid())
    assert found.interval_s == 0.02
    found.observe([])
    assert found.interval_s > 1.0
