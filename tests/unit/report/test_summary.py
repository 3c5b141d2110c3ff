"""A run's summary: figures, marks, reasons; the same folder, the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from collector.store import RunFolder
from report.summary import summarize, to_json
from tests.crossing import make_crossing
from tests.synthetic import (
    BENCH,
    DEMO,
    WORKLOADS,
    edit_manifest,
    edit_trials,
    find_trial,
    flat_manifest,
    make_run,
)

_PRIMES = WORKLOADS[:1]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Five repetitions of four pools on one workload, every job with its record."""
    return make_run(tmp_path / "run", workloads=_PRIMES)


def row(summary: dict[str, Any], contender: str = "prefork-4") -> dict[str, Any]:
    """Return the row of a contender in the first workload."""
    rows: list[dict[str, Any]] = summary["rows"]
    return next(row for row in rows if row["contender"] == contender)


def spoil(folder: RunFolder, *, contender: str = "prefork-4", block: int = 2, **values: Any) -> int:
    """Set keys of one trial in the manifest; return its index."""
    trial = find_trial(folder, contender=contender, workload="cpu.primes", block=block)
    edit_trials(folder, change=lambda plan: plan.update(values) if plan["trial"] == trial else None)
    return trial


def test_the_summary_has_the_promised_keys(folder: RunFolder) -> None:
    """What others read from summary.json."""
    found = summarize(folder)

    assert {"format", "run", "rows", "verdicts", "state", "question", "notes"} <= found.keys()
    assert {
        "contender", "pool", "slots", "workload", "kind", "repetitions", "throughput_per_s",
        "ceiling_per_s", "ceiling_share", "cpu_s_per_1000_jobs", "pss_bytes", "wait_s",
        "execution_s", "peak_in_flight", "jobs", "ledger", "mark", "reasons",
    } <= found["rows"][0].keys()  # fmt: skip


def test_an_honest_run_has_no_mark_and_closes(folder: RunFolder) -> None:
    """Five repetitions without a fault: no mark, no reason, every job done."""
    found = summarize(folder)

    assert [one["mark"] for one in found["rows"]] == [""] * 4
    assert [one["reasons"] for one in found["rows"]] == [[]] * 4
    assert found["ledger"]["sent"] == found["ledger"]["done"] == 4 * 5 * 40


def test_a_row_is_the_median_of_its_repetitions(folder: RunFolder) -> None:
    """Median and range of the trials' throughputs, as the trials' own list shows them."""
    found = summarize(folder)
    trials = sorted(
        trial["throughput_per_s"] for trial in found["trials"] if trial["contender"] == "prefork-4"
    )

    assert row(found)["throughput_per_s"] == {
        "median": trials[2],
        "low": trials[0],
        "high": trials[4],
    }


