"""Workloads whose jobs have options, in one whole small run of one worker and of two."""

from __future__ import annotations

import polars as pl
import pytest

from collector.reasons import Severity
from collector.store import RunFolder
from poolbench.errors import ExitCode
from report.result import Summary, from_json
from tests.conftest import Server
from tests.integration.test_lab_run import only_run, poolbench, write

EXPERIMENT = """\
# Do they work?
title = "Do they work?"
stall_s = 2.0

[profile.demo]
repetitions = 1
trial_s = 1.0
contenders = ["one", "two"]

[[contender]]
name = "one"
pool = "threads"
slots = 4

[[contender]]
name = "two"

[[contender.group]]
name = "rest"
pool = "threads"
slots = 2

[[contender.group]]
name = "io"
pool = "gevent"
slots = 2
queues = ["io"]

[[workload]]
name = "rate"
arrivals = { how = "constant", rate_per_s = 40, count = 40 }

[[workload.mix]]
name = "mail"
kind = "io.sleep"
parameters = { delay_ms = 5 }
share = 0.5
queue = "io"
priority = 9
countdown_s = 0.3
fail_share = 0.2
retry = { share = 0.4, countdown_s = 3 }

[[workload.mix]]
name = "limited"
kind = "io.redis"
share = 0.25
rate_limit = "10/s"

[[workload.mix]]
name = "dead"
kind = "io.sleep"
share = 0.25
countdown_s = 0.3
expires_s = 0.1

[[workload]]
name = "backlog"
mix_order = "sequence"

[[workload.mix]]
name = "order"
share = 0.5
chord = [{ kind = "io.sleep", parameters = { delay_ms = 5 } }, { kind = "io.redis" }]
body = { kind = "cpu.primes", parameters = { work_ms = 1 } }

[[workload.mix]]
name = "plain"
kind = "io.sleep"
parameters = { delay_ms = 5 }
share = 0.5
"""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, server: Server) -> RunFolder:
    """A run on the session's broker."""
    results = tmp_path_factory.mktemp("jobs") / "results"
    results.mkdir()
    done = poolbench(
        *("run", write(results.parent, EXPERIMENT)),
        results=results,
        within_s=200,
        POOLBENCH_REDIS_URL=server.url,
    )
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    return RunFolder(only_run(results))


@pytest.fixture
def summary(folder: RunFolder) -> Summary:
    """The run's result."""
    return from_json((folder.path / "summary.json").read_bytes())


def test_every_job_has_the_end_that_was_drawn_for_it(summary: Summary) -> None:
    """The same for all contenders: failures, retries and expiries close the ledger, unmarked."""
    rows = {row.contender: row for row in summary.rows if row.workload == "rate"}

    for row in rows.values():
        ledger = row.ledger
        assert (ledger.sent, ledger.lost, ledger.failed, ledger.duplicated) == (40, 0, 0, 0)
        assert ledger.retried > 0
        assert ledger.failed_as_planned > 0
        assert ledger.expired > 0
        assert row.mark is not Severity.INVALID
    assert rows["one"].ledger == rows["two"].ledger


def test_parts_go_to_their_queues_and_wait_for_their_limits(folder: RunFolder) -> None:
    """Where a contender has the queue; the limit is that of each worker."""
    jobs = folder.read_jobs().drop_nulls("started_ns")

    mail = jobs.filter((pl.col("part") == "mail") & (pl.col("contender") == "two"))
    others = jobs.filter((pl.col("part") == "limited") & (pl.col("contender") == "two"))
    assert mail["worker"].str.starts_with("two:io:").all()
    assert others["worker"].str.starts_with("two:rest:").all()
    for (_, _), limited in jobs.filter(pl.col("part") == "limited").group_by("contender", "worker"):
        first_ns, *_, last_ns = sorted(limited["started_ns"])
        span_s = (last_ns - first_ns) / 1e9
        assert span_s >= 0.8 * (limited.height - 2) / 10


def test_each_execution_of_a_chord_is_a_job_of_the_ledger(summary: Summary) -> None:
    """A backlog in sequence, the chords first; each has as many executions as calls and a body."""
    rows = [row for row in summary.rows if row.workload == "backlog"]

    assert len(rows) == 2
    for row in rows:
        assert row.ledger.sent == row.ledger.done > 10
        assert row.mark is not Severity.INVALID
