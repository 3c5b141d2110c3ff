"""What the terminal shows of a run at first and with `--details`, and that it fits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from collector.reasons import Code, Reason
from collector.run_manifest import Contender
from report.result import Summary, from_json, to_json
from report.summary import summarize
from report.trials.limits import RowLimits
from tests.summaries import details, row_of, shown
from tests.synthetic import (
    BENCH,
    DEMO,
    WORKLOADS,
    edit_manifest,
    find_trial,
    make_run,
)

TWIN = Contender(name="prefork-4-twin", pool="prefork", slots=4, twin_of="prefork-4")
ASYNCIO = Contender(name="asyncio-50", pool="asyncio", slots=50)
NO_GIL = Contender(name="threads-4-nogil", pool="threads", slots=4, interpreter="free-threaded")


def summary_of(path: Path, *, contenders: Sequence[Contender], blocks: int = 5) -> Summary:
    """Return the summary of a run in which `BENCH` and these do four workloads."""
    alike = {TWIN.name: "prefork-4", ASYNCIO.name: "threads-50", NO_GIL.name: "prefork-4"}
    run = [
        replace(one, per_s={**one.per_s, **{name: one.per_s[of] for name, of in alike.items()}})
        for one in WORKLOADS
    ]
    return summarize(
        make_run(path, contenders=contenders, workloads=run, blocks=blocks, noise=0.02)
    )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """As much as `make bench` measures: ten contenders, four workloads, five repetitions."""
    contenders = (*BENCH, ASYNCIO, NO_GIL, TWIN)
    return summary_of(tmp_path_factory.mktemp("run"), contenders=contenders)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """As much as `make demo` measures: five contenders, four workloads, three repetitions."""
    return summary_of(tmp_path_factory.mktemp("run"), contenders=(*DEMO, ASYNCIO), blocks=3)


@pytest.mark.parametrize(("fixture", "most"), [("demo", 43), ("bench", 70)])
def test_the_first_screen_is_short(request: pytest.FixtureRequest, fixture: str, most: int) -> None:
    """At 80 columns; what the command prints besides has its own two lines."""
    assert len(shown(request.getfixturevalue(fixture), width=80).splitlines()) <= most


@pytest.mark.parametrize("has_details", [False, True])
@pytest.mark.parametrize("width", [80, 100, 140])
def test_it_fits(bench: Summary, demo: Summary, width: int, *, has_details: bool) -> None:
    """No line is longer than the terminal, and no word of a table is cut."""
    for summary in (bench, demo):
        text = shown(summary, width=width, has_details=has_details)

        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text


def test_the_account_comes_first_and_each_workload_has_its_sentence(bench: Summary) -> None:
    """Whether every job is accounted for; then who is ahead in each workload, in their order."""
    text = shown(bench, width=300)
    jobs = f"{bench.ledger.sent:,}"

    assert text.startswith(f"{bench.title}  All {jobs} jobs accounted for.")
    places = [text.index(f"{one.workload}  {one.headline}") for one in bench.verdicts]
    assert places == sorted(places)


@pytest.mark.parametrize("width", [80, 100])
def test_every_figure_of_a_row_is_there(bench: Summary, width: int) -> None:
    """Throughput with its range, ratio, p95, CPU and memory; with details six percentiles."""
    lines = shown(bench, width=width).splitlines()
    line = next(line for line in lines if line.strip().startswith("gevent-100 "))
    head = next(line for line in lines if line.strip().startswith("contender"))
    assert head.split() == ["contender", "slots", "jobs/s", "×", "solo", "p95", "CPU-s", "MB"]
    assert re.search(r"gevent-100 +100 +[\d,.]+ \[.+–.+\] +[▲▼=] [\d.]+ ", line)

    section = shown(bench, width=width, has_details=True).partition("\ncpu.sha256  ")[0]
    costs = [line for line in section.splitlines() if line.strip().startswith("gevent-100")][2]
    assert sum(unit in {"ms", "s"} for unit in costs.split()) == 6


def test_what_makes_rows_invalid_keeps_its_numbers(demo: Summary) -> None:
    """And two reasons in words of an earlier version are two lines: they share no text."""
    lost = [Reason.of(Code.JOBS_LOST, lost=count, sent=100) for count in (3, 7)]
    old = [Reason.of(Code.RECORDED, text=text) for text in ("it was odd", "it was late")]
    rows = (
        replace(demo.rows[0], reasons=(lost[0], *old)),
        replace(demo.rows[1], reasons=(lost[1],)),
        *(replace(row, reasons=()) for row in demo.rows[2:]),
    )

    text = shown(replace(demo, rows=rows))

    for row, reason in zip(rows[:2], lost, strict=True):
        assert f"! {row.name}: {reason.text}" in text
    assert all(f"~ 1 row: {reason.text}" in text for reason in old)


def test_a_warning_stands_once_with_its_rows_counted(demo: Summary) -> None:
    """Twenty rows lack repetitions for the same reason, and one line says so; no 95 % is named.

    Its remedy is in the details, behind an arrow; the first screen keeps to what is the matter.
    """
    screen, text = " ".join(shown(demo, width=200).split()), details(demo, width=200)
    reasons = [one for row in demo.rows for one in row.reasons]

    for reason in reasons:
        assert not reason.severity or screen.count(reason.text) == 1
        assert not reason.remedy or f"{reason.text} → {reason.remedy}" in text
        assert not reason.remedy or f"→ {reason.remedy}" not in screen
    assert "? all rows: 3 repetitions with a valid throughput; a claim needs 5" in screen
    assert "95 %" not in screen
    assert "95 % interval" not in text


def test_an_invalid_row_is_named_with_its_reason(tmp_path: Path) -> None:
    """On the first screen; with details its repetitions too, and what to do."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    trial = find_trial(folder, contender="threads-4", workload="cpu.primes", block=1)
    folder.write_jobs(folder.read_jobs().filter(pl.col("trial") != trial))
    summary = summarize(folder)
    reason = row_of(summary, "threads-4").reasons[0]

    text = shown(summary)

    assert "accounted for; 1 row invalid." not in text
    assert re.search(r"40 lost; 1 row invalid\.", text)
    assert "\n!  threads-4" in text
    assert f"\n! threads-4/cpu.primes: {reason.text}" in text
    assert reason.remedy not in text
    assert f"! threads-4 in repetition 2: {reason.text} → {reason.remedy}" in details(summary)