def test_percentiles_are_pooled_from_the_raw_records(folder: RunFolder) -> None:
    """p50 of execution is the nearest rank over all records of the row."""
    jobs = folder.read_jobs().filter(pl.col("contender") == "prefork-4")
    spans_ns = (jobs["finished_ns"] - jobs["started_ns"]).sort()

    expected_s = spans_ns[len(spans_ns) // 2 - 1] / 1e9

    assert row(summarize(folder))["execution_s"]["p50"] == pytest.approx(expected_s, rel=1e-5)


def test_cpu_is_the_last_sample_less_the_first(folder: RunFolder) -> None:
    """The synthetic worker spends 9.1 ms a job and its recorder a hundredth of that."""
    found = row(summarize(folder))

    assert found["cpu_s_per_1000_jobs"] == pytest.approx(9.1)
    assert found["recorder_cpu_s_per_1000_jobs"] == pytest.approx(0.091)
    assert found["pss_bytes"] == 126_000_000


def test_cpu_ceiling_counts_the_cores_that_slots_can_use(folder: RunFolder) -> None:
    """Solo can use one of two cores: half the ceiling of four processes."""
    found = summarize(folder)

    assert row(found)["ceiling_per_s"] == pytest.approx(2 * row(found, "solo")["ceiling_per_s"])


def test_the_ceiling_of_waits_is_slots_by_wait(tmp_path: Path) -> None:
    """Four slots of 50 ms waits allow 80 a second."""
    found = summarize(make_run(tmp_path / "run", workloads=[WORKLOADS[2]]))

    assert row(found)["ceiling_per_s"] == 80.0
    assert row(found, "solo")["ceiling_per_s"] == 20.0


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
def test_work_that_waits_and_computes_is_bound_by_slots_and_by_cores(
    tmp_path: Path, share: float, contender: str, ceiling_per_s: float
) -> None:
    """The lesser of slots ÷ (wait + CPU-seconds a job) and cores ÷ CPU-seconds a job."""
    folder = make_crossing(tmp_path / "run", shares=[share], blocks=1)
    cpu_s = 0.04 * share
    edit_trials(
        folder,
        change=lambda plan: plan.update(cost_before={"cpu_s": cpu_s}, cost_after={"cpu_s": cpu_s}),
    )

    found = row(summarize(folder), contender)["ceiling_per_s"]

    assert found == pytest.approx(ceiling_per_s, rel=1e-4)


def test_a_job_without_an_end_makes_its_row_invalid(folder: RunFolder) -> None:
    """A lost job is counted, its trial is shown, and its row is marked with the reason."""
    trial = find_trial(folder, contender="prefork-4", workload="cpu.primes", block=2)
    is_lost = (pl.col("trial") == trial) & (pl.col("seq") < 3)
    folder.write_jobs(folder.read_jobs().filter(~is_lost))

    found = summarize(folder)

    assert row(found)["mark"] == "!"
    assert row(found)["reasons"][0] == "repetition 3: 3 of 40 jobs lost"
    assert row(found)["ledger"]["lost"] == found["ledger"]["lost"] == 3
    assert len([one for one in found["trials"] if one["trial"] == trial]) == 1


def test_invalid_repetitions_are_in_no_figure(folder: RunFolder) -> None:
    """The figures are those of the four valid repetitions; the ledger is of all five."""
    trial = spoil(folder, reasons=["the worker died"])

    found = summarize(folder)

    left = [
        one["throughput_per_s"]
        for one in found["trials"]
        if one["contender"] == "prefork-4" and one["trial"] != trial
    ]
    assert row(found)["throughput_per_s"]["high"] == max(left)
    assert (row(found)["repetitions"], row(found)["valid_repetitions"]) == (5, 4)
    assert row(found)["ledger"]["sent"] == 200


def test_a_job_that_ran_twice_makes_its_row_invalid(folder: RunFolder) -> None:
    """Two finished executions of one attempt are a duplicate, and the ledger says so."""
    jobs = folder.read_jobs()
    again = jobs.head(1).with_columns(pl.lit("f" * 16).alias("nonce"))
    folder.write_jobs(pl.concat([jobs, again]))
    contender = jobs["contender"][0]

    found = row(summarize(folder), contender)

    assert (found["mark"], found["ledger"]["duplicated"]) == ("!", 1)
    assert found["reasons"][0] == "repetition 1: 1 job ran twice"


def test_failed_jobs_are_accounted_and_make_the_row_unsure(folder: RunFolder) -> None:
    """A failure is an end: the ledger closes, and the row says how many failed."""
    trial = find_trial(folder, contender="prefork-4", workload="cpu.primes", block=0)
    is_failed = (pl.col("trial") == trial) & (pl.col("seq") == 7)
    outcome = pl.when(is_failed).then(pl.lit("failed")).otherwise("outcome").alias("outcome")
    folder.write_jobs(folder.read_jobs().with_columns(outcome))

    found = row(summarize(folder))

    assert (found["mark"], found["ledger"]["failed"], found["ledger"]["lost"]) == ("~", 1, 0)
    assert found["reasons"] == ["repetition 1: 1 of 40 jobs failed"]


def test_gevent_with_unpatched_sockets_is_invalid(folder: RunFolder) -> None:
    """A pool that isn't what it says is not measured."""
    folder.write_jobs(folder.read_jobs().with_columns(pl.lit(value=False).alias("sockets_patched")))

    found = summarize(folder)

    assert row(found, "gevent-4")["mark"] == "!"
    assert "gevent ran with unpatched sockets" in row(found, "gevent-4")["reasons"][0]
    assert row(found, "threads-4")["mark"] == ""


def test_what_the_lab_tolerated_makes_a_row_unstable(folder: RunFolder) -> None:
    """A drifting ceiling is no fault, and is told."""
    spoil(folder, block=1, tolerated=["drift of the ceiling 14 %"])
    spoil(folder, block=4, tolerated=["drift of the ceiling 14 %"])

    found = row(summarize(folder))

    assert found["mark"] == "~"
    assert found["reasons"] == ["repetitions 2 and 5: drift of the ceiling 14 %"]


def test_repetitions_far_apart_make_a_row_unstable(tmp_path: Path) -> None:
    """A standard deviation above a tenth of the mean is said in words."""
    found = summarize(make_run(tmp_path / "run", workloads=_PRIMES, noise=0.35))

    marks = {one["mark"] for one in found["rows"]}
    assert marks == {"~"}
    assert row(found)["reasons"][0].startswith("unstable: the standard deviation ")
    assert row(found)["spread"] > 0.1


@pytest.mark.parametrize("blocks", [1, 3, 4])
def test_fewer_than_five_repetitions_are_marked(tmp_path: Path, blocks: int) -> None:
    """Every row of a short run says `?`, and why."""
    found = summarize(make_run(tmp_path / "run", workloads=_PRIMES, blocks=blocks))

    assert {one["mark"] for one in found["rows"]} == {"?"}
    assert row(found)["reasons"][0].startswith("too few for a claim: ")
    assert "95 %" not in found["verdicts"][0]["text"]


def test_pilots_are_listed_and_in_no_figure(folder: RunFolder) -> None:
    """A pilot sizes the backlog; it is neither a repetition nor in the ledger of the rows."""
    trial = spoil(folder, block=0, is_pilot=True)

    found = summarize(folder)

    assert (row(found)["repetitions"], row(found)["mark"]) == (4, "?")
    assert found["ledger"]["sent"] == 4 * 5 * 40 - 40
    assert next(one for one in found["trials"] if one["trial"] == trial)["is_pilot"]


def test_an_invalid_pilot_is_noted(folder: RunFolder) -> None:
    """Its fault marks no row, and is not hidden."""
    spoil(folder, block=0, is_pilot=True, reasons=["the worker died"])

    assert any("The pilot of prefork-4" in note for note in summarize(folder)["notes"])


def test_an_interrupted_run_says_so(folder: RunFolder) -> None:
    """What was measured is kept; the trial that was cut is invalid, and its block not whole."""
    spoil(folder, block=2, end_ns=None)
    trials = [trial for trial in flat_manifest(folder)["trials"] if trial["block"] < 3]
    edit_manifest(folder, state="unfinished", trials=trials)

    found = summarize(folder)

    assert found["notes"][0] == (
        "The run was broken off: it stopped after 2 of 5 repetitions; this is its part."
    )
    assert row(found)["reasons"][0] == "repetition 3: the run was stopped in this trial"
    assert row(found, "solo")["mark"] == "?"


def test_a_trial_that_was_cut_is_never_valid(folder: RunFolder) -> None:
    """Without an end it is invalid, that reason first, whatever else is said of it."""
    cut = spoil(folder, start_ns=None, end_ns=None, reasons=["the worker died"])

    found = summarize(folder)

    trial = next(one for one in found["trials"] if one["trial"] == cut)
    assert trial["reasons"] == ["the run was stopped in this trial", "the worker died"]
    assert (trial["start_ns"], trial["end_ns"]) == (None, None)
    assert (row(found)["mark"], row(found)["valid_repetitions"]) == ("!", 4)


def test_a_trial_cut_before_its_first_job_is_never_valid(folder: RunFolder) -> None:
    """No job sent, no record, no sample: its row says so."""
    cut = spoil(folder, start_ns=None, end_ns=None, sent=0)
    folder.write_jobs(folder.read_jobs().filter(pl.col("trial") != cut))
    folder.write_samples(folder.read_samples().filter(pl.col("trial") != cut))

    found = row(summarize(folder))

    assert (found["mark"], found["ledger"]["sent"]) == ("!", 160)
    assert found["reasons"][0] == "repetition 3: the run was stopped in this trial"


def test_a_block_that_lacks_a_trial_is_not_counted(folder: RunFolder) -> None:
    """Cut between two trials: every trial has its end, and the block is still not whole."""
    last = find_trial(folder, contender="solo", workload="cpu.primes", block=3)
    trials = [plan for plan in flat_manifest(folder)["trials"] if plan["block"] < 4]
    trials = [plan for plan in trials if plan["trial"] != last]
    edit_manifest(folder, state="unfinished", trials=trials)

    assert "it stopped after 3 of 5 repetitions" in summarize(folder)["notes"][0]


def test_workers_that_were_killed_are_noted(folder: RunFolder) -> None:
    """Whoever ended otherwise than asked is named with the exit code; who still runs is not."""
    workers = flat_manifest(folder)["workers"]
    workers[0]["exit_code"] = workers[4]["exit_code"] = -9
    workers[1]["exit_code"] = None
    edit_manifest(folder, workers=workers)

    assert summarize(folder)["notes"][0] == (
        "2 workers did not end by themselves: prefork-4 (exit code -9)."
    )


def test_backlogs_that_differ_are_noted(tmp_path: Path) -> None:
    """A wait in 40 jobs and one in 600 are no measure of each other."""
    found = summarize(make_run(tmp_path / "run", workloads=_PRIMES, contenders=BENCH))

    assert (
        "Backlogs differ (40–600 jobs): compare execution times and throughput, not waits."
        in found["notes"]
    )


def test_backlogs_alike_and_jobs_at_a_rate_are_not_noted(folder: RunFolder) -> None:
    """Twice as many is alike; and what comes at a rate is no backlog."""
    counts = {"solo": 40, "prefork-4": 80}
    edit_trials(folder, change=lambda plan: plan.update(count=counts.get(plan["contender"], 60)))
    assert not any("Backlogs differ" in note for note in summarize(folder)["notes"])

    counts["solo"] = 10
    edit_trials(
        folder,
        change=lambda plan: plan.update(
            count=counts.get(plan["contender"], 60), arrivals="constant"
        ),
    )
    assert not any("Backlogs differ" in note for note in summarize(folder)["notes"])


def test_a_p99_of_few_jobs_is_noted_once(tmp_path: Path) -> None:
    """Two repetitions of 40 jobs have no hundredth; five have."""
    few = summarize(make_run(tmp_path / "few", workloads=WORKLOADS[:2], blocks=2))
    enough = summarize(make_run(tmp_path / "enough", workloads=_PRIMES, blocks=5))

    said = [note for note in few["notes"] if "p99" in note]
    assert said == ["The p99 of fewer than 100 jobs is about their maximum."]
    assert not any("p99" in note for note in enough["notes"])


def test_a_run_stopped_before_its_first_trial_renders(tmp_path: Path) -> None:
    """No record, no sample, no trial: rows without figures, and no crash."""
    folder = make_run(tmp_path / "run", workloads=_PRIMES)
    edit_manifest(folder, state="unfinished", trials=[])
    folder.jobs_path.unlink()
    folder.samples_path.unlink()

    found = summarize(folder)

    assert row(found)["throughput_per_s"] is None
    assert row(found)["reasons"] == ["no repetition was measured"]
    assert found["verdicts"][0]["text"].startswith("Nothing could be measured.")


def test_a_row_without_records_renders(folder: RunFolder) -> None:
    """All of a contender's jobs lost: no figure, and the reason."""
    folder.write_jobs(folder.read_jobs().filter(pl.col("contender") != "prefork-4"))

    found = row(summarize(folder))

    assert (found["mark"], found["throughput_per_s"], found["wait_s"]) == ("!", None, None)
    assert found["ledger"]["lost"] == 200


def test_too_few_finishes_for_a_throughput_are_told(tmp_path: Path) -> None:
    """Fewer jobs than five a slot: five valid repetitions without a throughput claim nothing."""
    found = row(summarize(make_run(tmp_path / "run", workloads=_PRIMES, jobs=12)))

    assert (found["mark"], found["throughput_per_s"]) == ("?", None)
    assert found["reasons"][0] == (
        "too few for a claim: 0 repetitions with a valid throughput, and a claim needs 5"
    )
    assert "no throughput: 12 jobs done, and 4 in flight need 20" in found["reasons"][1]


def test_a_repetition_without_a_throughput_does_not_count_towards_a_claim(
    folder: RunFolder,
) -> None:
    """A trial may be valid and too small for a throughput: five of them, four figures, `?`."""
    trial = find_trial(folder, contender="solo", workload="cpu.primes")
    is_kept = (pl.col("trial") != trial) | (pl.col("seq") < 3)
    folder.write_jobs(folder.read_jobs().filter(is_kept))
    edit_trials(folder, change=lambda plan: plan.update(sent=3) if plan["trial"] == trial else None)

    found = row(summarize(folder), "solo")

    assert (found["mark"], found["valid_repetitions"]) == ("?", 5)
    assert "4 repetitions with a valid throughput" in found["reasons"][0]


def test_a_harness_at_its_own_limit_is_named(tmp_path: Path) -> None:
    """Near the rate of empty jobs, Celery is the limit and not the wait."""
    folder = make_run(tmp_path / "run", workloads=[WORKLOADS[2]])
    edit_manifest(folder, ceilings={"noop_per_s": {"prefork-4": 84.0, "solo": 830.0}})

    found = summarize(folder)

    (limit,) = row(found)["limits"]
    assert limit.startswith("9")
    assert limit.endswith("Celery's own cost of a job may be the limit, not the work")
    assert row(found, "solo")["limits"] == []


def test_a_row_above_a_ceiling_disproves_it(tmp_path: Path) -> None:
    """No share above 100 % is printed: what was passed was no limit."""
    folder = make_run(tmp_path / "run", workloads=[WORKLOADS[3]])
    noop_per_s = {"prefork-4": 30.0, "threads-4": 84.0}
    upstream_per_s = {"io.http": 60.0}
    edit_manifest(folder, ceilings={"noop_per_s": noop_per_s, "upstream_per_s": upstream_per_s})

    found = summarize(folder)

    assert row(found)["limits"] == []
    (limit,) = row(found, "threads-4")["limits"]
    assert "of what it does with empty jobs" in limit


@pytest.mark.parametrize(
    ("ceilings", "words"),
    [
        ({"upstream_per_s": {"io.http": 85.0}}, "what upstream can serve: upstream may be"),
        ({"redis_per_s": {"prefork-4": 85.0}}, "what Redis can serve: Redis may be the limit"),
        ({"producer_per_s": 85.0}, "what the producer can send: the producer may be the limit"),
    ],
)
def test_each_part_of_the_harness_is_named_where_it_is_near(
    tmp_path: Path, ceilings: dict[str, Any], words: str
) -> None:
    """From 80 % of a part's own ceiling on, in words that say whose limit it may be."""
    folder = make_run(tmp_path / "run", workloads=[WORKLOADS[3]])
    edit_manifest(folder, ceilings=ceilings)

    (limit,) = row(summarize(folder))["limits"]

    assert limit.startswith("8")
    assert words in limit
    assert limit.endswith("not the pool")


def test_below_four_fifths_of_a_ceiling_nothing_is_named(tmp_path: Path) -> None:
    """What has room is no limit; nor is another workload's ceiling."""
    folder = make_run(tmp_path / "run", workloads=[WORKLOADS[3]])
    edit_manifest(folder, ceilings={"upstream_per_s": {"io.http": 110.0, "another": 74.0}})

    assert row(summarize(folder))["limits"] == []


def test_the_same_folder_gives_the_same_bytes(folder: RunFolder) -> None:
    """Nothing of the clock, of chance or of a dictionary's order."""
    assert to_json(summarize(folder)) == to_json(summarize(folder))


def test_the_order_of_records_does_not_show(folder: RunFolder) -> None:
    """A shuffled jobs.parquet and samples.parquet give the same bytes."""
    before = to_json(summarize(folder))
    folder.write_jobs(folder.read_jobs().sample(fraction=1.0, shuffle=True, seed=3))
    folder.write_samples(folder.read_samples().sample(fraction=1.0, shuffle=True, seed=3))

    assert to_json(summarize(folder)) == before


def test_the_summary_is_plain_json(folder: RunFolder) -> None:
    """Strict JSON that reads back as itself."""
    found = summarize(folder)

    assert json.loads(to_json(found)) == found


def test_jobs_that_another_pool_ran_are_invalid(folder: RunFolder) -> None:
    """Whatever the command line said, the class that ran them decides."""
    solo = pl.lit("celery.concurrency.solo:TaskPool").alias("pool_seen")
    folder.write_jobs(folder.read_jobs().with_columns(solo))

    found = row(summarize(folder))

    assert found["mark"] == "!"
    assert found["reasons"][0].endswith("prefork was to run the jobs, and solo did")


def test_a_contender_keeps_its_evidence(folder: RunFolder) -> None:
    """Which pool class ran the jobs, in how many processes, with what of the GIL."""
    found = row(summarize(folder))["evidence"]

    assert found == {
        "pools_seen": ["celery.concurrency.prefork:TaskPool"],
        "processes": 4,
        "sockets_patched": False,
        "gil_enabled": True,
    }


def test_rows_follow_the_manifest(tmp_path: Path) -> None:
    """Workload by workload, contenders in the experiment's order."""
    found = summarize(make_run(tmp_path / "run", workloads=WORKLOADS[:2]))

    assert [one["contender"] for one in found["rows"]] == [one.name for one in DEMO] * 2
    assert [one["workload"] for one in found["verdicts"]] == ["cpu.primes", "cpu.sha256"]


def test_a_busy_machine_is_noted(folder: RunFolder) -> None:
    """Who else used the cores when the run began may have slowed it."""
    machine = flat_manifest(folder)["machine"]
    edit_manifest(folder, machine=machine | {"load_average": [2.6, 1.0, 1.0]})

    assert any("load 2.60 on 2 cores" in note for note in summarize(folder)["notes"])


def test_a_submission_is_read_like_a_run(folder: RunFolder) -> None:
    """What only the lab measures is absent: no ceiling, no samples; the notes say the rest."""
    folder.samples_path.unlink()
    edit_trials(
        folder,
        change=lambda trial: trial.update(
            arrivals="constant",
            cost_before={},
            cost_after={},
            workers_up=None,
        ),
    )
    edit_manifest(folder, events=True, overlapped_by=["other-run"])

    found = summarize(folder)

    assert (row(found)["ceiling_per_s"], row(found)["cpu_s_per_1000_jobs"]) == (None, None)
    assert row(found)["throughput_per_s"]["median"] > 0
    assert [note.split(":")[0].split(",")[0] for note in found["notes"]] == [
        "Jobs came at a rate",
        "Celery's events were on",
        "Other runs ran meanwhile",
    ]
