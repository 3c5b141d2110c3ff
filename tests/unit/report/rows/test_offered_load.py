"""What a summary has of jobs that came at a rate: rows, searches, curves, fairness, verdicts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from collector.reasons import Code, Severity
from collector.run_manifest import Contender
from report import format as fmt
from report.compare.compare import compare
from report.result import RowSummary, Summary
from report.summary import summarize
from report.verdicts.metrics import FIGURES
from tests.loading import make_load_run, serve
from tests.summaries import codes, known, shown
from tests.synthetic import BROKER_LOST, edit_manifest

FAST = Contender(name="threads-4", pool="threads", slots=4)
OTHERS = (
    Contender(name="threads-8", pool="threads", slots=8),
    Contender(name="prefork-1", pool="prefork", slots=1),
)
SLOW = Contender(name="solo", pool="solo", slots=1)
SLO = {"p95_wait_s": 1.0}
JOB_S = 0.05


def summary_of(
    path: Path,
    measure: str,
    trials: list[Any],
    *,
    slo: dict[str, float] | None = None,
    fail_on: Sequence[str] = (),
    **workload: Any,
) -> Summary:
    """Return the summary of a finished run of these trials; searches are under `SLO`."""
    rate = {"rate_per_s": trials[0][0]["rate_per_s"]}
    described = {
        "name": "work",
        "kind": "io.sleep",
        "parameters": {"delay_ms": 50.0},
        "measure": measure,
        "arrivals": {"how": "poisson"} | (rate if measure == "rate" else {}),
        "mix": [],
    }
    contenders = [
        one
        for one in (FAST, *OTHERS, SLOW)
        if one.name in {plan["contender"] for plan, _ in trials}
    ]
    folder = make_load_run(
        path / "run",
        trials=trials,
        contenders=contenders,
        workload=described | workload,
        slo=(SLO if measure != "rate" else {}) if slo is None else slo,
    )
    if fail_on:
        edit_manifest(folder, fail_on=fail_on)
    return summarize(folder)


def trial(
    contender: Contender, *, block: int, rate_per_s: float, job_s: float = JOB_S, **more: Any
) -> Any:
    """Return a plan and the records of a contender that meets a rate with all its slots."""
    job_s *= 1 + 0.01 * block
    records = serve(rate_per_s=rate_per_s, job_s=job_s, jobs=120, slots=contender.slots)
    return {"contender": contender.name, "block": block, "rate_per_s": rate_per_s, **more}, records


def rates(*, blocks: int = 5) -> list[Any]:
    """Return trials in which 30 jobs a second come, which solo can't do."""
    return [
        trial(contender, block=block, rate_per_s=30.0)
        for block in range(blocks)
        for contender in (FAST, SLOW)
    ]


def searches(*, blocks: int = 5) -> list[Any]:
    """Return searches: three steps a block, of which the second is not sustained."""
    return [
        trial(contender, block=block, rate_per_s=share * contender.slots / JOB_S, step=step)
        for block in range(blocks)
        for contender in (FAST, SLOW)
        for step, share in enumerate((0.9, 1.25, 0.88 + 0.01 * block))
    ]


def curve(
    contender: Contender, *, sustained_per_s: float, shares: Sequence[float], blocks: int = 1
) -> list[Any]:
    """Return a search of one step, and trials at shares of the rate that it sustained."""
    return [
        trial(contender, block=0, rate_per_s=sustained_per_s, step=0),
        *(
            trial(contender, block=block, rate_per_s=share * sustained_per_s, load_share=share)
            for block in range(blocks)
            for share in shares
        ),
    ]


def mixed(
    path: Path, records: pl.DataFrame, *, rate_per_s: float, parts: list[dict[str, Any]]
) -> Summary:
    """Return the summary of a mix that comes to solo."""
    mix = [{"kind": "io.sleep", "parameters": {}, **part} for part in parts]
    plan = {"contender": "solo", "block": 0, "rate_per_s": rate_per_s, "parts": mix}
    return summary_of(path, "rate", [(plan, records)], kind="mix", parameters={}, mix=mix)


