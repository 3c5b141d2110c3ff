"""What the terminal shows of a run, and that it fits."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from report.summary import summarize
from report.terminal.screen import render
from tests.synthetic import (
    BENCH,
    DEMO,
    WORKLOADS,
    edit_manifest,
    edit_trials,
    flat_manifest,
    make_run,
    write_flat,
)

Summary = dict[str, Any]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """Seven contenders, four workloads, five repetitions."""
    return summarize(make_run(tmp_path_factory.mktemp("run"), contenders=BENCH))


def shown(summary: Summary, *, width: int = 100) -> str:
    """Return the report as a terminal of that width shows it, without colours."""
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(render(summary))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_it_fits(bench: Summary, width: int) -> None:
    """No line is longer than the terminal, and no word of a table is cut."""
    text = shown(bench, width=width)

    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


@pytest.mark.parametrize("width", [80, 100])
def test_every_figure_of_a_row_is_there(bench: Summary, width: int) -> None:
    """Throughput with its range, ceiling, ratio, CPU, memory, six percentiles."""
    text = shown(bench, width=width)
    for word in ("jobs/s", "range", "of ceiling", "× solo", "CPU-s", "PSS", "wait", "exec."):
        assert word in text
    section = text.partition("\ncpu.sha256  ")[0]
    lines = [line for line in section.splitlines() if line.strip().startswith("gevent-100")]

    assert len(lines) == 2, "beside the overview, in both tables"
    assert re.search(r"[▲▼=] [\d.]+", lines[0])
    assert sum(unit in {"ms", "s"} for unit in lines[1].split()) == 6


def test_verdicts_stand_with_their_workloads(bench: Summary) -> None:
    """Each workload has its sentence, whole."""
    text = " ".join(shown(bench, width=300).split())

    for verdict in bench["verdicts"]:
        assert verdict["text"] in text


def test_the_account_comes_first(bench: Summary) -> None:
    """Whether every job is accounted for stands above every figure."""
    lines = shown(bench).splitlines()

    assert lines[0].strip() == "Which pool, for which kind of work?"
    assert lines[1].strip() == "All 22,000 jobs accounted for."


def test_the_wait_of_a_backlog_is_explained(bench: Summary) -> None:
    """Nobody takes the wait of a backlog for a latency."""
    assert "a job's wait is its place in the queue" in shown(bench)


def test_the_legend_explains_the_marks(bench: Summary) -> None:
    """Each mark has its meaning at the end."""
    end = shown(bench).splitlines()[-21:]

    assert {line[0] for line in end if line} >= {"!", "~", "?"}


def test_the_legend_says_how_memory_and_ceilings_are_measured(bench: Summary) -> None:
    """When memory was read and how it is shared; which ceilings were measured."""
    text = " ".join(shown(bench).split())

    assert "its share of memory after the last job; pages shared with other processes" in text
    assert "measured beside each trial; for waits, slots ÷ wait" in text


def test_a_figure_near_a_limit_of_the_harness_carries_its_sign(tmp_path: Path) -> None:
    """Beside the figure a dagger, below the table the reason in words, at the end its meaning."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[3:])
    edit_manifest(folder, ceilings={"upstream_per_s": {"io.http": 86.0}})

    text = shown(summarize(folder), width=120)

    assert re.search(r"prefork-4 +4 +7\d\.\d † ", text)
    assert not re.search(r"solo +1 +1\d\.\d †", text)
    reason = (
        r"† prefork-4: 8\d % of what upstream can serve: upstream may be the limit, not the pool"
    )
    assert re.search(reason, text)
    assert "† from 80 % on of what a part of the harness can do" in text


def test_no_sign_where_nothing_is_near(tmp_path: Path) -> None:
    """The sign is explained only where it stands."""
    assert "†" not in shown(summarize(make_run(tmp_path / "run", workloads=WORKLOADS[:1])))


def test_no_claim_no_percentage(tmp_path: Path) -> None:
    """Below five repetitions nothing on the screen says 95 %."""
    text = shown(summarize(make_run(tmp_path / "run", blocks=3)))

    assert "95 % interval" not in text
    assert "too few repetitions for a claim" in text


def test_an_invalid_row_shows_its_mark_and_reason(tmp_path: Path) -> None:
    """The mark stands on the row, its reason in words below, and the head says it too."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])

    def kill(trial: dict[str, Any]) -> None:
        if (trial["contender"], trial["block"]) == ("threads-4", 1):
            trial["reasons"] = ["the worker ended with code -9"]

    edit_trials(folder, change=kill)
    text = shown(summarize(folder))

    assert "accounted for; 1 row invalid." in text
    assert "\n! threads-4" in text
    assert "! threads-4 in repetition 2: the worker ended with code -9" in text


def test_an_unfinished_run_without_a_trial_renders(tmp_path: Path) -> None:
    """Nothing but dashes, and the words that say why."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    edit_manifest(folder, state="unfinished", trials=[])

    text = shown(summarize(folder), width=80)

    assert "No job was measured." in text
    assert "it stopped after 0 of 5 repetitions" in " ".join(text.split())
    assert "no repetition was measured" in text


