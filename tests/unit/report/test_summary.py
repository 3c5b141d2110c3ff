"""A run's summary: figures, marks, reasons; the same folder, the same bytes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from collector.reasons import Code, Reason, Severity
from collector.run_manifest import LimitUse
from collector.store import RunFolder
from report.result import Summary, to_json
from report.statistics.ratios import Median
from report.summary import summarize
from report.trials.trial import Evidence
from tests.crossing import make_crossing
from tests.summaries import codes, known, row_of
from tests.synthetic import (
    BROKER_LOST,
    DEMO,
    WORKLOADS,
    Workload,
    edit_manifest,
    find_trial,
    flat_manifest,
    make_run,
    spoil,
)

_PRIMES = WORKLOADS[:1]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Five repetitions of four pools on one workload, every job with its record."""
    return make_run(tmp_path / "run", workloads=_PRIMES)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """The same run's summary, for tests that spoil nothing."""
    return summarize(make_run(tmp_path_factory.mktemp("run"), workloads=_PRIMES))


def test_an_honest_run_has_no_mark_and_closes(honest: Summary) -> None:
    """Five repetitions without a fault: no mark, no reason, every job done; nothing not asked."""
    assert {(row.mark, row.reasons) for row in honest.rows} == {(Severity.NOTE, ())}
    assert honest.ledger.sent == honest.ledger.done == 4 * 5 * 40
    assert not any([honest.effects, honest.sweeps, honest.crossovers, honest.thresholds])


def test_a_row_has_the_figures_of_its_repetitions(honest: Summary) -> None:
    """The median of their throughputs, CPU as last sampled less first, and what ran the jobs.

    The synthetic worker spends 9.1 ms a job and its recorder a hundredth of that.
    """
    row = row_of(honest, "prefork-4")
    per_s = sorted(trial.throughput_per_s or 0.0 for trial in honest.repetitions_of(row))

    assert row.throughput_per_s == Median(median=per_s[2], low=per_s[0], high=per_s[4])
    assert row.cpu_s_per_1000_jobs == pytest.approx(9.1)
    assert row.recorder_cpu_s_per_1000_jobs == pytest.approx(0.091)
    assert row.pss_bytes == 126_000_000
    assert row.evidence == Evidence(
        pools_seen=("celery.concurrency.prefork:TaskPool",),
        processes=4,
        sockets_patched=False,
        gil_enabled=True,
    )


@pytest.mark.parametrize(
    ("share", "contender", "ceiling_per_s"),
    [
        # waits alone: slots ÷ wait
        (0.0, "gevent-10", 10 / 0.04),
        # ten jobs of 4 ms of computing in 40 ms need a core: two of them don't bind
        (0.1, "gevent-10", 10 / 0.04),
        # two cores ÷ 20 ms of computing, whichever pool: that one uses one of them is no ceiling
        (0.5, "prefork-10", 2 / 0.02),
        (0.5, "gevent-10", 2 / 0.02),
        # one slot: one after the other
        (0.5, "solo", 1 / 0.04),
        (1.0, "prefork-10", 2 / 0.04),
        (1.0, "solo", 1 / 0.04),
    ],
)
def test_a_ceiling_is_bound_by_slots_and_by_cores(
    tmp_path: Path, share: float, contender: str, ceiling_per_s: float
) -> None:
    """The lesser of slots ÷ (wait + CPU-seconds a job) and cores ÷ CPU-seconds a job."""
    folder = make_crossing(tmp_path / "run", shares=[share], blocks=1)
    cost = {"cpu_s": 0.04 * share}
    spoil(folder, cost_before=cost, cost_after=cost)

    found = row_of(summarize(folder), contender).ceiling_per_s

    assert found == pytest.approx(ceiling_per_s, rel=1e-4)


def test_a_job_without_an_end_makes_its_row_invalid(folder: RunFolder) -> None:
    """A lost job is counted, its trial is shown, and its row is marked with the reason."""
    trial = find_trial(folder, contender="prefork-4", workload="cpu.primes", block=2)
    is_lost = (pl.col("trial") == trial) & (pl.col("seq") < 3)
    folder.write_jobs(folder.read_jobs().filter(~is_lost))

    found = summarize(folder)

    row = row_of(found, "prefork-4")
    assert (row.mark, row.ledger.lost, found.ledger.lost) == ("!", 3, 3)
    assert codes(row) == [Code.JOBS_LOST, Code.TOO_FEW]
    assert row.reasons[0].repetitions == (3,)
    assert row.reasons[0].parameters == {"lost": 3, "sent": 40}
    assert len([one for one in found.trials if one.trial == trial]) == 1