@pytest.fixture(scope="module")
def rate(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """The summary of `rates`."""
    return summary_of(tmp_path_factory.mktemp("run"), "rate", rates())


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """The summary of `searches`."""
    return summary_of(tmp_path_factory.mktemp("run"), "sustain", searches())


def rows_of(summary: Summary) -> dict[str, RowSummary]:
    """Return the rows by contender."""
    return {row.contender: row for row in summary.rows}


def test_a_rate_row_has_what_came_and_who_kept_up(rate: Summary) -> None:
    """Thirty a second came; four slots kept up each time, and one never did."""
    rows = rows_of(rate)

    assert {row.offered_per_s for row in rows.values()} == {30.0}
    assert (rows["threads-4"].kept_up, rows["solo"].kept_up) == (5, 0)
    assert known(rows["threads-4"].response_s).p95 == pytest.approx(JOB_S, rel=0.05)
    assert known(known(rows["solo"].response_s).p95) > 1
    assert sum(one.jobs for one in rows["solo"].lag_histogram) == 600
    assert rows["solo"].sustained_per_s is None


def test_a_rate_verdict_compares_responses(rate: Summary, tmp_path: Path) -> None:
    """Who fell behind, and whose p95 is how many times another's: shorter is better."""
    (verdict,) = rate.verdicts
    (few,) = summary_of(tmp_path, "rate", rates(blocks=3)).verdicts

    assert "Not all kept up with 30.0 jobs/s: solo (in 5 of 5) did not." in verdict.text
    assert "The p95 response of threads-4" in verdict.text
    assert "is the shortest: 0.0" in verdict.text
    assert (verdict.best, verdict.against) == ("threads-4", "solo")
    assert few.text.endswith(" that of solo: 3 repetitions; a claim needs 5.")
    assert few.mark == "?"


def test_a_rate_headline_begins_with_who_is_far_behind(tmp_path: Path) -> None:
    """Of two that answer alike and one that takes ten times as long, the last comes first."""
    trials = [
        trial(contender, block=block, rate_per_s=5.0, job_s=job_s)
        for block in range(5)
        for contender, job_s in zip((FAST, *OTHERS), (0.05, 0.051, 0.5), strict=True)
    ]

    (verdict,) = summary_of(tmp_path, "rate", trials).verdicts

    longest = r"prefork-1 \([\d.]+ s\) is the longest: [\d.]+ × that of threads-4 \[.*\]"
    shortest = r"threads-4 \(5\d\.\d ms\) is the shortest: 0\.98 × threads-8 \[.*\]"
    response = "The p95 response of"
    assert re.search(f"{response} {longest}\\. {response} {shortest}", verdict.headline)
    assert verdict.headline in verdict.text


def test_a_search_row_shows_the_sustained_rate(search: Summary) -> None:
    """The highest of each block; its steps are accounted for and enter no other figure.

    Its ends lie over 5 % apart, so the row is unstable and says how far.
    """
    row = rows_of(search)["solo"]

    assert known(row.sustained_per_s).high == pytest.approx(18.4)
    assert row.throughput_per_s == row.sustained_per_s
    assert (row.repetitions, row.ledger.sent, row.jobs) == (5, 5 * 3 * 120, 5 * 120)
    sustained = [one.is_sustained for one in search.trials if one.contender == "solo"]
    assert sustained == [True, False, True] * 5
    assert sum(one.is_shown for one in search.trials) == 10
    assert row.mark is Severity.UNSTABLE
    assert {one.code for one in row.reasons} == {Code.SEARCH_OPEN}
    apart = pytest.approx(1.25 / 0.9 - 1)
    assert row.reasons[0].parameters == {"steps": 3, "apart": apart}


@pytest.mark.parametrize(
    ("shares", "code"),
    [((1.25, 1.1), Code.NO_RATE_SUSTAINED), ((0.8, 0.9), Code.EVERY_RATE_SUSTAINED)],
)
def test_a_search_that_never_turned_says_so(
    tmp_path: Path, shares: tuple[float, float], code: Code
) -> None:
    """All its steps came to the same, up or down to the last rate."""
    trials = [
        trial(SLOW, block=0, rate_per_s=share / JOB_S, step=step)
        for step, share in enumerate(shares)
    ]

    (row,) = summary_of(tmp_path, "sustain", trials).rows

    assert code in codes(row)


def test_a_search_verdict_says_who_sustains_what(search: Summary) -> None:
    """Rates under the SLO, and by how much the first one's is higher."""
    (verdict,) = search.verdicts

    assert "threads-4 sustains 72.0 jobs/s with p95 wait 1.00 s; solo 18.0." in verdict.text
    assert "is the highest: 4.00 × solo [4.00–4.00]" in verdict.text
    assert "sustained/s" in shown(search)


def test_a_broken_search_has_no_figure(tmp_path: Path) -> None:
    """A worker that died in a step: the block counts for nothing, and the row is marked."""
    trials = searches(blocks=2)
    trials[3][0]["reasons"] = [BROKER_LOST]

    rows = rows_of(summary_of(tmp_path, "sustain", trials))

    assert rows["solo"].reasons[0].repetitions == (1,)
    assert (rows["solo"].mark, rows["solo"].valid_repetitions) == (Severity.INVALID, 1)
    assert rows["threads-4"].mark is Severity.TOO_FEW


def test_a_step_that_was_repeated_marks_nothing(tmp_path: Path) -> None:
    """The producer was late in it, so it was done again at the same rate: the last one counts."""
    plan, records = trial(SLOW, block=0, rate_per_s=18.0, step=0)
    late = records.with_columns(
        sent_ns=pl.col("due_ns") + 2_000_000_000, started_ns=pl.col("started_ns") + 2_000_000_000
    )
    trials = [(plan, late), trial(SLOW, block=0, rate_per_s=18.0, step=1)]

    summary = summary_of(tmp_path, "sustain", trials)

    assert [one.is_sustained for one in summary.trials] == [False, True]
    assert summary.rows[0].mark == "?"
    assert known(summary.rows[0].sustained_per_s).median == 18.0


def test_a_curve_has_a_point_for_each_share(tmp_path: Path) -> None:
    """Percentiles of all repetitions together; short below the sustained rate, long beyond it."""
    shares = (0.2, 0.8, 1.08)
    trials = curve(SLOW, sustained_per_s=19.0, shares=shares, blocks=5)

    summary = summary_of(tmp_path, "curve", trials)

    (found,) = summary.curves
    assert found.sustained_per_s == 19.0
    assert [point.share for point in found.points] == list(shares)
    assert [point.repetitions for point in found.points] == [5, 5, 5]
    assert [point.is_sustained for point in found.points] == [True, True, False]
    first, _, last = found.points
    assert known(first.response_s).p95 == pytest.approx(JOB_S, rel=0.05)
    assert known(last.wait_s).p95 > known(first.wait_s).p95
    assert "sustains 19.0 jobs/s: p95 of the response is" in summary.verdicts[0].text
    assert "20 %" in shown(summary)


def test_curves_are_listed_by_sustained_rate_each_in_fewer_words(tmp_path: Path) -> None:
    """Who sustains the most comes first, in full; the next ones' figures are of the same points."""
    trials = [
        *curve(SLOW, sustained_per_s=18.0, shares=(0.2, 0.8)),
        *curve(FAST, sustained_per_s=60.0, shares=(0.2, 0.8)),
    ]

    first, second = summary_of(tmp_path, "curve", trials).verdicts[0].text.split(". ")

    assert first.startswith("threads-4 sustains 60.0 jobs/s: p95 of the response is ")
    assert first.endswith(" at 80 %")
    assert second.startswith("solo 18.0: ")
    assert second.count(" ms") == 2


def test_parts_of_a_mix_have_a_slowdown_each(tmp_path: Path) -> None:
    """Short jobs behind long ones in one slot are slowed many times, the long ones hardly."""
    parts = ["long" if seq % 10 == 0 else "short" for seq in range(200)]
    jobs_s = [0.4 if part == "long" else 0.01 for part in parts]
    records = serve(rate_per_s=15.0, job_s=0.0, jobs=200, jobs_s=jobs_s, parts=parts)
    cost = {"cpu_s_per_job_before": 0.4, "cpu_s_per_job_after": 0.4}
    mix = [
        {"name": "short", "share": 0.9, "ideal_wait_s": 0.01},
        {"name": "long", "share": 0.1, **cost},
    ]

    summary = mixed(tmp_path, records, rate_per_s=15.0, parts=mix)

    (fairness,) = summary.fairness
    short, long = fairness.by_kind["short"], fairness.by_kind["long"]
    assert (short.ideal_s, long.ideal_s) == (0.01, 0.4)
    assert (short.jobs, long.jobs) == (180, 20)
    assert known(short.slowdown.p90) > 20
    assert known(long.slowdown.p50) < 2
    assert known(fairness.unfairness) > 1
    # the terminal's table: each part's median, and how far the two are apart
    table = shown(summary, has_details=True).partition("short ×")[2]
    assert {f"{short.slowdown.p50:.3g}", f"{fairness.unfairness:.3g}"} <= {*table.split()}


@pytest.mark.parametrize(
    ("first", "then", "ideal_s"),
    [
        ({"canvas": {"name": "c", "shape": "chain"}}, {}, (0.4, 0.41)),
        ({"canvas": {"name": "c", "shape": "chord"}}, {}, (0.4, 0.41)),
        ({"canvas": {"name": "c", "shape": "group"}}, {}, (0.4, 0.01)),
        ({}, {"options": {"countdown_s": 0.4}}, (0.4, 0.41)),
    ],
    ids=["chain", "chord", "group", "countdown"],
)
def test_a_planned_wait_slows_no_job(
    tmp_path: Path, first: dict[str, Any], then: dict[str, Any], ideal_s: tuple[float, float]
) -> None:
    """That for a countdown, and for the executions before a later one, takes place alone too."""
    parts = ["first", "then"] * 20
    records = serve(rate_per_s=1.0, job_s=0.01, jobs=40, parts=parts)
    names = zip(("first", "then"), (0.4, 0.01), (first, {**first, **then}), strict=True)
    mix = [{"name": name, "share": 0.5, "ideal_wait_s": s, **more} for name, s, more in names]

    (fairness,) = mixed(tmp_path, records, rate_per_s=1.0, parts=mix).fairness

    found = (fairness.by_kind["first"].ideal_s, fairness.by_kind["then"].ideal_s)
    assert found == pytest.approx(ideal_s)


def test_a_later_link_does_not_wait_in_the_broker_while_the_first_runs(tmp_path: Path) -> None:
    """A worker sends it, at a time that isn't recorded."""
    parts = ["first", "then", "last"] * 20
    is_later = pl.col("part") != "first"
    moments = pl.col("received_ns", "started_ns", "finished_ns")
    records = serve(rate_per_s=1.0, job_s=0.01, jobs=60, parts=parts).with_columns(
        pl.when(is_later).then(moments + 400_000_000).otherwise(moments).name.keep()
    )
    canvas = {"name": "order", "shape": "chain"}
    mix = [{"name": name, "share": 1 / 3, "canvas": canvas} for name in parts[:3]]

    (row,) = mixed(tmp_path, records, rate_per_s=1.0, parts=mix).rows

    assert known(row.wait_parts_s.broker).p50 == 0
    assert known(row.parts["then"].wait_s).p50 == pytest.approx(0.4)


MIX = [
    {"name": name, "kind": "io.sleep", "parameters": {}, "share": share, "ideal_wait_s": ideal_s}
    for name, share, ideal_s in (("short", 0.9, 0.01), ("long", 0.1, 0.4))
]


def short_beside_long(
    path: Path,
    *,
    blocks: int = 5,
    contenders: Sequence[Contender] = (FAST, SLOW),
    **more: Any,
) -> Summary:
    """Return the summary of short jobs beside long ones, in four slots and in one by default."""
    parts = ["long" if seq % 10 == 0 else "short" for seq in range(200)]

    def one(contender: Contender, block: int) -> Any:
        jobs_s = [(0.4 if part == "long" else 0.01) * (1 + 0.01 * block) for part in parts]
        records = serve(
            rate_per_s=15.0, job_s=0, jobs=200, jobs_s=jobs_s, parts=parts, slots=contender.slots
        )
        plan = {"contender": contender.name, "block": block, "rate_per_s": 15.0, "parts": MIX}
        return plan, records

    trials = [one(contender, block) for block in range(blocks) for contender in contenders]
    mixed = {"kind": "mix", "parameters": {}, "mix": MIX}
    return summary_of(path, "rate", trials, **mixed | more)


def test_each_part_of_a_mix_has_a_verdict(tmp_path: Path) -> None:
    """Together they would be judged by the long jobs; apart, only the short ones differ."""
    summary = short_beside_long(tmp_path)

    (verdict,) = summary.verdicts
    short, long = verdict.parts
    assert (verdict.part, short.part, long.part) == ("short", "short", "long")
    assert (short.best, short.against) == ("threads-4", "solo")
    assert known(short.ratio).value > 20
    assert known(long.ratio).value < 1.2
    assert verdict.headline.startswith("All kept up with 15.0 jobs/s. short: the p95 response of")
    assert "solo [" in verdict.headline
    assert "long: " in verdict.text
    row = rows_of(summary)["solo"]
    assert (row.parts["short"].jobs, row.parts["long"].jobs) == (5 * 180, 5 * 20)
    assert known(known(row.parts["short"].wait_s).p95) > 0.2
    first = next(one for one in summary.trials if one.contender == "solo")
    assert known(first.parts["short"].response_s).p95 > 0.2
    # the parts stand below each contender, at any width
    for width in (80, 120):
        assert re.search(r"\n +short +\S+ µ?s +10\.\d ms", shown(summary, width=width))


def test_the_arrivals_of_a_chain_count_its_executions(tmp_path: Path) -> None:
    """Throughput counts executions, so that the offered load beside it does too."""
    canvas = {"name": "order", "shape": "chain"}
    chain = [part | {"share": 1 / 2, "canvas": canvas} for part in MIX]

    plain, chained = short_beside_long(tmp_path / "a"), short_beside_long(tmp_path / "b", mix=chain)

    assert [row.offered_per_s for row in plain.rows] == [15.0, 15.0]
    assert [row.offered_per_s for row in chained.rows] == [30.0, 30.0]
    assert "All kept up with 15.0 jobs/s (30.0 executions/s)." in chained.verdicts[0].text


def test_only_contenders_with_a_valid_trial_kept_up(tmp_path: Path) -> None:
    """A contender whose trials are all invalid isn't among those that kept up."""
    trials = rates(blocks=5)
    for plan, _ in trials:
        plan["sent"] = 200 if plan["contender"] == "solo" else 120

    (verdict,) = summary_of(tmp_path, "rate", trials).verdicts

    assert verdict.headline.startswith("threads-4 kept up with 30.0 jobs/s.")
    assert "Left out (invalid): solo." in verdict.text


def test_the_account_of_a_mix_is_readable_in_a_narrow_terminal(tmp_path: Path) -> None:
    """It is a line below the table, however long the names of the parts are."""
    summary = short_beside_long(tmp_path, blocks=1)
    (row, *others) = summary.rows
    parts = {f"{part}-of-a-long-name": one for part, one in row.parts.items()}
    failed = replace(row, parts=parts, ledger=replace(row.ledger, done=190, failed_as_planned=10))

    text = shown(replace(summary, rows=(failed, *others)), width=80)

    assert "\nthreads-4: 190 of 200 done, 10 failed as planned" in text


def test_a_part_is_told_by_who_is_furthest_behind(tmp_path: Path) -> None:
    """Two contenders tie for the short jobs; the third one's difference is no tie."""
    (verdict,) = short_beside_long(tmp_path, contenders=(FAST, *OTHERS)).verdicts

    short, long = verdict.parts
    assert (short.part, short.best, short.against) == ("short", "threads-4", "prefork-1")
    assert short.ties == ("threads-8",)
    assert short.headline.startswith("short: the p95 response of threads-4 (")
    assert "no difference from threads-8." in short.headline
    assert long.best is None
    assert long.headline.startswith("long: no difference")


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    ("slo", "counts", "account"),
    [
        (SLO, {"done": 512, "expired": 88}, "met 512 of 600 done, 88"),
        ({}, {"duplicated": 120}, "all 600 done, 120"),
    ],
)
def test_targets_and_accounts_fit_beside_a_rate(
    tmp_path: Path, width: int, slo: dict[str, float], counts: dict[str, int], account: str
) -> None:
    """No title and no count is cut; a long account continues in the next line."""
    summary = summary_of(tmp_path, "rate", rates(), slo=slo)
    rows = []
    for row in summary.rows:
        ledger = replace(row.ledger, **counts)
        rows.append(replace(row, ledger=ledger, contender=f"{row.contender}.slots-{row.slots}"))

    text = shown(replace(summary, rows=tuple(rows)), width=width)

    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert account in " ".join(text.split())


