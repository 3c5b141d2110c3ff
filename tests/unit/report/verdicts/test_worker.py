"""Verdicts, tables and the page of workloads that measure workers themselves."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collector.reasons import Code
from collector.run_manifest import Contender, SweepPoint
from collector.store import RunFolder
from report.page.page import build_page
from report.result import WORKER_VERDICTS, Summary
from report.summary import summarize
from tests.summaries import codes, details, known, row_of, shown
from tests.synthetic import (
    DEMO,
    WORKLOADS,
    edit_manifest,
    flat_manifest,
    make_run,
    spoil,
    write_flat,
)

SLEEP = WORKLOADS[2:3]
CONTENDERS = (DEMO[0], DEMO[3])

#: Parameters of each measure, as a manifest has them.
PARAMETERS: dict[str, dict[str, float]] = {
    "start": {"import_ms": 300, "import_mb": 0},
    "idle": {"idle_s": 20},
    "ping": {"ping_every_s": 0.2, "ping_timeout_s": 1.0},
}

#: How many times solo's figure that of prefork-4 is.
TIMES = {"prefork-4": 1.5, "solo": 1.0, "solo-twin": 1.0}


def figures_of(measure: str, *, contender: str, block: int) -> dict[str, Any]:
    """Return what the lab measured in one repetition; no two are equal."""
    scale = TIMES[contender] * (1 + block / 100)
    if measure == "start":
        sizes = {"pss_bytes": round(80e6 * scale), "processes": round(4 * scale)}
        return {"first_job_s": scale, "all_slots_s": 1.2 * scale, **sizes}
    if measure == "idle":
        counts = {"connections": 4, "children": 4, "pss_bytes": 60_000_000}
        rates = {"commands_per_s": 0.9 * scale, "cpu_ms_per_minute": 200 * scale}
        return {"lasted_s": 20.0, **counts, **rates}
    answers_s = [0.01 * scale] * 18 + [0.02 * scale] * 2
    return {"timeout_s": 1.0, "answers_s": answers_s}


def run_of(
    path: Path,
    measure: str,
    *,
    blocks: int = 5,
    contenders: tuple[Contender, ...] = CONTENDERS,
) -> RunFolder:
    """Return a run of one workload of a measure: its jobs are those of a capacity run."""
    folder = make_run(path, contenders=contenders, workloads=SLEEP, blocks=blocks)
    manifest = flat_manifest(folder)
    (workload,) = manifest["workloads"]
    workload |= {"measure": measure, "measure_parameters": PARAMETERS[measure]}
    if measure != "ping":
        workload |= {"kind": "", "parameters": {}}
    for trial in manifest["trials"]:
        figures = figures_of(measure, contender=trial["contender"], block=trial["block"])
        trial |= {"measure": measure, measure: figures}
    write_flat(folder, manifest)
    return folder


@pytest.fixture(params=PARAMETERS)
def summary(request: pytest.FixtureRequest, tmp_path: Path) -> Summary:
    """The result of a run for each measure: prefork-4 takes 1.5 × solo's."""
    return summarize(run_of(tmp_path / "run", request.param))


def test_the_smaller_figure_is_the_better_one(summary: Summary) -> None:
    """A claim from five repetitions, in the measure's own words."""
    (verdict,) = summary.verdicts
    measure = row_of(summary, "solo").measure

    assert verdict.figure == WORKER_VERDICTS[measure]
    assert (verdict.best, verdict.mark) == ("solo", "")
    assert "0.67 × prefork-4" in verdict.text


def test_rows_have_the_medians_and_each_figure_is_compared(summary: Summary) -> None:
    """The lead with its range; the others against the baseline, as for jobs."""
    row = row_of(summary, "prefork-4")
    (verdict,) = summary.verdicts

    lead = known(row.lead)
    assert lead.low < lead.median < lead.high
    (name,) = [name for name in ("all_slots", "commands", "p95_ping") if name in verdict.figures]
    (decided,) = verdict.figures[name]
    assert (decided.contender, decided.against) == ("prefork-4", "solo")
    assert decided.ratio.value == pytest.approx(1.5, rel=0.01)


