"""What a summary tells of jobs that came at a rate: rows, searches, curves, fairness, verdicts."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from collector.store import RunFolder
from report.compare.compare import compare
from report.summary import summarize, to_json
from report.terminal.screen import render
from tests.loading import make_load_run, serve
from tests.synthetic import Contender, flat_manifest, write_flat

FAST = Contender(name="threads-4", pool="threads", slots=4)
SLOW = Contender(name="solo", pool="solo", slots=1)
SLO = {"p95_wait_s": 1.0}
JOB_S = 0.05


def workload_of(measure: str, **more: Any) -> dict[str, Any]:
    """Return a workload as a manifest has it."""
    arrivals = {"how": "poisson", "rate_per_s": 10.0} if measure == "rate" else {"how": "poisson"}
    return {
        "name": "work",
        "kind": "io.sleep",
        "parameters": {"delay_ms": 50.0},
        "measure": measure,
        "arrivals": arrivals,
        "mix": [],
        **more,
    }


def trial(contender: Contender, *, block: int, rate_per_s: float, **more: Any) -> Any:
    """Return a plan and the records of a contender that meets a rate with all its slots."""
    job_s = JOB_S * (1 + 0.01 * block)
    records = serve(rate_per_s=rate_per_s, job_s=job_s, jobs=120, slots=contender.slots)
    return {"contender": contender.name, "block": block, "rate_per_s": rate_per_s, **more}, records


def rate_run(path: Path, *, blocks: int = 5) -> RunFolder:
    """Return a run in which 30 jobs a second come, which solo can't do."""
    trials = [
        trial(contender, block=block, rate_per_s=30.0)
        for block in range(blocks)
        for contender in (FAST, SLOW)
    ]
    workload = workload_of("rate", arrivals={"how": "poisson", "rate_per_s": 30.0})
    return make_load_run(path, trials=trials, contenders=[FAST, SLOW], workload=workload, slo=SLO)


def search_run(path: Path, *, blocks: int = 5) -> RunFolder:
    """Return a run of searches: three steps a block, of which the second is not held."""
    trials = [
        trial(contender, block=block, rate_per_s=share * contender.slots / JOB_S, step=step)
        for block in range(blocks)
        for contender in (FAST, SLOW)
        for step, share in enumerate((0.9, 1.25, 0.88 + 0.01 * block))
    ]
    workload = workload_of("sustain")
    return make_load_run(path, trials=trials, contenders=[FAST, SLOW], workload=workload, slo=SLO)


def shown(summary: dict[str, Any]) -> str:
    """Return a summary as a terminal of 100 columns shows it."""
    text = io.StringIO()
    Console(file=text, width=100).print(render(summary))
    return text.getvalue()