def test_a_backlog_has_waits_by_part_where_they_differ(tmp_path: Path) -> None:
    """In sequence, the others wait for the first; in random order, a wait is a place alone."""
    found = {}
    for name, is_in_sequence in (("sequence", True), ("random", False)):
        mix: dict[str, Any] = {"kind": "mix", "parameters": {}, "mix": MIX, "arrivals": None}
        mix |= {"is_in_sequence": is_in_sequence}
        trials = [
            backlog(contender, block=block) for block in range(5) for contender in (FAST, SLOW)
        ]
        found[name] = summary_of(tmp_path / name, "capacity", trials, **mix)

    sequence, random = (found[name].verdicts[0] for name in ("sequence", "random"))
    assert "long: the p95 wait of threads-4 (" in sequence.headline
    assert {one.part for one in sequence.parts} == {"short", "long"}
    assert re.search(r"\n +long +", shown(found["sequence"]))
    assert random.parts == ()
    part = found["random"].rows[0].parts["short"]
    assert part.wait_s is None
    assert known(part.execution_s).p95 == pytest.approx(JOB_S, rel=0.05)


def backlog(contender: Contender, *, block: int) -> Any:
    """Return a plan and the records of jobs that are due at once: short ones before long ones."""
    parts = ["short"] * 60 + ["long"] * 60
    records = serve(
        rate_per_s=1e6,
        job_s=JOB_S * (1 + 0.01 * block),
        jobs=len(parts),
        parts=parts,
        slots=contender.slots,
    )
    plan = {"contender": contender.name, "block": block, "rate_per_s": 0.0, "arrivals": "burst"}
    return plan | {"measure": "capacity", "parts": MIX}, records


