"""A job that uses its slot as a recorded one did: it computes, waits and holds memory for as long.

Standard library and Celery only. Computing is measured by the thread's CPU time, so that it needs
no calibration and takes longer where cores or the GIL are contended. The order within a job is not
recorded: a stand-in does most of its computing first, then its waits, then the rest.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from celery.signals import task_postrun

from poolbench.jobs import SEGMENTS, STAND_IN
from poolbench.work import CPU_FROM_NS, end, report_work_ns

#: Share of a job's computing that comes before its waits. Celery's own, such as storing a result,
#: are at the end of a job.
FIRST_SHARE = 0.75

#: A timer's delay, seconds: Linux lets a thread's timers expire up to 50 µs late, and to wake up
#: takes about 20 µs. A recorded wait contains its own wake-up.
TIMER_S = 70e-6

#: Resolution of gevent's timers, seconds: libev waits whole milliseconds, rounded up.
GEVENT_TIMER_S = 0.001

#: CPU time of a piece of work that holds the GIL, ns: the precision of a job.
_PIECE_NS = 10_000

#: Most work without the GIL in one call, ns. A signal, such as a soft time limit, is handled after
#: a call.
_CALL_NS = 50_000_000

#: Share of the rest that one call does, since its duration is only estimated, and the rest that
#: is too short for another call, ns.
_SHARE, _SHORT_NS = 0.95, 15_000

#: Size of a page of memory, bytes; smaller than most, so that none is left untouched.
_PAGE_BYTES = 4_096

#: Iterations a nanosecond of the work without the GIL in this process: a first guess, corrected by
#: each call.
_speed = [1e-3]

#: CPU time of Celery between an execution's first line and its function, or between that and the
#: last line, ns: a first guess.
_AROUND_NS = 50_000

#: The second of them in this process, ns, and the share by which each stand-in corrects it. Up or
#: down by the same share leads to the median: where slots share a thread, the time that others have
#: used in between does not count.
_after_ns, _STEP = [float(_AROUND_NS)], 1.05

#: Attribute of a stand-in's request: the thread's CPU time when its function returned, ns.
_RETURNED_NS = "poolbench_returned_ns"


def work(**segments: float) -> None:
    """Use the slot as long as the segments say, as `_steps` does."""
    for wait_s in _steps(**segments, has_own_thread=not _is_patched()):
        _wait(wait_s, sleep=time.sleep)


async def work_async(**segments: float) -> None:
    """Like `work`, on an event loop, which everything but the wait blocks."""
    for wait_s in _steps(**segments, has_own_thread=False):
        await asyncio.sleep(max(0.0, wait_s - TIMER_S))


def compute(
    *, held_ms: float = 0.0, released_ms: float = 0.0, spent_ns: float = 0.0, **_waits: float
) -> None:
    """Compute for this CPU time of the thread; ``spent_ns`` of it is over."""
    held_ns = held_ms * 1e6 - spent_ns
    released_ns = released_ms * 1e6 + min(0.0, held_ns)
    if held_ns > 0:
        _hold(round(held_ns))
    if released_ns > 0:
        _release(round(released_ns))


def _steps(
    *,
    has_own_thread: bool,
    held_ms: float = 0.0,
    released_ms: float = 0.0,
    wait_ms: float = 0.0,
    blocking_ms: float = 0.0,
    memory_bytes: float = 0,
    spent_ns: float = 0.0,
) -> Iterator[float]:
    """Do what the segments say; yield the wait, seconds, that the caller has to wait.

    Args:
        has_own_thread: whether the thread's CPU time is that of the job, also during its wait.
        held_ms: CPU time with the GIL held, milliseconds; with that of this function.
        released_ms: CPU time with the GIL released.
        wait_ms: wait that lets other jobs of the thread run, if the pool can.
        blocking_ms: wait that never lets other jobs of the thread run.
        memory_bytes: memory that is allocated and written during the job.
        spent_ns: part of the CPU time that Celery spends around the job.
    """
    from_ns = time.thread_time_ns()
    memory = _allocate(memory_bytes)
    computing = {"held_ms": held_ms, "released_ms": released_ms}
    first = {name: time_ms * FIRST_SHARE for name, time_ms in computing.items()}
    rest = {name: time_ms - first[name] for name, time_ms in computing.items()}
    compute(**first, spent_ns=spent_ns + time.thread_time_ns() - from_ns)
    if wait_ms > 0:
        yield wait_ms / 1_000
    _wait(blocking_ms / 1_000, sleep=_blocking_sleep())
    over_ns = 0.0
    if has_own_thread:
        over_ns = spent_ns + time.thread_time_ns() - from_ns - sum(first.values()) * 1e6
    compute(**rest, spent_ns=over_ns)
    del memory


def register(app: Any, *, is_awaited: bool = False) -> None:
    """Register the stand-in as a task of an app; as a coroutine for a pool that awaits it."""
    app.task(name=STAND_IN, bind=True, max_retries=None)(_job_async if is_awaited else _job)
    task_postrun.connect(_learn_end, weak=False)


def _job(
    task: Any,
    *,
    payload: str = "",  # noqa: ARG001 -- see `poolbench.jobs.PAYLOAD`
    ending: Mapping[str, Any] | None = None,
    retries: Sequence[Sequence[float]] = (),
    **first: float,
) -> object:
    begun_ns = time.perf_counter_ns()
    attempt, later = _attempt(task.request.retries, first=first, retries=retries)
    try:
        work(**attempt, spent_ns=_celery_ns(task.request))
    finally:
        report_work_ns(time.perf_counter_ns() - begun_ns)
    return _end(task, ending=ending, later=later)


async def _job_async(
    task: Any,
    *,
    payload: str = "",  # noqa: ARG001 -- see `poolbench.jobs.PAYLOAD`
    ending: Mapping[str, Any] | None = None,
    retries: Sequence[Sequence[float]] = (),
    **first: float,
) -> object:
    begun_ns = time.perf_counter_ns()
    attempt, later = _attempt(task.request.retries, first=first, retries=retries)
    try:
        await work_async(**attempt, spent_ns=_celery_ns(task.request))
    finally:
        report_work_ns(time.perf_counter_ns() - begun_ns)
    return _end(task, ending=ending, later=later)


def _celery_ns(request: Any) -> float:
    """Return the CPU time that Celery spends around this job and that its segments contain."""
    cpu_from_ns = request.get(CPU_FROM_NS)
    # without a probe, or in a thread of several jobs, the time before is a guess
    before_ns = _AROUND_NS if cpu_from_ns is None else time.thread_time_ns() - cpu_from_ns
    return float(before_ns + _after_ns[0])


def _learn_end(*, sender: Any, **_: object) -> None:
    """Follow the CPU time from a stand-in's return until it has ended."""
    returned_ns = getattr(sender.request, _RETURNED_NS, None)
    if returned_ns is not None:
        is_longer = time.thread_time_ns() - returned_ns > _after_ns[0]
        _after_ns[0] *= _STEP if is_longer else 1 / _STEP