def test_invalid_repetitions_are_in_no_figure(folder: RunFolder) -> None:
    """The figures are those of the four valid repetitions; the ledger is of all five."""
    spoil(folder, contender="prefork-4", block=2, reasons=[BROKER_LOST])

    found = summarize(folder)

    row = row_of(found, "prefork-4")
    left = [
        one.throughput_per_s
        for one in found.trials
        if one.contender == "prefork-4" and one.block != 2
    ]
    assert row.throughput_per_s == Median.of([per_s for per_s in left if per_s])
    assert (row.repetitions, row.valid_repetitions, row.ledger.sent) == (5, 4, 200)


def test_how_jobs_ended_is_accounted_and_marks_the_row(folder: RunFolder) -> None:
    """One job of one repetition is enough, and a failure is an end: nothing is lost."""
    jobs = folder.read_jobs()

    def one_of(contender: str) -> pl.Expr:
        trial = find_trial(folder, contender=contender, workload="cpu.primes")
        return (pl.col("trial") == trial) & (pl.col("seq") == 7)

    twice = jobs.filter(one_of("prefork-4")).with_columns(nonce=pl.lit("f" * 16))
    failed = pl.when(one_of("threads-4")).then(pl.lit("failed")).otherwise("outcome")
    folder.write_jobs(pl.concat([jobs, twice]).with_columns(outcome=failed))

    found = summarize(folder)

    row = row_of(found, "prefork-4")
    assert (row.mark, row.ledger.duplicated) == (Severity.INVALID, 1)
    assert codes(row) == [Code.JOBS_DUPLICATED, Code.TOO_FEW]
    row = row_of(found, "threads-4")
    assert (row.mark, row.ledger.failed, row.ledger.lost) == (Severity.UNSTABLE, 1, 0)
    assert codes(row) == [Code.JOBS_FAILED]


def test_a_pool_that_is_not_what_it_says_is_invalid(folder: RunFolder) -> None:
    """Whatever the command line said, what the slots report decides."""
    is_prefork = pl.col("contender") == "prefork-4"
    solo = pl.when(is_prefork).then(pl.lit("celery.concurrency.solo:TaskPool"))
    jobs = folder.read_jobs()
    folder.write_jobs(
        jobs.with_columns(pool_seen=solo.otherwise("pool_seen"), sockets_patched=False)
    )

    found = summarize(folder)

    assert codes(row_of(found, "prefork-4")) == [Code.WRONG_POOL, Code.TOO_FEW]
    assert codes(row_of(found, "gevent-4")) == [Code.SOCKETS_UNPATCHED, Code.TOO_FEW]
    marks = {row.pool: row.mark for row in found.rows}
    assert marks == {"prefork": "!", "gevent": "!", "threads": "", "solo": ""}


def test_repetitions_far_apart_mark_no_row(tmp_path: Path) -> None:
    """The interval contains their spread, which the row has as a figure."""
    found = summarize(make_run(tmp_path / "run", workloads=_PRIMES, noise=0.35))

    assert {row.mark for row in found.rows} == {Severity.NOTE}
    assert all((row.spread or 0.0) > 0.1 for row in found.rows)


@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_fewer_than_five_repetitions_are_marked(
    tmp_path: Path, honest: Summary, blocks: int
) -> None:
    """Every row of a short run says `?`, and why; rows follow the manifest.

    That fewer than 100 jobs have no hundredth is noted once.
    """
    found = summarize(make_run(tmp_path / "run", workloads=WORKLOADS[:2], blocks=blocks))

    assert [row.contender for row in found.rows] == [one.name for one in DEMO] * 2
    assert [one.workload for one in found.verdicts] == ["cpu.primes", "cpu.sha256"]
    assert {row.mark for row in found.rows} == {Severity.TOO_FEW}
    assert row_of(found, "prefork-4").reasons[0].parameters == {"have": blocks, "needed": 5}
    assert "95 %" not in found.verdicts[0].text
    noted = ["The p99 of fewer than 100 jobs is about their maximum."] if blocks < 3 else []
    assert [remark for remark in found.remarks if "p99" in remark] == noted
    assert not any("p99" in remark for remark in honest.remarks)