def test_few_repetitions_claim_nothing_of_a_part(tmp_path: Path) -> None:
    """The range of what was seen, for each part."""
    (verdict,) = short_beside_long(tmp_path, blocks=2).verdicts

    assert verdict.mark == "?"
    assert "short: so far the p95 response of threads-4 (" in verdict.text
    assert "2 repetitions; a claim needs 5." in verdict.text


def test_a_mix_of_many_parts_has_sentences_on_three(tmp_path: Path) -> None:
    """A recording of thirty tasks is no page of sentences: the others are in the table."""
    names = ["a", "b", "c", "d", "e"]
    mix = [MIX[0] | {"name": name, "share": 0.2} for name in names]
    records = serve(
        rate_per_s=15.0, job_s=0.01, jobs=200, parts=[names[seq % 5] for seq in range(200)], slots=4
    )
    plan = {"contender": FAST.name, "rate_per_s": 15.0, "parts": mix}
    of_mix: dict[str, Any] = {"kind": "mix", "parameters": {}, "mix": mix}
    (verdict,) = summary_of(tmp_path, "rate", [(plan, records)], **of_mix).verdicts

    assert verdict.text.count("p95 response of") == 3
    assert "2 more parts in the table." in verdict.text


def test_the_wait_of_a_replay_begins_when_a_countdown_ends(tmp_path: Path) -> None:
    """The app asked for a countdown of 2 s, so it is no wait, and no SLO is missed by it."""
    later = serve(rate_per_s=15.0, job_s=0.01, jobs=200, slots=4).with_columns(
        pl.col("started_ns", "finished_ns") + 2 * 10**9, eta_ns=pl.col("due_ns") + 2 * 10**9
    )
    plan = {"contender": FAST.name, "rate_per_s": 15.0}
    source = {"file": "shop.pbrec", "sha256": "0" * 64, "jobs": 200, "span_s": 13.3}
    of_replay: dict[str, Any] = {"recorded": source}
    seen = {
        name: summary_of(
            tmp_path / name, "rate", [(plan, later)], slo={"p95_wait_s": 1.0}, **more
        ).rows[0]
        for name, more in (("replay", of_replay), ("own", {}))
    }

    assert known(known(seen["replay"].wait_s).p95) < 0.1
    assert seen["replay"].targets[0].is_met
    assert known(known(seen["own"].wait_s).p95) >= 2.0
    assert not seen["own"].targets[0].is_met


