"""Measures what a unit of work costs on this machine, at the start of a run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable

from collector.run_manifest import Workload
from lab.system.commands import last_line, run_command
from poolbench.calibration import needs_calibration, read_calibration
from poolbench.errors import StackError

#: How long a calibration may take, seconds; it usually takes less than 1.5.
CALIBRATION_TIMEOUT_S = 60.0


def calibrate(workloads: Iterable[Workload]) -> dict[str, float]:
    """Return the CPU-seconds of a unit of work, for each kind whose work is given as a time.

    They are measured in the lab's own Python, so that all contenders get equal amounts of work.

    Raises:
        StackError: if it can't be measured.
    """
    sorts = [sort for each in workloads for sort in each.sorts]
    kinds = {sort.kind for sort in sorts if needs_calibration(sort.parameters)}
    if not kinds:
        return {}
    command = [sys.executable, "-m", "worker", "calibrate", "--json", *sorted(kinds)]
    try:
        done = run_command(command, environment=os.environ, timeout_s=CALIBRATION_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise StackError(f"the calibration took over {CALIBRATION_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        raise StackError(f"the work could not be calibrated: {last_line(done)}")
    return read_calibration(done.stdout)
