"""Workers themselves on real Redis: how they start, idle, and answer pings.

The bounds are wide, since a test's machine does other things too.
"""

from __future__ import annotations

import pytest
from rich.console import Console

from collector.store import RunFolder
from lab.run.progress import RunProgress
from report.build import write_reports
from report.result import Summary
from tests.integration.test_lab_run import CONTENDER, conduct
from tests.summaries import known, shown
from tests.synthetic import flat_manifest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

#: What the app's import takes in addition: several times what a start varies by.
IMPORT_MS, IMPORT_MB = 2_000, 100

#: An idle worker waits for a message for a second, again and again, and does little else.
IDLE_PER_S = (0.7, 3.0)

CONTENDERS = {"prefork": 2, "solo": 1}

EXPERIMENT = (
    '# What does a worker cost?\ntitle = "What does a worker cost?"\nstall_s = 20.0\n'
    '[profile.demo]\nrepetitions = 1\ntrial_s = 3.0\ncontenders = ["prefork", "solo"]\n'
    + "".join(
        CONTENDER.format(name=name, pool=name, slots=slots) for name, slots in CONTENDERS.items()
    )
    + f"""
[[workload]]
name = "small"
measure = "start"

[[workload]]
name = "large"
measure = "start"
import_ms = {IMPORT_MS}
import_mb = {IMPORT_MB}

[[workload]]
measure = "idle"
idle_s = 5

[[workload]]
name = "short"
measure = "ping"
kind = "io.sleep"
parameters = {{ delay_ms = 20 }}
ping_every_s = 0.1

[[workload]]
name = "long"
measure = "ping"
kind = "io.sleep"
parameters = {{ delay_ms = 700 }}
ping_every_s = 0.1
ping_timeout_s = 0.3
"""
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """One repetition of each measure."""
    progress = RunProgress(Console(quiet=True), title="workers", trials=1, blocks=1)
    return conduct(tmp_path_factory.mktemp("workers"), EXPERIMENT, progress=progress)


@pytest.fixture(scope="module")
def summary(run: RunFolder) -> Summary:
    """Its result."""
    return write_reports(run.path)


def test_every_job_of_every_measure_is_in_the_ledger(run: RunFolder, summary: Summary) -> None:
    """A start has a job more than slots, an idle worker none; all rows are valid."""
    for row in summary.rows:
        assert row.mark != "!", [one.text for one in row.reasons]
        assert row.ledger.done == row.ledger.sent
    sent = {(row.workload, row.contender): row.ledger.sent for row in summary.rows}
    assert sent["small", "prefork"] == CONTENDERS["prefork"] + 1
    assert sent["idle", "prefork"] == 0
    assert sent["short", "prefork"] > 10
    assert all(worker["exit_code"] == 0 for worker in flat_manifest(run)["workers"])
    assert "missed" in shown(summary)


@pytest.mark.parametrize("contender", CONTENDERS)
def test_a_start_is_measured_to_the_first_job_and_to_all_slots(
    summary: Summary, contender: str
) -> None:
    """Ballast makes it slower and larger, as much as was asked for; processes share memory."""
    small, large = (
        known(known(summary.row(contender, workload=name)).start) for name in ("small", "large")
    )

    assert 0.1 < small.first_job_s < 30
    assert large.first_job_s - small.first_job_s > 0.5 * IMPORT_MS / 1_000
    assert large.all_slots_s > IMPORT_MS / 1_000
    assert known(large.pss_bytes) - known(small.pss_bytes) == pytest.approx(
        IMPORT_MB * 1e6, rel=0.2
    )
    assert small.processes == (1 + CONTENDERS[contender] if contender == "prefork" else 1)


@pytest.mark.parametrize("contender", CONTENDERS)
def test_an_idle_worker_polls_redis_about_once_a_second(summary: Summary, contender: str) -> None:
    """Over few connections, with little CPU; prefork has a child for each slot."""
    idle = known(known(summary.row(contender, workload="idle")).idle)

    low, high = IDLE_PER_S
    assert low < known(idle.commands_per_s) < high
    assert 1 <= known(idle.connections) <= 10
    assert 0 < idle.cpu_ms_per_minute < 6_000
    assert idle.children == (CONTENDERS[contender] if contender == "prefork" else 0)
    assert idle.lasted_s == pytest.approx(5, abs=1)


def test_a_worker_answers_pings_beside_its_jobs_unless_it_is_one_thread(summary: Summary) -> None:
    """Prefork's parent has nothing else to do; solo answers between two jobs alone."""
    beside = known(known(summary.row("prefork", workload="long")).ping)
    between = known(known(summary.row("solo", workload="long")).ping)
    short = known(known(summary.row("solo", workload="short")).ping)

    assert beside.pings > 10
    assert beside.missed_share < 0.2
    # of each 0.7 s, a ping that is sent in the first 0.4 s is not answered within 0.3 s
    assert 0.3 < between.missed_share < 0.9
    assert between.p95_s == 0.3
    assert short.missed_share < 0.2