def test_parts_that_are_alike_share_a_sentence(tmp_path: Path) -> None:
    """A mix of many tasks that all meet the file's SLO is one sentence."""
    (verdict,) = short_beside_long(tmp_path, slo={"p95_response_s": 60.0}, mix=MIX).verdicts

    assert verdict.headline == "short and long: all meet p95 response ≤ 60.0 s."


def test_a_target_is_met_or_missed_by_part(tmp_path: Path) -> None:
    """The headline says who is enough; a part without an SLO of its own has the file's."""
    long = {"slo": {"p95_response_s": 0.9}}
    mix = [MIX[0], MIX[1] | long]

    summary = short_beside_long(tmp_path, slo={"p95_wait_s": 0.1}, mix=mix)

    (verdict,) = summary.verdicts
    assert verdict.headline == (
        f"short: threads-4 meets p95 wait ≤ 100 ms; not solo ({seen(summary, 'solo')}). "
        "long: all meet p95 response ≤ 900 ms."
    )
    short = rows_of(summary)["solo"].targets[0]
    assert (short.part, short.met, short.repetitions, short.is_met) == ("short", 0, 5, False)
    assert 0.2 < short.missed_share.low <= short.missed_share.high < 0.6
    assert "All kept up" in verdict.text
    assert summary.rows[0].kept_up == 5
    table = shown(summary, width=80)
    assert len(re.findall(r"\bmet\b", table)) == 3
    assert len(re.findall(r"\bmissed\b", table)) == 1
    assert "short: p95 wait ≤ 100 ms" in shown(summary, has_details=True)