def rows_of(summary: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the rows by contender."""
    return {row["contender"]: row for row in summary["rows"]}


def test_a_rate_row_tells_what_came_and_who_kept_up(tmp_path: Path) -> None:
    """Thirty a second came; four slots kept up each time, and one never did."""
    rows = rows_of(summarize(rate_run(tmp_path / "run")))

    assert {row["offered_per_s"] for row in rows.values()} == {30.0}
    assert (rows["threads-4"]["kept_up"], rows["solo"]["kept_up"]) == (5, 0)
    assert rows["threads-4"]["response_s"]["p95"] == pytest.approx(JOB_S, rel=0.05)
    assert rows["solo"]["response_s"]["p95"] > 1
    assert sum(one["jobs"] for one in rows["solo"]["lag_histogram"]) == 600
    assert rows["solo"]["sustained_per_s"] is None


def test_a_rate_verdict_compares_responses(tmp_path: Path) -> None:
    """Who fell behind, and whose p95 is how many times another's: shorter is better."""
    (verdict,) = summarize(rate_run(tmp_path / "run"))["verdicts"]

    assert "Not all kept up with 30.0 jobs/s: solo (in 5 of 5) did not." in verdict["text"]
    assert "The p95 response of threads-4" in verdict["text"]
    assert "is the shortest: 0.0" in verdict["text"]
    assert (verdict["best"], verdict["against"]) == ("threads-4", "solo")


def test_three_repetitions_claim_nothing_of_responses(tmp_path: Path) -> None:
    """The range, and how many it takes."""
    (verdict,) = summarize(rate_run(tmp_path / "run", blocks=3))["verdicts"]

    assert "too few repetitions for a claim (3, and it takes 5)" in verdict["text"]
    assert verdict["mark"] == "?"


def test_the_terminal_shows_a_rate_as_one(tmp_path: Path) -> None:
    """What was offered stands beside what was done: no table calls it throughput."""
    text = shown(summarize(rate_run(tmp_path / "run")))

    assert "offered/s" in text
    assert "kept up" in text
    assert "0 of 5" in text


def test_a_search_row_shows_the_rate_that_was_held(tmp_path: Path) -> None:
    """The highest of each block; its steps are accounted for and enter no other figure."""
    summary = summarize(search_run(tmp_path / "run"))
    rows = rows_of(summary)

    assert rows["solo"]["sustained_per_s"]["high"] == pytest.approx(18.4)
    assert rows["solo"]["throughput_per_s"] == rows["solo"]["sustained_per_s"]
    assert rows["solo"]["repetitions"] == 5
    assert rows["solo"]["ledger"]["sent"] == 5 * 3 * 120
    assert rows["solo"]["jobs"] == 5 * 120
    held = [one["held"] for one in summary["trials"] if one["contender"] == "solo"]
    assert held == [True, False, True] * 5
    assert sum(one["is_shown"] for one in summary["trials"]) == 10


def test_a_search_without_a_bracket_is_doubtful(tmp_path: Path) -> None:
    """Its ends lie over 5 % apart, so the row says how far."""
    rows = rows_of(summarize(search_run(tmp_path / "run")))

    assert rows["solo"]["mark"] == "~"
    assert any(
        "after 3 steps with the held and the missed rate 39 % apart" in reason
        for reason in rows["solo"]["reasons"]
    )


def test_a_search_verdict_says_who_holds_what(tmp_path: Path) -> None:
    """Rates under the SLO, and by how much the first one's is higher."""
    summary = summarize(search_run(tmp_path / "run"))
    (verdict,) = summary["verdicts"]

    assert "threads-4 holds 72.0 jobs/s under p95 wait 1.00 s; solo 18.0." in verdict["text"]
    assert "That is 4.00 × solo [4.00–4.00]" in verdict["text"]
    assert "held/s" in shown(summary)


def test_a_broken_search_has_no_figure(tmp_path: Path) -> None:
    """A worker that died in a step: the block counts for nothing, and the row is marked."""
    folder = search_run(tmp_path / "run")
    manifest = flat_manifest(folder)
    broken = next(one for one in manifest["trials"] if one["contender"] == "solo")
    broken["reasons"] = ["the worker ended with exit code -9 in the trial"]
    write_flat(folder, manifest)

    rows = rows_of(summarize(folder))

    assert rows["solo"]["mark"] == "!"
    assert "repetition 1: the worker ended" in rows["solo"]["reasons"][0]
    assert rows["threads-4"]["mark"] != "!"


def test_a_step_that_was_repeated_marks_nothing(tmp_path: Path) -> None:
    """The producer was late in it, so it was done again at the same rate: the last one counts."""
    late = trial(SLOW, block=0, rate_per_s=18.0, step=0)
    late = (late[0], late[1].with_columns(sent_ns=late[1]["due_ns"] + 2_000_000_000))
    late = (late[0], late[1].with_columns(started_ns=late[1]["started_ns"] + 2_000_000_000))
    trials = [late, trial(SLOW, block=0, rate_per_s=18.0, step=1)]
    workload = workload_of("sustain")
    folder = make_load_run(
        tmp_path / "run", trials=trials, contenders=[SLOW], workload=workload, slo=SLO
    )

    summary = summarize(folder)

    assert [one["held"] for one in summary["trials"]] == [False, True]
    assert summary["rows"][0]["mark"] == "?"
    assert summary["rows"][0]["sustained_per_s"]["median"] == 18.0


def test_a_curve_has_a_point_for_each_share(tmp_path: Path) -> None:
    """Percentiles of all repetitions together; short below what is held, and long beyond it."""
    shares = (0.2, 0.8, 1.05)
    trials = [trial(SLOW, block=0, rate_per_s=19.0, step=0)]
    trials += [
        trial(SLOW, block=block, rate_per_s=share * 19.6, load_share=share)
        for block in range(5)
        for share in shares
    ]
    folder = make_load_run(
        tmp_path / "run",
        trials=trials,
        contenders=[SLOW],
        workload=workload_of("curve"),
        slo=SLO,
    )

    summary = summarize(folder)

    (curve,) = summary["curves"]
    assert curve["sustained_per_s"] == 19.0
    assert [point["share"] for point in curve["points"]] == list(shares)
    assert [point["repetitions"] for point in curve["points"]] == [5, 5, 5]
    assert [point["held"] for point in curve["points"]] == [True, True, False]
    first, _, last = curve["points"]
    assert first["response_s"]["p95"] == pytest.approx(JOB_S, rel=0.05)
    assert last["wait_s"]["p95"] > first["wait_s"]["p95"]
    assert "holds 19.0 jobs/s: p95 of the response is" in summary["verdicts"][0]["text"]
    assert "20 %" in shown(summary)


def test_curves_are_told_by_what_is_held_each_in_fewer_words(tmp_path: Path) -> None:
    """Who holds the most comes first, in full; the next ones' figures are of the same points."""
    plans = []
    for one, per_s in ((SLOW, 18.0), (FAST, 60.0)):
        plans.append(trial(one, block=0, rate_per_s=per_s, step=0))
        plans += [
            trial(one, block=0, rate_per_s=share * per_s, load_share=share) for share in (0.2, 0.8)
        ]
    folder = make_load_run(
        tmp_path / "run",
        trials=plans,
        contenders=[SLOW, FAST],
        workload=workload_of("curve"),
        slo=SLO,
    )

    text = summarize(folder)["verdicts"][0]["text"]

    first, second = text.split(". ")
    assert first.startswith("threads-4 holds 60.0 jobs/s: p95 of the response is ")
    assert first.endswith(" at 80 %")
    assert second.startswith("solo 18.0: ")
    assert second.count(" ms") == 2


def test_parts_of_a_mix_have_a_slowdown_each(tmp_path: Path) -> None:
    """Short jobs behind long ones in one slot are slowed many times, the long ones hardly."""
    parts = ["long" if seq % 10 == 0 else "short" for seq in range(200)]
    jobs_s = [0.4 if part == "long" else 0.01 for part in parts]
    records = serve(rate_per_s=15.0, job_s=0.0, jobs=200, jobs_s=jobs_s, parts=parts)
    mix = [
        {"name": "short", "ideal_wait_s": 0.01, "share": 0.9, "kind": "io.sleep", "parameters": {}},
        {"name": "long", "share": 0.1, "kind": "cpu.primes", "parameters": {}},
    ]
    cost = {"parts": {"short": None, "long": 0.4}}
    plan = {"contender": "solo", "block": 0, "rate_per_s": 15.0, "parts": mix}
    plan |= {"cost_before": cost, "cost_after": cost}
    folder = make_load_run(
        tmp_path / "run",
        trials=[(plan, records)],
        contenders=[SLOW],
        workload=workload_of("rate", kind="mix", parameters={}, mix=mix),
    )

    summary = summarize(folder)

    (fairness,) = summary["fairness"]
    short, long = fairness["by_kind"]["short"], fairness["by_kind"]["long"]
    assert (short["ideal_s"], long["ideal_s"]) == (0.01, 0.4)
    assert (short["jobs"], long["jobs"]) == (180, 20)
    assert short["slowdown"]["p90"] > 20
    assert long["slowdown"]["p50"] < 2
    assert fairness["unfairness"] > 1
    # the terminal's table: each part's median, and how far the two are apart
    table = shown(summary).partition("short ×")[2]
    assert {f"{short['slowdown']['p50']:.3g}", f"{fairness['unfairness']:.3g}"} <= {*table.split()}


def test_a_part_without_a_known_ideal_takes_the_shortest_seen(tmp_path: Path) -> None:
    """A disk's time nobody knows beforehand: what was seen at best stands for it."""
    records = serve(rate_per_s=10.0, job_s=0.02, jobs=50, parts=["disk"] * 50)
    mix = [{"name": "disk", "share": 1.0, "kind": "io.disk", "parameters": {}}]
    plan = {"contender": "solo", "block": 0, "rate_per_s": 10.0, "parts": mix}
    folder = make_load_run(
        tmp_path / "run",
        trials=[(plan, records)],
        contenders=[SLOW],
        workload=workload_of("rate", kind="mix", parameters={}, mix=mix),
    )

    (fairness,) = summarize(folder)["fairness"]

    assert fairness["by_kind"]["disk"]["ideal_s"] == pytest.approx(0.02)


def test_two_searches_are_compared_by_what_was_held(tmp_path: Path) -> None:
    """One figure a block: steps of a search are no repetitions of its row."""
    folders = [search_run(tmp_path / name) for name in ("a", "b")]

    found = compare(summarize(folders[0]), b=summarize(folders[1]))

    (row,) = [one for one in found.rows if one.contender == "solo"]
    (change,) = [one for one in row.changes if one.figure.name == "throughput"]
    assert change.ratio is not None
    assert (change.ratio.value, change.ratio.blocks) == (1.0, 5)


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    """A search, judged again from its records, is the same summary."""
    folder = search_run(tmp_path / "run")

    assert to_json(summarize(folder)) == to_json(summarize(folder))


def test_a_repetition_is_named_once_for_all_its_trials(tmp_path: Path) -> None:
    """A curve has several trials in a block: one with the same fault names the block once."""
    plans = [
        trial(SLOW, block=0, rate_per_s=share * 19.6, load_share=share) for share in (0.2, 0.4)
    ]
    for plan, _ in plans:
        plan["reasons"] = ["the machine fell over"]
    folder = make_load_run(
        tmp_path / "run", trials=plans, contenders=[SLOW], workload=workload_of("curve"), slo=SLO
    )

    (row,) = summarize(folder)["rows"]

    assert row["reasons"][0] == "repetition 1: the machine fell over"


def test_a_curve_tells_its_valid_points_and_leaves_nobody_out(tmp_path: Path) -> None:
    """One point of seven that is invalid marks the row; what it says is of the others."""
    plans = [trial(SLOW, block=0, rate_per_s=19.0, step=0)]
    plans += [
        trial(SLOW, block=0, rate_per_s=share * 19.0, load_share=share) for share in (0.2, 0.8, 0.9)
    ]
    plans[-1][0]["reasons"] = ["the machine fell over"]
    folder = make_load_run(
        tmp_path / "run", trials=plans, contenders=[SLOW], workload=workload_of("curve"), slo=SLO
    )

    summary = summarize(folder)

    assert summary["rows"][0]["mark"] == "!"
    text = summary["verdicts"][0]["text"]
    assert "holds 19.0 jobs/s: p95 of the response is" in text
    assert "Left out" not in text


def test_a_run_at_a_rate_is_no_backlog(tmp_path: Path) -> None:
    """Its pilots are, and nothing is said of their waits."""
    notes = summarize(rate_run(tmp_path / "run"))["notes"]

    assert not any("place in the queue" in note for note in notes)
    assert any("came at a rate" in note for note in notes)