def test_pilots_are_listed_and_in_no_figure(folder: RunFolder) -> None:
    """A pilot sizes the backlog; it is neither a repetition nor in the ledger of the rows."""
    spoil(folder, contender="prefork-4", block=0, is_pilot=True, reasons=[BROKER_LOST])

    found = summarize(folder)

    row = row_of(found, "prefork-4")
    assert (row.repetitions, row.mark) == (4, Severity.TOO_FEW)
    assert found.ledger.sent == 4 * 5 * 40 - 40
    assert [one.contender for one in found.trials if one.is_pilot] == ["prefork-4"]
    # its fault marks no row, and is not hidden
    assert f"The pilot of prefork-4 on cpu.primes: {BROKER_LOST}." in found.notes


def test_an_interrupted_run_says_so(folder: RunFolder) -> None:
    """What was measured is kept; the trial that was cut is invalid, and its block not whole.

    So is a block that was cut between two trials, each of which has its end.
    """
    spoil(folder, contender="prefork-4", block=2, end_ns=None)
    trials = [trial for trial in flat_manifest(folder)["trials"] if trial["block"] < 3]
    edit_manifest(folder, state="unfinished", trials=trials)

    found = summarize(folder)

    row = row_of(found, "prefork-4")
    assert found.notes[0] == "Run interrupted after 2 of 5 repetitions; results are partial."
    assert (row.reasons[0].code, row.reasons[0].repetitions) == (Code.INTERRUPTED, (3,))
    assert row_of(found, "solo").mark is Severity.TOO_FEW
    last = find_trial(folder, contender="solo", workload="cpu.primes", block=1)
    edit_manifest(folder, trials=[trial for trial in trials if trial["trial"] != last])
    assert "interrupted after 1 of 5 repetitions" in summarize(folder).notes[0]


@pytest.mark.parametrize("sent", [40, 0])
def test_a_trial_that_was_cut_is_never_valid(folder: RunFolder, sent: int) -> None:
    """Without an end it is invalid, that reason first, with and without jobs and samples."""
    cut = find_trial(folder, contender="prefork-4", workload="cpu.primes", block=2)
    values: dict[str, Any] = {"start_ns": None, "end_ns": None, "sent": sent}
    spoil(folder, contender="prefork-4", block=2, reasons=[BROKER_LOST], **values)
    if not sent:
        folder.write_jobs(folder.read_jobs().filter(pl.col("trial") != cut))
        folder.write_samples(folder.read_samples().filter(pl.col("trial") != cut))

    found = summarize(folder)

    trial = next(one for one in found.trials if one.trial == cut)
    assert codes(trial) == [Code.INTERRUPTED, Code.BROKER_LOST]
    assert (trial.start_ns, trial.end_ns) == (None, None)
    row = row_of(found, "prefork-4")
    assert (row.mark, row.valid_repetitions, row.ledger.sent) == ("!", 4, 160 + sent)


def test_what_may_have_disturbed_the_run_is_noted(folder: RunFolder) -> None:
    """Who else used the cores when it began, and workers that were killed, with the exit code.

    Who still runs is not named.
    """
    manifest = flat_manifest(folder)
    workers, machine = manifest["workers"], manifest["machine"]
    workers[0]["exit_code"] = workers[4]["exit_code"] = -9
    workers[1]["exit_code"] = None
    edit_manifest(folder, workers=workers, machine=machine | {"load_average": [2.6, 1.0, 1.0]})

    notes = summarize(folder).notes

    assert "2 workers did not end by themselves: prefork-4 (exit code -9)." in notes
    assert any("load 2.60 on 2 cores" in note for note in notes)


@pytest.mark.parametrize(
    ("least", "arrivals", "said"),
    [
        (40, "burst", []),
        (10, "burst", [
            "Backlogs differ (10–80 jobs): compare execution times and throughput, not waits."
        ]),
        (10, "constant", []),
    ],
)  # fmt: skip
def test_backlogs_that_differ_are_noted(
    folder: RunFolder, least: int, arrivals: str, said: list[str]
) -> None:
    """Twice as many is alike, a wait in more is no measure; what comes at a rate is no backlog."""
    spoil(folder, count=80, arrivals=arrivals)
    spoil(folder, contender="solo", count=least)

    remarks = summarize(folder).remarks

    assert [remark for remark in remarks if "Backlogs differ" in remark] == said


def test_a_run_stopped_before_its_first_trial_has_a_summary(folder: RunFolder) -> None:
    """No record, no sample, no trial: rows without figures, and no crash."""
    edit_manifest(folder, state="unfinished", trials=[])
    folder.jobs_path.unlink()
    folder.samples_path.unlink()

    found = summarize(folder)

    row = row_of(found, "prefork-4")
    assert (row.throughput_per_s, codes(row)) == (None, [Code.NOT_MEASURED])
    assert found.verdicts[0].text.startswith("Nothing could be measured.")