def _attempt(
    done: int, *, first: Mapping[str, float], retries: Sequence[Sequence[float]]
) -> tuple[dict[str, Any], Sequence[Sequence[float]]]:
    """Return what an attempt does after so many attempts, and the attempts after it."""
    if not done or not retries:
        return dict(first), retries
    _, *values = retries[min(done, len(retries)) - 1]
    return dict(zip(SEGMENTS, values, strict=True)), retries[done:]


def _end(
    task: Any, *, ending: Mapping[str, Any] | None, later: Sequence[Sequence[float]]
) -> object:
    """Note the time; let the job be retried as recorded, or end it.

    Raises:
        Retry: if it has a later attempt.
        PlannedError: if it fails.
    """
    setattr(task.request, _RETURNED_NS, time.thread_time_ns())
    if later:
        raise task.retry(countdown=later[0][0])
    return end(task, None, **ending) if ending else None


def _hold(cpu_ns: int) -> None:
    """Compute in pure Python until the thread has used this CPU time."""
    until_ns = time.thread_time_ns() + cpu_ns
    while (left_ns := until_ns - time.thread_time_ns()) > 0:
        # about ten nanoseconds a round
        for _ in range(min(left_ns, _PIECE_NS) // 20):
            pass


def _release(cpu_ns: int) -> None:
    """Compute in C without the GIL until the thread has used this CPU time.

    The key derivation has a duration that follows from its number of iterations, needs no memory
    and releases the GIL once. The speed of earlier calls decides how many iterations are left.
    """
    now_ns = time.thread_time_ns()
    until_ns = now_ns + cpu_ns
    while (left_ns := until_ns - now_ns) > _SHORT_NS:
        planned_ns = min(left_ns * _SHARE, _CALL_NS)
        iterations = max(1, round(planned_ns * _speed[0]))
        hashlib.pbkdf2_hmac("sha256", b"stand-in", b"stand-in", iterations)
        before_ns, now_ns = now_ns, time.thread_time_ns()
        if now_ns > before_ns:
            _speed[0] = iterations / (now_ns - before_ns)
    if left_ns > 0:
        _hold(left_ns)


def _allocate(size_bytes: float) -> bytearray | None:
    """Return memory whose pages are all in use; None for no bytes."""
    if size_bytes < 1:
        return None
    memory = bytearray(int(size_bytes))
    # a page that was never written takes no memory
    memory[::_PAGE_BYTES] = b"x" * len(range(0, len(memory), _PAGE_BYTES))
    return memory


def _wait(wait_s: float, *, sleep: Callable[[float], object]) -> None:
    if wait_s <= 0:
        return
    if sleep is time.sleep and _is_patched():
        wait_s = round(wait_s / GEVENT_TIMER_S) * GEVENT_TIMER_S
    sleep(max(0.0, wait_s - TIMER_S))


def _is_patched() -> bool:
    """Return whether gevent has replaced the timer, so that its loop waits."""
    return time.sleep.__module__.partition(".")[0] == "gevent"


def _blocking_sleep() -> Callable[[float], object]:
    """Return the timer that stops the thread, also where gevent has replaced it."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey.get_original("time", "sleep") if monkey and _is_patched() else time.sleep