def seen(summary: Summary, contender: str) -> str:
    """Return the percentile of a row's first bound as text."""
    return fmt.duration(rows_of(summary)[contender].targets[0].seen_s)


def test_an_slo_beside_a_rate_says_nothing_of_keeping_up(tmp_path: Path) -> None:
    """Four slots that take 50 ms keep up, though no job responds within 10 ms."""
    trials = [trial(FAST, block=block, rate_per_s=30.0) for block in range(5)]

    summary = summary_of(tmp_path, "rate", trials, slo={"p95_response_s": 0.01})

    (row,) = summary.rows
    assert row.kept_up == 5
    assert [one.is_met for one in row.targets] == [False]
    assert summary.verdicts[0].headline == (
        f"None meets p95 response ≤ 10.0 ms: threads-4 ({seen(summary, 'threads-4')})."
    )


def test_a_target_that_repetitions_disagree_on_is_open(tmp_path: Path) -> None:
    """Four of five met it: that a usual one does is not proved."""
    trials = [trial(FAST, block=block, rate_per_s=30.0 if block else 90.0) for block in range(5)]

    summary = summary_of(tmp_path, "rate", trials, slo={"p95_wait_s": 0.02})

    (row,) = summary.rows
    assert (row.targets[0].met, row.targets[0].is_met) == (4, None)
    start = "None always meets p95 wait ≤ 20.0 ms; threads-4 in 4 of 5 repetitions ("
    assert summary.verdicts[0].headline.startswith(start)
    assert "4 of 5" in shown(summary)