def test_a_row_without_records_has_no_figure(folder: RunFolder) -> None:
    """All of a contender's jobs lost: no figure, and the reason."""
    folder.write_jobs(folder.read_jobs().filter(pl.col("contender") != "prefork-4"))

    found = row_of(summarize(folder), "prefork-4")

    assert (found.mark, found.throughput_per_s, found.wait_s) == ("!", None, None)
    assert found.ledger.lost == 200


def test_too_few_finishes_for_a_throughput_claim_nothing(tmp_path: Path) -> None:
    """Fewer jobs than five a slot: five valid repetitions without a throughput."""
    found = row_of(summarize(make_run(tmp_path / "run", workloads=_PRIMES, jobs=12)), "prefork-4")

    assert (found.mark, found.throughput_per_s) == (Severity.TOO_FEW, None)
    assert [(one.code, one.parameters) for one in found.reasons] == [
        (Code.TOO_FEW, {"have": 0, "needed": 5}),
        (Code.FEW_JOBS, {"done": 12, "in_flight": 4, "needed": 20}),
    ]


def test_a_repetition_without_a_throughput_does_not_count_towards_a_claim(
    folder: RunFolder,
) -> None:
    """A trial may be valid and too small for a throughput: five of them, four figures, `?`."""
    trial = find_trial(folder, contender="solo", workload="cpu.primes")
    is_kept = (pl.col("trial") != trial) | (pl.col("seq") < 3)
    folder.write_jobs(folder.read_jobs().filter(is_kept))
    spoil(folder, contender="solo", block=0, sent=3)

    found = row_of(summarize(folder), "solo")

    assert (found.mark, found.valid_repetitions) == (Severity.TOO_FEW, 5)
    assert found.reasons[0].parameters == {"have": 4, "needed": 5}


def test_a_quota_lowers_the_ceiling_of_its_contender(tmp_path: Path) -> None:
    """Half a core computes at a quarter of the rate of two; the others keep their ceiling."""
    folder = make_crossing(tmp_path / "run", shares=[1.0], blocks=1)
    before = {row.contender: row.ceiling_per_s for row in summarize(folder).rows}
    contenders = flat_manifest(folder)["contenders"]
    contenders = [one | {"cpus": 0.5} if one["pool"] == "prefork" else one for one in contenders]
    edit_manifest(folder, contenders=contenders)

    after = {row.contender: row.ceiling_per_s for row in summarize(folder).rows}

    assert after["prefork-10"] == pytest.approx(known(before["prefork-10"]) / 4, rel=1e-4)
    assert after["gevent-10"] == before["gevent-10"]


def test_a_limited_row_has_what_its_limits_did(tmp_path: Path) -> None:
    """Other rows have no limits and no number of processes, since their slots determine it."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1], blocks=2)
    contenders = flat_manifest(folder)["contenders"]
    limited, name = contenders[0] | {"cpus": 0.5}, contenders[0]["name"]
    edit_manifest(folder, contenders=[limited, *contenders[1:]])
    use = LimitUse(periods=10, throttled_periods=9, throttled_s=0.5)
    spoil(folder, contender=name, limits=asdict(use))

    rows = {row.contender: row for row in summarize(folder).rows}

    found = known(rows[name].limits)
    assert (found.cpus, found.throttled_share, found.oom_kills) == (0.5, 0.9, None)
    assert known(found.throttled_cores) > 0
    assert known(rows[name].processes) >= 1
    others = [row for row in rows.values() if row.contender != name]
    assert {(row.limits, row.processes) for row in others} == {(None, None)}


@pytest.mark.parametrize(
    ("ceilings", "expected"),
    [
        ({"noop_per_s": {"prefork-4": 84.0}}, [Code.NEAR_NOOP]),
        ({"upstream_per_s": {"io.http": 85.0}}, [Code.NEAR_UPSTREAM]),
        ({"redis_per_s": {"prefork-4": 85.0}}, [Code.NEAR_REDIS]),
        ({"producer_per_s": 85.0}, [Code.NEAR_PRODUCER]),
        # below four fifths of it; another's; and one that was passed, which was no limit
        ({"upstream_per_s": {"io.http": 110.0, "another": 74.0}}, []),
        ({"noop_per_s": {"threads-4": 84.0}, "upstream_per_s": {"io.http": 60.0}}, []),
    ],
)
def test_the_part_of_the_harness_whose_limit_is_near_is_named(
    tmp_path: Path, ceilings: dict[str, Any], expected: list[Code]
) -> None:
    """From 80 to 100 % of a part's own ceiling, without a mark of its own."""
    folder = make_run(tmp_path / "run", workloads=[WORKLOADS[3]])
    edit_manifest(folder, ceilings=ceilings)

    row = row_of(summarize(folder), "prefork-4")

    assert (codes(row), row.mark) == (expected, Severity.NOTE)
    assert row.is_near_limit is bool(expected)