def test_details_explain_what_they_show(bench: Summary) -> None:
    """Marks, words of the tables, how memory and ceilings are measured, the wait of a backlog."""
    text = details(bench)

    for words in (
        "! invalid: ", "~ unstable: ", "? too few repetitions",
        "share of memory after the last job; pages shared with other processes",
        "measured before and after each trial; for waiting, slots ÷ wait",
        "a job's wait is its place in the queue",
        *(verdict.text for verdict in bench.verdicts),
    ):  # fmt: skip
        assert words in text


def test_a_figure_near_a_limit_of_the_harness_carries_its_sign(tmp_path: Path) -> None:
    """Beside the figure a dagger, below the table the reason, with details its meaning."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[3:])
    assert "†" not in shown(summarize(folder), has_details=True)
    edit_manifest(folder, ceilings={"upstream_per_s": {"io.http": 86.0}})
    summary = summarize(folder)
    reason = row_of(summary, "prefork-4").reasons[0]

    text = shown(summary, width=120)

    assert reason.code is Code.NEAR_UPSTREAM
    assert re.search(r"prefork-4 +4 +7\d\.\d † ", text)
    assert not re.search(r"solo +1 +1\d\.\d †", text)
    assert "† 3 rows: … of what upstream can serve: upstream may be the limit" in text
    assert reason.text in details(summary)
    assert "† near the limit of the harness itself" in details(summary)


def test_an_unfinished_run_without_a_trial_is_shown(summaries: Mapping[str, Summary]) -> None:
    """Nothing but dashes, and the words that say why."""
    text = shown(summaries["empty"], width=80)

    assert "No job was measured." in text
    assert "Run interrupted after 0 of 5 repetitions; results are partial." in text
    assert "no repetition was measured" in text


def test_a_control_is_shown_as_what_it_is(bench: Summary) -> None:
    """Beside its equal, with no ratio to solo and in no verdict."""
    text = shown(bench, has_details=True)

    assert re.search(r"prefork-4-twin +4 .* A/A [\d.]+", text)
    assert re.search(r"A/A control: prefork-4 measured twice, [\d.]+ × \[", text)
    assert not any("twin" in one.text for one in bench.verdicts)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_more_room_shows_more(bench: Summary, width: int) -> None:
    """Cost for each core from 100 columns on, where a job's time goes from 140 on.

    A long name costs no figure: it goes on in a second line, where its words are joined.
    """
    long = from_json(to_json(bench).replace('"threads-4"', '"threads.redis_delay_ms-2"'))
    text = shown(bench, width=width, has_details=True)
    with_long = shown(long, width=width, has_details=True)

    assert ("per core   " in text) is (width >= 100)
    assert ("lag, broker, worker, exec.:" in text) is (width >= 140)
    assert "…" not in with_long
    assert max(map(len, with_long.splitlines())) <= width
    assert ("threads.redis_ " in with_long) is (width < 100)


def test_jobs_at_a_rate_show_where_their_time_goes(summaries: Mapping[str, Summary]) -> None:
    """The broker's wait is no place in a queue: the split stands at any width, and rates do."""
    summary = summaries["rate"]

    text = shown(summary, width=80, has_details=True)

    assert "lag, broker, worker, exec.:" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "offered/s" in shown(summary)
    assert "5 of 5" in shown(summary)