def test_jobs_that_only_prove_slots_have_no_throughput_and_no_latency(summary: Summary) -> None:
    """A start and an idle worker are not about jobs; pings are beside jobs that are."""
    row = row_of(summary, "solo")

    assert (row.throughput_per_s is None) == (row.measure != "ping")
    assert (row.wait_s is None) == (row.measure != "ping")
    assert row.ledger.done == row.ledger.sent > 0


@pytest.mark.parametrize("width", [80, 100, 140])
def test_terminal_and_page_show_it(summary: Summary, width: int) -> None:
    """The verdict and the figures; no line is longer than the terminal."""
    for has_details in (False, True):
        text = shown(summary, width=width, has_details=has_details)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
    assert "p95: execution" not in shown(summary, width=width)
    titles = {"start": "first job", "idle": "CPU-ms/min", "ping": "missed"}
    title = titles[row_of(summary, "solo").measure]
    assert title in details(summary)
    page = build_page(summary)
    assert title in page
    assert '<p class="quiet">:' not in page
    assert ("Memory after the last job" in page) == (title == "missed")


def test_missed_pings_are_named_with_their_contender(tmp_path: Path) -> None:
    """In the headline; the p95 of a contender that misses many is above the limit."""
    folder = run_of(tmp_path / "run", "ping")
    answers = {"timeout_s": 1.0, "answers_s": [None] * 5 + [0.1] * 15}
    spoil(folder, contender="solo", ping=answers)

    summary = summarize(folder)

    assert "Pings without an answer within 1.00 s: solo 25 %." in summary.verdicts[0].headline
    assert known(row_of(summary, "solo").lead).median == 1.0
    assert "solo > 1.00 s." in summary.verdicts[0].headline
    assert re.search(r"solo +1 +> 1\.00 s", shown(summary, width=80))


def test_a_threshold_may_name_the_figure(tmp_path: Path) -> None:
    """As a number and as a ratio, in its own workload alone."""
    folder = run_of(tmp_path / "run", "start")
    edit_manifest(
        folder, fail_on=["all_slots_s > 1.5", "prefork-4: all_slots > 2 * solo", "p95_ping_s > 1"]
    )

    checked = summarize(folder).thresholds

    found = [(one.contender, one.status.value) for one in checked]
    assert found == [
        ("prefork-4", "missed"),
        ("solo", "met"),
        ("prefork-4", "met"),
        ("prefork-4", "not checked"),
        ("solo", "not checked"),
    ]


def test_two_repetitions_are_too_few_for_a_claim(tmp_path: Path) -> None:
    """The row says so with the number of its starts, not of throughputs."""
    summary = summarize(run_of(tmp_path / "run", "start", blocks=2))

    assert [codes(row) for row in summary.rows] == [[Code.FEW_OF_WORKER]] * 2
    assert "2 repetitions; a claim needs 5" in summary.verdicts[0].text


@pytest.mark.parametrize("measure", PARAMETERS)
def test_a_sweep_shows_the_figure_at_each_value(tmp_path: Path, measure: str) -> None:
    """As a table and a chart in the figure's own unit, without a law of throughput."""
    points = [SweepPoint(of="prefork-4", setting="slots", value=value) for value in (4, 8)]
    contenders = tuple(
        replace(DEMO[0], name=name, sweep=point)
        for name, point in zip(("prefork-4", "solo"), points, strict=True)
    )

    summary = summarize(run_of(tmp_path / "run", measure, contenders=contenders))

    (sweep,) = summary.sweeps
    assert (sweep.figure, sweep.usl) == (WORKER_VERDICTS[measure], None)
    assert [point.median for point in sweep.points] == [
        known(row.lead).median for row in summary.rows
    ]
    assert sweep.figure in shown(summary, width=140, has_details=True)
    assert sweep.figure in build_page(summary)


def test_an_effect_is_told_by_the_figure(tmp_path: Path) -> None:
    """What gossip costs an idle worker are commands, not throughput."""
    settings = {"gossip": True}
    contenders = (replace(DEMO[3], name="prefork-4", settings=settings), DEMO[3])

    (effect,) = summarize(run_of(tmp_path / "run", "idle", contenders=contenders)).effects

    assert effect.figure == WORKER_VERDICTS["idle"]
    assert "1.50 × the Redis commands/s" in " ".join(
        effect.text.replace(" [1.50–1.50]", "").split()
    )