def test_the_order_of_records_does_not_show(folder: RunFolder) -> None:
    """The same folder gives the same bytes, and so does one whose files were shuffled."""
    before = to_json(summarize(folder))
    assert to_json(summarize(folder)) == before

    folder.write_jobs(folder.read_jobs().sample(fraction=1.0, shuffle=True, seed=3))
    folder.write_samples(folder.read_samples().sample(fraction=1.0, shuffle=True, seed=3))

    assert to_json(summarize(folder)) == before


def test_a_submission_is_read_like_a_run(folder: RunFolder) -> None:
    """What only the lab measures is absent: no ceiling, no samples; the notes say the rest."""
    folder.samples_path.unlink()
    spoil(folder, arrivals="constant", cost_before={}, cost_after={}, workers_up=None)
    edit_manifest(folder, events=True, overlapped_by=["other-run"])

    found = summarize(folder)

    row = row_of(found, "prefork-4")
    assert (row.ceiling_per_s, row.cpu_s_per_1000_jobs) == (None, None)
    assert row.throughput_per_s
    assert [note.split(":")[0].split(",")[0] for note in (*found.notes, *found.remarks)] == [
        "Other runs ran at the same time",
        "Jobs arrived at a rate",
        "Celery's events were on",
    ]


def test_a_setting_that_is_not_in_effect_makes_a_contender_s_rows_invalid(
    folder: RunFolder,
) -> None:
    """All its trials, and no other contender's."""
    reason = Reason.of(Code.SETTING_DIFFERS, setting="task_time_limit", asked="3", seen="9")
    edit_manifest(folder, settings_unmet={"solo": [asdict(reason)]})

    rows = summarize(folder).rows

    invalid = {row.contender for row in rows if reason.text in [one.text for one in row.reasons]}
    assert invalid == {"solo"}
    assert all(row.mark == Severity.INVALID for row in rows if row.contender == "solo")


def test_slots_that_were_not_seen_busy_are_noted(folder: RunFolder) -> None:
    """The least of all repetitions, without a mark."""
    seen = {0: 3, 1: 1, 2: 4}
    edit_manifest(
        folder,
        workers=[
            {"block": block, "contender": "threads-4", "ready_s": 1, "exit_code": 0}
            | {"busy_slots": slots}
            for block, slots in seen.items()
        ],
    )

    rows = [row for row in summarize(folder).rows if row.contender == "threads-4"]

    texts = [one.text for row in rows for one in row.reasons if one.code is Code.SLOTS_UNSEEN]
    assert texts == ["slots seen busy at once before the trials: 1 of 4"] * len(rows)


def test_a_part_far_behind_is_the_first_finding_in_a_backlog(tmp_path: Path) -> None:
    """Two contenders do a mix in equal time; one leaves a quarter of the jobs until the end."""
    work = Workload(name="mix", kind="io.sleep", per_s={"threads-4": 101.0, "gevent-4": 100.0})
    folder = make_run(tmp_path / "run", contenders=DEMO[1:3], workloads=[work], jobs=80)
    mix = [
        {"name": name, "kind": "io.sleep", "parameters": {}, "share": share, "options": options}
        for name, share, options in (("limited", 0.75, {"rate_limit": "9/s"}), ("others", 0.25, {}))
    ]
    workload = {"name": "mix", "kind": "mix", "parameters": {}, "mix": mix}
    edit_manifest(folder, workloads=[workload])
    is_early = (pl.col("contender") == "threads-4") & (pl.col("seq") < 20)
    is_late = (pl.col("contender") == "gevent-4") & (pl.col("seq") >= 60)
    part = pl.when(is_early | is_late).then(pl.lit("others")).otherwise(pl.lit("limited"))
    folder.write_jobs(folder.read_jobs().with_columns(part=part))

    (verdict,) = summarize(folder).verdicts

    assert [one.part for one in verdict.parts] == ["others", "limited"]
    assert verdict.headline.startswith("others: the p95 wait of threads-4")
    assert verdict.text.startswith(verdict.parts[0].text)
    assert "1.01 × gevent-4" in verdict.headline