def test_a_threshold_applies_to_a_part(tmp_path: Path) -> None:
    """By number, and as a ratio block by block; without a part named, by all jobs together."""
    mix = "work"
    conditions = [
        f"solo/{mix}/short: p95_wait_s > 0.1",
        f"solo/{mix}/long: p50_wait_s > 0.4",
        f"threads-4/{mix}/short: p95_execution.high > 1.5 * solo",
        "solo: p50_execution_s > 0.1",
    ]

    found = short_beside_long(tmp_path, fail_on=conditions).thresholds

    assert [(one.part, one.status) for one in found] == [
        ("short", "missed"), ("long", "met"), ("short", "met"), ("", "met"),
    ]  # fmt: skip
    assert found[0].text.startswith(f"solo/{mix}/short: p95_wait_s 0.")
    assert "× solo [" in found[2].text


def test_a_part_without_a_known_ideal_takes_the_shortest_seen(tmp_path: Path) -> None:
    """A disk's time nobody knows beforehand: what was seen at best stands for it."""
    records = serve(rate_per_s=10.0, job_s=0.02, jobs=50, parts=["disk", "tape"] * 25)
    mix = [{"name": name, "share": 0.5, "ideal_wait_s": None} for name in ("disk", "tape")]

    (fairness,) = mixed(tmp_path, records, rate_per_s=10.0, parts=mix).fairness

    assert fairness.by_kind["disk"].ideal_s == pytest.approx(0.02)


