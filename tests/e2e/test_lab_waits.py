"""Why jobs waited, and in which order they started, on real workers: what is known beforehand.

The bounds are wide, since a test's machine does other things too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from lab.run.progress import RunProgress
from report.build import write_reports
from report.result import RowSummary, Summary
from report.trials.wait_causes import Cause
from tests.integration.test_lab_run import conduct

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

#: Two workers of one slot: one takes many messages, the other only what it runs.
PAIRS = """
[[contender]]
name = "greedy"
pool = "threads"
slots = 1
workers = 2
settings = { prefetch_multiplier = 20 }

[[contender]]
name = "modest"
pool = "threads"
slots = 1
workers = 2
settings = { prefetch_multiplier = 1, acks_late = true }
"""

#: Short jobs, of which each fifth is long: a worker that runs a long one has taken short ones.
UNEVEN = """
[[workload]]
name = "uneven"
arrivals = { how = "poisson", rate_per_s = 4 }

[[workload.mix]]
name = "short"
kind = "io.sleep"
parameters = { delay_ms = 20 }
share = 0.8

[[workload.mix]]
name = "long"
kind = "io.sleep"
parameters = { delay_ms = 1200 }
share = 0.2
"""

#: Jobs that wait for a countdown, and jobs that start at most twice a second in each worker.
HELD = """
[[workload]]
name = "held"
arrivals = { how = "constant", rate_per_s = 8 }

[[workload.mix]]
name = "later"
kind = "io.sleep"
parameters = { delay_ms = 5 }
share = 0.5
countdown_s = 0.6

[[workload.mix]]
name = "limited"
kind = "io.redis"
share = 0.5
rate_limit = "3/s"
"""

#: A backlog of two priorities, in random order, for a worker that takes one job at a time.
RANKED = """
[[workload]]
name = "ranked"

[[workload.mix]]
name = "first"
kind = "io.sleep"
parameters = { delay_ms = 20 }
share = 0.5
priority = 0

[[workload.mix]]
name = "last"
kind = "io.sleep"
parameters = { delay_ms = 20 }
share = 0.5
priority = 9
"""

#: A worker that takes one message at a time, and one that takes all.
ONE_BY_ONE = """
[[contender]]
name = "one"
pool = "solo"
slots = 1
settings = { prefetch_multiplier = 1, acks_late = true }
"""
UNLIMITED = """
[[contender]]
name = "all"
pool = "threads"
slots = 2
settings = { prefetch_multiplier = 0 }
"""


def measure(folder: Path, workloads: str, *, contenders: str, trial_s: float) -> Summary:
    """Return the summary of one repetition of these contenders and workloads."""
    names = [
        line.partition('"')[2].rstrip('"') for line in contenders.splitlines() if "name" in line
    ]
    text = (
        '# Why do jobs wait?\ntitle = "Why do jobs wait?"\n'
        f"[profile.demo]\nrepetitions = 1\ntrial_s = {trial_s}\ncontenders = {names}\n"
        f"{contenders}{workloads}"
    )
    progress = RunProgress(Console(quiet=True), title="waits", trials=1, blocks=1)
    return write_reports(conduct(folder, text, progress=progress).path)


def shares(row: RowSummary, *, part: str) -> Mapping[Cause, float]:
    """Return cause → mean wait of a part's jobs, seconds; they add up to its mean wait."""
    (found,) = (one for one in row.wait_causes if one.part == part)
    means = {cause: one.mean_s for cause, one in found.causes.items()}
    assert sum(means.values()) == pytest.approx(found.mean_s, rel=1e-3)
    assert means.get(Cause.UNKNOWN, 0.0) == 0
    return {cause: means.get(cause, 0.0) for cause in Cause}


def test_a_large_prefetch_keeps_jobs_from_an_idle_worker(tmp_path: Path) -> None:
    """A worker with a long job holds short ones while the other is idle; a small one leaves them.

    What the modest workers don't take waits in the queue.
    """
    summary = measure(tmp_path, UNEVEN, contenders=PAIRS, trial_s=12)

    greedy, modest = (
        shares(row, part="short") for row in sorted(summary.rows, key=lambda row: row.contender)
    )
    assert greedy[Cause.IDLE_WORKER] > 0.03
    assert greedy[Cause.IDLE_WORKER] > 5 * modest[Cause.IDLE_WORKER]
    assert modest[Cause.QUEUE] > greedy[Cause.QUEUE]


def test_countdowns_and_rate_limits_are_causes(tmp_path: Path) -> None:
    """A countdown lasts as long as it was set; four a second pile up where three may start."""
    (row,) = measure(tmp_path, HELD, contenders=UNLIMITED, trial_s=6).rows

    later, limited = (shares(row, part=part) for part in ("later", "limited"))
    assert later[Cause.COUNTDOWN] == pytest.approx(0.6, abs=0.05)
    assert later[Cause.RATE_LIMIT] == 0 == limited[Cause.COUNTDOWN]
    assert 0.3 < limited[Cause.RATE_LIMIT] < 3


def test_priorities_are_kept_in_a_backlog(tmp_path: Path) -> None:
    """Redis serves the highest first, and a worker that takes one job at a time can't mix them."""
    (row,) = measure(tmp_path, RANKED, contenders=ONE_BY_ONE, trial_s=2).rows

    assert row.start_order
    assert row.start_order.share > 0.95
