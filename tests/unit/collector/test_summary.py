"""What is published of a run: its state, its marks with their reasons, its manifest."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from collector.manifest import interval_in, manifest_of
from collector.reasons import Code, Reason
from collector.run_hash import RunHash
from collector.run_manifest import Contender
from collector.schema import RECORD_SCHEMA, conform
from collector.summary import Interval, Summary, describe, judge_state, measure
from poolbench.records import TrialPlan
from poolbench.summaries import RunState
from producer.submission import option_of

PLAN = TrialPlan(
    trial=0, contender="threads", pool="threads", slots=1, kind="io.sleep",
    parameters={"delay_ms": 50.0}, count=5,
)  # fmt: skip
RUN = RunHash(
    run="r1", created_ns=7, source="producer", plans=(PLAN,), sent={0: 5}, sent_all_ns=9,
    boot_id=None,
)  # fmt: skip


def records(count: int, **more: Any) -> pl.DataFrame:
    """Return records of jobs done, a second apart."""
    second_ns = pl.Series(range(count), dtype=pl.Int64) * 1_000_000_000
    times = {"seq": range(count), "started_ns": second_ns + 20, "finished_ns": second_ns + 30}
    frame = pl.DataFrame(times).with_columns(
        trial=0, attempt=0, due_ns=10, sent_ns=10, outcome=pl.lit("done"), **more
    )
    return conform(frame, schema=RECORD_SCHEMA)


def summarize(
    frame: pl.DataFrame, *, run: RunHash = RUN, state: RunState = RunState.CLOSED, **more: Any
) -> Summary:
    """Return the summary of a run with these records."""
    measured = measure(frame, run=run, sender_boot_id="here", slots={})
    more = {"has_events": False, "overlapped_by": (), "lines": 3, "rejected_lines": 0, **more}
    return Summary(run=run, trials=measured, state=state, **more)


@pytest.mark.parametrize(
    ("sent_all_ns", "sent", "done", "quiet_s", "state"),
    [
        (None, 3, 3, 0, RunState.SENDING),
        (None, 3, 1, 0, RunState.SENDING),
        (None, 3, 1, 99, RunState.STALLED),
        (None, 3, 3, 99, RunState.STALLED),
        (None, 5, 5, 99, RunState.SENDING),
        (9, 5, 4, 0, RunState.RUNNING),
        (9, 5, 4, 99, RunState.STALLED),
        (9, 5, 5, 99, RunState.CLOSED),
        (9, 3, 3, 0, RunState.CLOSED),
        (9, 0, 0, 0, RunState.CLOSED),
        (9, 5, 6, 0, RunState.RUNNING),
    ],
)
def test_state_of_a_run_of_five_planned(
    sent_all_ns: int | None, sent: int, done: int, quiet_s: float, state: RunState
) -> None:
    """From what was sent, what ended, and how long nothing was heard."""
    run = replace(RUN, sent={0: sent}, sent_all_ns=sent_all_ns)
    trials = summarize(records(done), run=run).trials

    found = judge_state(run, trials=trials, quiet_s=quiet_s, stall_s=30)

    assert found is state


def test_summary_is_json_of_the_agreed_keys() -> None:
    """The producer reads these by name."""
    summary = describe(summarize(records(5)))

    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert {"format", "run", "state", "events", "overlapped_by", "trials"} <= set(summary)
    assert {
        "trial", "contender", "pool", "slots", "kind", "parameters", "sent", "ledger",
        "throughput_per_s", "wait_s", "execution_s", "lag_s", "mark", "reasons",
    } <= set(summary["trials"][0])  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "more", "mark", "first"),
    [
        pytest.param(records(5), {}, "", None, id="good"),
        pytest.param(
            records(2),
            {"state": RunState.RUNNING},
            "", Reason.of(Code.FEW_JOBS, done=2, in_flight=1, needed=5), id="no-end-yet",
        ),
        pytest.param(records(4), {}, "!", Reason.of(Code.JOBS_LOST, lost=1, sent=5), id="lost"),
        pytest.param(records(6), {}, "!", Reason.of(Code.JOBS_UNSENT, jobs=1), id="too-many"),
        pytest.param(
            pl.concat([records(5), records(1)]),
            {}, "!", Reason.of(Code.JOBS_DUPLICATED, jobs=1), id="twice",
        ),
        pytest.param(
            records(5, boot_id=pl.lit("there")),
            {}, "!", Reason.of(Code.FOREIGN_CLOCK), id="other-clock",
        ),
        pytest.param(
            records(5),
            {"overlapped_by": ("r2",)},
            "!", Reason.of(Code.RUNS_OVERLAP, run="r2"), id="overlapped",
        ),
        pytest.param(
            records(5),
            {"fault": "disk full"},
            "!", Reason.of(Code.COLLECTOR_HINDERED, fault="disk full"), id="collector-fault",
        ),
        pytest.param(
            pl.concat([records(4), records(5).tail(1).with_columns(outcome=pl.lit("failed"))]),
            {"run": replace(RUN, plans=(replace(PLAN, arrivals="constant"),))},
            "~", Reason.of(Code.JOBS_FAILED, failed=1, sent=5), id="failed",
        ),
        pytest.param(
            records(4),
            {"run": replace(RUN, sent={0: 4})},
            "?", Reason.of(Code.FEW_JOBS, done=4, in_flight=1, needed=5), id="too-few",
        ),
    ],
)  # fmt: skip
def test_mark_and_its_reason(
    frame: pl.DataFrame, more: dict[str, Any], mark: str, first: Reason | None
) -> None:
    """No mark without a reason, the strongest mark wins, and jobs that still run aren't lost."""
    more = {"fault": "", **more}
    fault = more.pop("fault")

    (trial,) = describe(summarize(frame, **more), fault=fault)["trials"]

    assert trial["mark"] == mark
    assert trial["reasons"][:1] == ([first.text] if first else [])