def test_a_wait_beside_an_idle_slot_has_a_line(summaries: Mapping[str, Summary]) -> None:
    """The longest first, by part; waits of a few milliseconds are dispatch, and have none.

    Where all slots share a thread, the line has the other reason for such a wait.
    """
    text = " ".join(shown(summaries["mix"], width=80).split())

    start = "Waited in a worker beside an idle slot: solo (long) 833 ms of 3.06 s"
    assert start in text
    rest = text.partition(start)[2]
    assert "others; on gevent, a job that computes stops all slots." in rest
    assert "beside an idle slot" not in shown(summaries["rate"])


@pytest.mark.parametrize("width", [80, 100])
def test_details_have_every_cause_by_part(summaries: Mapping[str, Summary], width: int) -> None:
    """The mean wait and its shares; and how many jobs started in the order of priorities."""
    text = shown(summaries["mix"], width=width, has_details=True)

    assert re.search(r"solo +long +3\.06 s( +[\d.]+ %){7} *$", text, re.MULTILINE)
    assert re.search(r"prefork-4 +89 % +900", text)
    assert max(map(len, text.splitlines())) <= width
    assert "idle worker: its worker has received it and is busy" in " ".join(text.split())


def test_a_mix_fits_with_its_parts_and_targets(summaries: Mapping[str, Summary]) -> None:
    """In 80 columns, with names of usual length; nothing is cut."""
    text = shown(summaries["mix"], width=80)

    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "wait p95" in text
    assert re.search(r" short .* 1 of 5", text)


def test_failed_jobs_bring_the_ledger_back(tmp_path: Path) -> None:
    """A column of its own where not all is done; a parameter of a million is no 1e+06."""
    million = replace(WORKLOADS[3], parameters={"delay_ms": 0.5, "size_bytes": 1_000_000})
    folder = make_run(tmp_path / "run", workloads=[million], blocks=1)
    honest = summarize(folder)
    folder.write_jobs(folder.read_jobs().with_columns(outcome=pl.lit("failed")))

    assert "ledger" not in shown(honest, width=120)
    assert "io.http delay_ms 0.5, size_bytes 1000000" in details(honest)
    assert "ledger" in shown(summarize(folder), width=120)


@pytest.mark.parametrize("width", [80, 140])
def test_limits_have_a_table_where_a_contender_has_them(demo: Summary, width: int) -> None:
    """Only in the details: limit, throttling, peak, kills and processes of each row."""
    limits = RowLimits(
        cpus=0.5,
        memory_bytes=512_000_000,
        throttled_share=0.96,
        throttled_cores=1.46,
        memory_peak_bytes=130_000_000,
        oom_kills=2,
    )
    limited = replace(demo.rows[0], limits=limits, processes=3)
    summary = replace(demo, rows=(limited, *demo.rows[1:]))

    text = details(summary, width=width)

    assert f"{limited.contender} 0.5 96 % 1.46 512 MB 130 MB 2 3" in text
    assert "throttled, cores stopped, peak, killed: " in text
    assert "throttled" not in details(demo, width=width) + shown(summary, width=width)
    lines = shown(summary, width=width, has_details=True).splitlines()
    assert max(map(len, lines)) <= width


def test_every_pair_is_shown_where_it_is_asked_for(tmp_path: Path) -> None:
    """Each once, the larger side first; the contenders by rank, as the wider intervals have it."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1], blocks=5, noise=0.02)
    summary = summarize(folder, is_every_pair=True)
    (verdict,) = summary.verdicts
    count = len(verdict.to_baseline) + 1

    assert len(verdict.decisions) == count * (count - 1) / 2
    lines = re.findall(r"^\S+ +[▲=] ([\d.]+) \[.+\] +\S+ *$", shown(summary), re.MULTILINE)
    assert len(lines) == len(verdict.decisions)
    assert min(map(float, lines)) >= 1