def test_two_searches_are_compared_by_their_sustained_rates(search: Summary) -> None:
    """One figure a block: steps of a search are no repetitions of its row."""
    (row,) = [one for one in compare(search, b=search).rows if one.contender == "solo"]
    ratio = known(row.change(FIGURES["throughput"]).ratio)

    assert (ratio.value, ratio.blocks) == (1.0, 5)


def test_a_curve_tells_its_valid_points_and_leaves_nobody_out(tmp_path: Path) -> None:
    """Two points that are invalid mark the row, once for the block; the words are of the others."""
    trials = curve(SLOW, sustained_per_s=19.0, shares=(0.2, 0.8, 0.9, 0.95))
    for plan, _ in trials[-2:]:
        plan["reasons"] = [BROKER_LOST]

    summary = summary_of(tmp_path, "curve", trials)

    (row,) = summary.rows
    assert row.mark == "!"
    assert (codes(row)[0], row.reasons[0].repetitions) == (Code.BROKER_LOST, (1,))
    text = summary.verdicts[0].text
    assert "sustains 19.0 jobs/s: p95 of the response is" in text
    assert "Left out" not in text


def test_a_run_at_a_rate_is_no_backlog(rate: Summary) -> None:
    """Its pilots are, and nothing is said of their waits."""
    assert not any("place in the queue" in remark for remark in rate.remarks)
    assert any("arrived at a rate" in remark for remark in rate.remarks)
