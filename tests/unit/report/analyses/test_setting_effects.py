"""What a setting changes: which pairs are compared, and what is said of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from collector.run_manifest import Contender, SweepPoint
from report.result import RESPONSE, Effect
from report.statistics.significance import Finding
from report.summary import summarize
from report.trials.wait_causes import Cause
from tests.loading import make_load_run, serve
from tests.summaries import details, known
from tests.synthetic import Workload, find_trial, make_run

Settings = Mapping[str, Any]


def effects_of(
    path: Path,
    settings: Mapping[str, Settings],
    *,
    per_s: Mapping[str, float] | None = None,
    blocks: int = 5,
    **changed: Mapping[str, Any],
) -> tuple[Effect, ...]:
    """Return the effects in a run of contenders with these settings, by name."""
    rates = dict.fromkeys(settings, 400.0) | dict(per_s or {})
    contenders = [
        replace(
            Contender(name=name, pool="threads", slots=4, settings=given), **changed.get(name, {})
        )
        for name, given in settings.items()
    ]
    workload = Workload(name="io.sleep", kind="io.sleep", per_s=rates)
    folder = make_run(path, contenders=contenders, workloads=[workload], blocks=blocks)
    return summarize(folder).effects


def test_pairs_that_differ_in_one_setting_are_compared(tmp_path: Path) -> None:
    """Each with the one that is the same without; what differs in two says nothing of either."""
    found = effects_of(
        tmp_path / "run",
        {
            "plain": {},
            "events": {"events": True},
            "flower": {"events": True, "flower": True},
        },
    )

    assert {(one.setting, one.contender, one.against) for one in found} == {
        ("events", "events", "plain"),
        ("flower", "flower", "events"),
    }


def test_an_invalid_row_changes_no_other_effect(tmp_path: Path) -> None:
    """Its figures are in no fit; its own effect is a range without a claim."""
    settings = {"plain": {}, "events": {"events": True}, "late": {"acks_late": True}}
    found = {}
    for name, others in (("alone", ("plain", "events")), ("beside", tuple(settings))):
        contenders = [
            Contender(name=one, pool="threads", slots=4, settings=settings[one]) for one in others
        ]
        workload = Workload(name="io.sleep", kind="io.sleep", per_s=dict.fromkeys(others, 400.0))
        folder = make_run(tmp_path / name, contenders=contenders, workloads=[workload], blocks=6)
        if "late" in others:
            trial = find_trial(folder, contender="late", workload="io.sleep", block=2)
            folder.write_jobs(folder.read_jobs().filter(pl.col("trial") != trial))
        found[name] = {one.contender: one for one in summarize(folder).effects}

    late = found["beside"]["late"]
    assert (late.mark, late.decision.finding) == ("!", Finding.TOO_FEW)
    assert late.text.endswith("one of the two rows is invalid.")
    alone, beside = (known(found[name]["events"].ratio.freedom) for name in found)
    assert alone == pytest.approx(beside) == pytest.approx(5)


def test_the_effect_is_the_ratio_of_the_paired_blocks(tmp_path: Path) -> None:
    """With its interval, and as a sentence."""
    (found,) = effects_of(
        tmp_path / "run", {"plain": {}, "events": {"events": True}}, per_s={"events": 200.0}
    )

    assert found.ratio.low < found.ratio.value < found.ratio.high
    assert found.ratio.value == pytest.approx(0.5, rel=0.05)
    assert found.decision.finding is Finding.LESS
    assert known(found.cpu_ratio).value == pytest.approx(1, rel=0.01)
    assert found.text.endswith(" the CPU per job.")
    assert found.text.startswith("With Celery's events: 0.")


@pytest.mark.parametrize(
    ("settings", "blocks", "finding", "words"),
    [
        (
            {"late": {"acks_late": True}}, 5, Finding.NO_DIFFERENCE,
            "^With late acknowledgement: no difference, ",
        ),
        # the larger against the smaller
        (
            {"few": {"prefetch_multiplier": 1}, "late": {"prefetch_multiplier": 10}},
            5, Finding.NO_DIFFERENCE, r"the prefetch multiplier \(1 → 10\)",
        ),
        (
            {"late": {"events": True}}, 3, Finding.TOO_FEW,
            r"so far, too few repetitions for a claim\.$",
        ),
    ],
    ids=["equals", "numbers", "few-blocks"],
)  # fmt: skip
def test_what_decided_is_told(
    tmp_path: Path, settings: Mapping[str, Settings], blocks: int, finding: Finding, words: str
) -> None:
    """Equals show no difference, in these words; of few repetitions the range is no claim."""
    against = "few" if "few" in settings else "plain"
    contenders = settings if against == "few" else {"plain": {}, **settings}

    (found,) = effects_of(tmp_path / "run", contenders, blocks=blocks)

    assert (found.contender, found.against) == ("late", against)
    assert found.decision.finding is finding
    assert re.search(words, found.text)


def test_at_a_rate_an_effect_is_told_by_response_and_wait(tmp_path: Path) -> None:
    """Throughput was offered: the p95s, and the cause of the wait that changed most."""
    contenders = [
        Contender(name=f"prefetch-{count}", pool="threads", slots=1, settings=settings)
        for count, settings in ((1, {"prefetch_multiplier": 1}), (4, {"prefetch_multiplier": 4}))
    ]
    trials = [
        (
            {"contender": one.name, "block": block, "rate_per_s": 10.0},
            serve(rate_per_s=10, job_s=0.05, jobs=100, stall_at_s=2, stall_s=stall_s + block / 20),
        )
        for block in range(5)
        for one, stall_s in zip(contenders, (0.5, 2.0), strict=True)
    ]
    workload = {
        "name": "work", "kind": "io.sleep", "parameters": {"delay_ms": 50.0}, "measure": "rate",
        "arrivals": {"how": "constant", "rate_per_s": 10.0}, "mix": [],
    }  # fmt: skip

    folder = make_load_run(
        tmp_path / "run", trials=trials, contenders=contenders, workload=workload
    )
    (found,) = summarize(folder).effects

    assert (found.figure, found.contender) == (RESPONSE, "prefetch-4")
    assert found.ratio.value > 2
    assert known(found.wait_ratio).value > found.ratio.value
    (busiest,) = (one for one in found.causes if one.cause is Cause.IDLE_SLOT)
    assert busiest.after_s > 4 * busiest.before_s
    assert re.match(
        r"With the prefetch multiplier \(1 → 4\): .* × .* the p95 response; .* × \[.*\] "
        r"the p95 wait; most of it idle slot, [\d.]+ ms → [\d.]+ ms a job; ",
        found.text,
    )
    assert "throughput" not in found.text


def test_an_effect_on_a_mix_is_told_by_part(tmp_path: Path) -> None:
    """The p95 of both together is the length of the long jobs, whatever the setting."""
    contenders = [
        Contender(name=f"prefetch-{count}", pool="threads", slots=1, settings=settings)
        for count, settings in ((1, {"prefetch_multiplier": 1}), (4, {"prefetch_multiplier": 4}))
    ]
    parts = ["long", *["short"] * 9] * 8
    lengths_s = [0.9 if part == "long" else 0.01 for part in parts]
    mix = [
        {"name": name, "kind": "io.sleep", "parameters": {}, "share": share}
        for name, share in (("short", 0.9), ("long", 0.1))
    ]
    trials = [
        (
            {"contender": one.name, "block": block, "rate_per_s": 1.0, "parts": mix},
            serve(
                rate_per_s=1, job_s=0.01, jobs=80, jobs_s=lengths_s, parts=parts,
                stall_at_s=2.0, stall_s=stall_s + block / 1_000,
            ),
        )
        for block in range(5)
        for one, stall_s in zip(contenders, (0.1, 6.6), strict=True)
    ]  # fmt: skip
    workload = {
        "name": "work", "kind": "mix", "parameters": {}, "measure": "rate",
        "arrivals": {"how": "constant", "rate_per_s": 1.0}, "mix": mix,
    }  # fmt: skip

    summary = summarize(
        make_load_run(tmp_path / "run", trials=trials, contenders=contenders, workload=workload)
    )
    found = {one.part: one for one in summary.effects}

    assert set(found) == {"short", "long"}
    assert found["short"].ratio.value > 10
    assert found["short"].ratio.value > found["long"].ratio.value
    assert "the CPU per job" not in found["short"].text
    assert "work (short), prefetch-4 against prefetch-1: With" in details(summary)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"celery": {"worker_eta_task_limit": 500}}, r"worker_eta_task_limit (unset → 500)"),
        ({"celery": {"task_acks_late": True}}, "With task_acks_late: "),
        ({"celery": {"task_acks_late": False}}, "With task_acks_late (unset → off): "),
        ({"arguments": ("--autoscale", "8,1")}, "With arguments (unset → --autoscale 8,1): "),
        ({"workers": 2}, "With workers (1 → 2): "),
        ({"cpus": 0.5}, "With cpus (unset → 0.5): "),
    ],
)
def test_any_setting_has_an_effect(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    """Celery's own by its name, arguments of its worker, the number of workers and their limits."""
    (found,) = effects_of(tmp_path / "run", {"a": {}, "b": {}}, b=changed)

    assert found.contender == "b"
    assert words in found.text


@pytest.mark.parametrize(
    "changed",
    [
        {"slots": 8},
        {"pool": "gevent"},
        {"interpreter": "other"},
        {"sweep": SweepPoint(of="a", setting="events", value=True)},
    ],
)
def test_unlike_contenders_are_not_compared(tmp_path: Path, changed: dict[str, Any]) -> None:
    """Another pool, other slots or another Python would be what differs; a sweep tells itself."""
    found = effects_of(tmp_path / "run", {"a": {}, "b": {"events": True}}, b=changed)

    assert found == ()