def test_a_large_parameter_is_written_out(tmp_path: Path) -> None:
    """A million bytes are no 1e+06."""
    million = replace(WORKLOADS[3], parameters={"delay_ms": 0.5, "size_bytes": 1_000_000})

    text = shown(summarize(make_run(tmp_path / "run", workloads=[million])))

    assert "io.http  delay_ms 0.5, size_bytes 1000000" in text


@pytest.fixture(scope="module")
def twinned(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """A run in which prefork-4 was measured twice."""
    twin = replace(DEMO[0], name="prefork-4-twin")
    workload = replace(
        WORKLOADS[0], per_s={**WORKLOADS[0].per_s, twin.name: WORKLOADS[0].per_s["prefork-4"]}
    )
    contenders = (DEMO[0], twin, *DEMO[1:])
    folder = make_run(
        tmp_path_factory.mktemp("run"), contenders=contenders, workloads=[workload], noise=0.02
    )
    manifest = flat_manifest(folder)
    manifest["contenders"][1]["twin_of"] = "prefork-4"
    write_flat(folder, manifest)
    return summarize(folder)


def test_verdicts_come_before_all_else(bench: Summary) -> None:
    """Right below the account: a line a workload, who is ahead and by how much."""
    lines = shown(bench).splitlines()[3:8]

    assert [line.split()[0] for line in lines[1:]] == [
        "cpu.primes",
        "cpu.sha256",
        "io.sleep",
        "io.http",
    ]
    assert "▲" in lines[1]
    assert "× solo [" in lines[1]


def test_a_twin_is_shown_as_what_it_is(twinned: Summary) -> None:
    """Beside its equal, with no ratio to solo; and the noise is said in words."""
    text = shown(twinned, width=100)

    assert re.search(r"prefork-4-twin +4 .* A/A [\d.]+", text)
    assert re.search(r"Noise prefork-4 against itself: [\d.]+ × \[", text)
    assert "count for nothing." in text
    assert "noise: by how much one contender, measured twice" in text


def test_a_twin_neither_leads_nor_ties(twinned: Summary) -> None:
    """No sentence names it among the contenders."""
    (verdict,) = twinned["verdicts"]

    assert "twin" not in verdict["text"]
    assert verdict["noise_floor"] == twinned["noise_floor"]["cpu.primes"] > 0


def test_a_reason_comes_with_what_to_do(tmp_path: Path) -> None:
    """Behind an arrow, on the same line."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1], blocks=3)

    text = " ".join(shown(summarize(folder), width=200).split())

    assert "and a claim needs 5 → repeat it with --repetitions 5, or with --until 3%" in text


@pytest.mark.parametrize(("width", "words"), [(80, 0), (100, 1), (160, 1)])
def test_more_room_shows_more(bench: Summary, width: int, words: int) -> None:
    """Cost for each core from 100 columns on."""
    assert shown(bench, width=width).count("a core     ") >= words
    assert ("lag, broker, worker, exec.:" in shown(bench, width=width)) is (width >= 140)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_long_name_costs_no_figure(bench: Summary, width: int) -> None:
    """It goes on in a second line, where its words are joined; figures stand whole."""
    name = "threads.redis_delay_ms-2"
    long = json.loads(json.dumps(bench).replace('"threads-4"', f'"{name}"'))
    text = shown(long, width=width)

    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert ("threads.redis_ " in text) is (width < 140)


def test_jobs_at_a_rate_tell_where_their_time_goes(tmp_path: Path) -> None:
    """There the broker's wait is no place in a queue: the split stands at any width."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[2:3])

    def at_a_rate(trial: dict[str, Any]) -> None:
        trial["arrivals"] = "poisson"

    edit_trials(folder, change=at_a_rate)
    text = shown(summarize(folder), width=80)

    assert "lag, broker, worker, exec.:" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_failed_jobs_bring_the_ledger_back(tmp_path: Path) -> None:
    """A column of its own where not all is done."""
    folder = make_run(tmp_path / "run", workloads=WORKLOADS[:1])
    jobs = folder.read_jobs()
    folder.write_jobs(jobs.with_columns(outcome=pl.lit("failed")))

    assert "ledger" in shown(summarize(folder), width=120)
