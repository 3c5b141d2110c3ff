"""A helper thread that finds out whether a job on a core holds the GIL (``--gil-probe``).

In a process with one busy thread nothing shows that from outside. The helper asks for the GIL at
random times: a job that holds it lets go after the interpreter's switch interval (5 ms), while a
job that computes without it lets the helper run at once. What it measures is for the observer and
is not stored.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable

from poolbench.recording.events import GIL_MEASURED

#: Mean interval between two measurements, seconds; each costs the job up to two switches.
PROBE_S = 0.02

#: A helper that gets the GIL later than this waited for it, seconds.
LATE_S = 0.001

#: Time for which the helper watches whether the other thread is on a core, seconds.
_WATCH_S = 0.00002

#: A thread that was on a core for this share of an interval was so at its end.
_BUSY_SHARE = 0.9


def start_gil_probe(report: Callable[..., bool]) -> None:
    """Start the helper for the main thread of this process.

    ``report`` takes its events, and returns whether it shall continue.
    """
    threading.Thread(target=_measure, args=(report,), name="gil-probe", daemon=True).start()


def _measure(report: Callable[..., bool]) -> None:
    main = threading.main_thread().ident
    if main is None:
        return
    clock = time.pthread_getcpuclockid(main)
    varied = random.Random()
    pid, thread_id = os.getpid(), threading.get_native_id()
    continues = True
    while continues:
        began_s, cpu_from_s = time.monotonic(), time.clock_gettime(clock)
        due_s = began_s + PROBE_S * varied.uniform(0.5, 1.5)
        time.sleep(due_s - began_s)
        now_s, cpu_s = time.monotonic(), time.clock_gettime(clock)
        is_held = now_s - due_s > LATE_S
        if is_held:
            is_on_core = cpu_s - cpu_from_s > (now_s - due_s) / 2
        elif cpu_s - cpu_from_s > _BUSY_SHARE * (now_s - began_s):
            # it was on a core until this thread woke up, perhaps in its place
            is_on_core = True
        else:
            # this thread has the GIL now, so whatever runs beside it runs without
            while time.monotonic() < now_s + _WATCH_S:
                pass
            is_on_core = time.clock_gettime(clock) - cpu_s > _WATCH_S / 2
        if is_on_core:
            continues = report(GIL_MEASURED, time.time_ns(), pid, thread_id, is_held)
