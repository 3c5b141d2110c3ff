"""The questions in experiments/questions, each in its short form: the answer that is known.

The bounds are wide: they separate answers that differ by several times.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from collector.reasons import Code
from collector.schema import RECORD_SCHEMA
from collector.store import RunFolder
from poolbench.errors import ExitCode
from report.result import RowSummary, Summary, from_json
from report.trials.slo import by_job
from tests.integration.test_lab_run import only_run, poolbench
from tests.summaries import codes, known, row_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

QUESTIONS = Path("experiments/questions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of a run."""

    summary: Summary
    folder: RunFolder

    def row(self, contender: str) -> RowSummary:
        """Return the row of a contender."""
        return row_of(self.summary, contender)

    def p95_wait_s(self, contender: str, *, part: str | None = None) -> float:
        """Return the p95 of the wait of a contender's jobs, or of one part of them."""
        (trial,) = [
            one.plan.trial
            for one in self.folder.read_manifest().trials
            if one.plan.contender == contender and not one.plan.is_pilot
        ]
        records = self.folder.trial_records().read(trial, columns=list(RECORD_SCHEMA))
        if part is not None:
            records = records.filter(pl.col("part") == part)
        found = by_job(records)["wait_ns"].quantile(0.95)
        assert found is not None
        return found / 1e9


@pytest.fixture
def ask(tmp_path: Path) -> Callable[[str], Answer]:
    """Run the short form of a question."""

    def run(name: str) -> Answer:
        results = tmp_path / "results"
        words = ("run", str(QUESTIONS / f"{name}.toml"), "--profile", "short", "--json")
        ended = poolbench(*words, results=results)
        assert ended.stdout, ended.stderr
        summary = from_json(ended.stdout)
        found = [code for row in summary.rows for code in codes(row)]
        if Code.SENT_LATE in found:
            pytest.skip("the machine was too busy to send jobs in time")
        assert ended.returncode == ExitCode.OK, found
        return Answer(summary=summary, folder=RunFolder(only_run(results)))

    return run


def test_four_slots_are_not_enough_for_sixty_jobs_a_second(ask: Callable[[str], Answer]) -> None:
    """Sixty jobs of 105 ms need 6.3 slots: with four the backlog grows, with twenty it doesn't."""
    answer = ask("enough_slots")

    assert answer.p95_wait_s("prefork-4") > 0.5
    assert answer.p95_wait_s("threads-20") < 0.5 * answer.p95_wait_s("prefork-4")


def test_short_jobs_wait_behind_long_ones_unless_they_have_a_queue(
    ask: Callable[[str], Answer],
) -> None:
    """Behind a job of a second in their worker; with a queue of their own only long ones wait."""
    answer = ask("short_beside_long")

    reserved_s, own_s = (
        answer.p95_wait_s(name, part="short") for name in ("reserve-4", "two-queues")
    )
    assert reserved_s > 0.1
    assert own_s < 0.5 * reserved_s


def test_limited_jobs_block_others_unless_all_are_reserved(ask: Callable[[str], Answer]) -> None:
    """Twenty limited jobs hold the eight places of a worker; with no limit of places none waits."""
    answer = ask("rate_limit")

    assert answer.p95_wait_s("reserve-4", part="others") > 2
    assert answer.p95_wait_s("reserve-all", part="others") < 1


def test_threads_are_slow_if_they_reserve_nothing(ask: Callable[[str], Answer]) -> None:
    """Celery asks for the next job only every two seconds: a quarter of the throughput."""
    answer = ask("no_prefetch")

    usual, none = (answer.row(name).throughput_per_s for name in ("threads", "threads-none"))
    assert known(none).median < 0.6 * known(usual).median


def test_the_prefetch_count_returns_after_retries_and_countdowns(
    ask: Callable[[str], Answer],
) -> None:
    """It rises by each job that waits for its time, and is sixteen again with no job left."""
    over_time = known(ask("prefetch_drift").row("threads").over_time)

    found = over_time.levels["prefetch_count"]
    assert (found.start, found.end, found.drift.median) == (16, 16, 0)
    assert found.peak > 20


def test_a_countdown_takes_twenty_kilobytes_and_their_limit_holds_plain_jobs(
    ask: Callable[[str], Answer],
) -> None:
    """Five hundred wait in the worker; the others stay in its queue, with the plain jobs behind."""
    answer = ask("countdown_memory")
    over_time = known(answer.row("limited").over_time)

    assert 8_000 < known(over_time.bytes_per_countdown).median < 50_000
    assert 400 < over_time.levels["countdown_jobs"].peak <= 510
    assert over_time.levels["queue_jobs"].peak > 300
    assert answer.p95_wait_s("limited", part="plain") > 5


def test_a_worker_without_slots_starts_a_child_for_each_core_of_the_host(
    ask: Callable[[str], Answer],
) -> None:
    """Whatever its quota; where no quota can be set, that contender is skipped."""
    rows = ask("unset_slots").summary.rows

    started = [known(row.start).processes for row in rows]
    assert started == [1 + (os.cpu_count() or 1)] * len(rows)
    assert "unset" in {row.contender for row in rows}


def test_an_idle_worker_is_quieter_without_gossip_and_heartbeat(
    ask: Callable[[str], Answer],
) -> None:
    """Half a command a second less: a heartbeat every two seconds."""
    answer = ask("idle_worker")
    default, quiet = (
        known(known(answer.row(name).idle).commands_per_s) for name in ("default", "quiet")
    )

    assert 0.5 < quiet < 1.3
    assert quiet + 0.2 < default < 2.5