@pytest.mark.parametrize(
    ("other", "meets"),
    [((0, 9), False), ((0, 10), True), ((15, 16), True), ((20, 30), True), ((21, 30), False)],
)
def test_intervals_that_share_an_instant(other: tuple[int, int], *, meets: bool) -> None:
    """Both ends belong to a run; the question has one answer from either side."""
    one = Interval(first_due_ns=10, last_finish_ns=20)
    two = Interval(first_due_ns=other[0], last_finish_ns=other[1])

    assert one.meets(two) is two.meets(one) is meets


def test_manifest_has_the_lab_manifests_shape() -> None:
    """The report reads a submission as it reads an experiment's run."""
    manifest = manifest_of(summarize(records(5)))

    assert manifest.state == "finished"
    assert manifest.command == (
        "python -m producer --pool threads --job io.sleep --count 5 --param delay_ms=50.0"
    )
    assert manifest.contenders == (Contender(name="threads", pool="threads", slots=1),)
    (entry,) = manifest.trials
    assert manifest.workloads[0].name == entry.plan.workload == "io.sleep"
    assert entry.plan.ideal_wait_s == pytest.approx(0.05)
    assert interval_in(manifest) == Interval(first_due_ns=10, last_finish_ns=4_000_000_030)


def test_manifests_command_asks_for_the_same_arrivals() -> None:
    """The producer reads its options back, to the same shape."""
    shape = {"rate_per_s": 50.0, "to_rate_per_s": 200.0, "over_s": 2.5}
    run = replace(RUN, plans=(replace(PLAN, arrivals="ramp", rate_per_s=125.0, shape=shape),))

    manifest = manifest_of(summarize(records(5), run=run))

    assert "--arrivals ramp --rate 50 --to-rate 200 --over 2.5 --param" in manifest.command
    assert manifest.trials[0].plan.shape == shape
    assert {option_of(name) for name in shape} == {"--rate", "--to-rate", "--over"}


@pytest.mark.parametrize(
    ("plan", "silence_s"),
    [
        (PLAN, 0.1),
        (replace(PLAN, kind="their.kind"), 0.0),
        (replace(PLAN, arrivals="poisson", rate_per_s=2.0), 5.1),
        (replace(PLAN, arrivals="steps", rate_per_s=2.0, longest_gap_s=60.5), 60.6),
    ],
)
def test_patience_lasts_over_jobs_and_the_longest_gap(plan: TrialPlan, silence_s: float) -> None:
    """Twice a job, and ten mean gaps or what was drawn where the rate moves: no stall."""
    assert replace(RUN, plans=(plan,)).longest_silence_s == pytest.approx(silence_s)


def test_manifest_of_a_run_without_jobs_has_no_interval() -> None:
    """Nothing was sent, so it overlapped nobody."""
    run = replace(RUN, sent={0: 0}, plans=(replace(PLAN, kind="their.kind", parameters={}),))

    manifest = manifest_of(summarize(records(0), run=run, state=RunState.STALLED))

    assert (manifest.state, interval_in(manifest)) == ("unfinished", None)
    assert manifest.trials[0].plan.ideal_wait_s is None
