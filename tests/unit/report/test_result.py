"""`summary.json`: its schema, and that it reads back as the value it was written from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collector.store import RunFolder
from report.result import Summary, from_json, summary_schema, to_json
from report.summary import summarize
from tests.crossing import SHARES, make_crossing
from tests.loading import make_load_run, serve
from tests.synthetic import (
    BROKER_LOST,
    DEMO,
    WORKLOADS,
    Contender,
    Workload,
    edit_manifest,
    flat_manifest,
    make_run,
    spoil,
)

SOLO = DEMO[3]


def capacity(path: Path) -> RunFolder:
    """A backlog, with a twin, thresholds, a precision asked for, and an invalid trial."""
    twin = replace(SOLO, name="twin")
    workload = replace(WORKLOADS[0], per_s={**WORKLOADS[0].per_s, "twin": 116.0})
    folder = make_run(path, contenders=(*DEMO, twin), workloads=[workload])
    contenders = flat_manifest(folder)["contenders"]
    contenders[-1]["twin_of"] = SOLO.name
    until = {"half_width": 0.01, "at_most_s": 900.0}
    fail_on = ["throughput_per_s < 200", "absent: p95_wait_s > 1"]
    edit_manifest(folder, contenders=contenders, until=until, fail_on=fail_on)
    spoil(folder, contender="gevent-4", block=1, reasons=[BROKER_LOST])
    return folder


def at_a_rate(path: Path, *, measure: str) -> RunFolder:
    """A mix that comes at a rate, a search, or a curve beside its search."""
    parts = ["long" if seq % 10 == 0 else "short" for seq in range(120)]
    records = serve(rate_per_s=10.0, job_s=0.05, jobs=120, parts=parts)
    mix = [
        {"name": name, "kind": "io.sleep", "parameters": {"delay_ms": 50.0}, "share": share}
        for name, share in (("short", 0.9), ("long", 0.1))
    ]
    plan: dict[str, Any] = {"contender": "solo", "block": 0, "rate_per_s": 10.0, "parts": mix}
    plans = {
        "rate": [plan],
        "sustain": [plan | {"step": 0}],
        "curve": [plan | {"step": 0}, plan | {"load_share": 0.8}],
    }
    workload = {"name": "mix", "kind": "mix", "parameters": {}, "measure": measure, "mix": mix}
    workload["arrivals"] = {"how": "poisson"} | ({"rate_per_s": 10.0} if measure == "rate" else {})
    return make_load_run(
        path,
        trials=[(one, records) for one in plans[measure]],
        contenders=[SOLO],
        workload=workload,
        slo={"p95_wait_s": 1.0},
    )


def settings(path: Path) -> RunFolder:
    """A sweep over slots, and a setting in which two contenders differ."""
    slots = {**{f"threads.slots-{at}": at for at in (1, 2, 4, 8)}, "plain": 16, "events": 16}
    per_s = {name: 20.0 * at / (1 + 0.02 * at) for name, at in slots.items()}
    folder = make_run(
        path,
        contenders=[Contender(name=name, pool="threads", slots=at) for name, at in slots.items()],
        workloads=[Workload(name="io.sleep", kind="io.sleep", per_s=per_s)],
    )
    *swept, plain, events = flat_manifest(folder)["contenders"]
    for one in swept:
        one["sweep"] = {"of": "threads", "setting": "slots", "value": one["slots"]}
    events["settings"] = {"events": True}
    edit_manifest(folder, contenders=[*swept, plain, events])
    return folder


def empty(path: Path) -> RunFolder:
    """Interrupted before its first trial."""
    folder = make_run(path, blocks=1)
    edit_manifest(folder, state="unfinished", trials=[])
    return folder


RUNS: Mapping[str, Callable[[Path], RunFolder]] = {
    "capacity": capacity,
    "rate": lambda path: at_a_rate(path, measure="rate"),
    "sustain": lambda path: at_a_rate(path, measure="sustain"),
    "curve": lambda path: at_a_rate(path, measure="curve"),
    "settings": settings,
    "crossover": lambda path: make_crossing(path, shares=SHARES[:3]),
    "empty": empty,
}


@pytest.fixture(scope="module")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Summary]:
    """The summary of a run of each shape."""
    return {name: summarize(make(tmp_path_factory.mktemp(name))) for name, make in RUNS.items()}


@pytest.fixture(params=RUNS)
def summary(request: pytest.FixtureRequest, summaries: dict[str, Summary]) -> Summary:
    """One of them."""
    return summaries[request.param]


def test_a_summary_reads_back_as_itself(summary: Summary) -> None:
    """From its own strict JSON, which is the same each time."""
    text = to_json(summary)

    assert from_json(text) == summary
    assert to_json(from_json(text)) == text


def test_a_summary_is_valid_by_its_schema(summary: Summary) -> None:
    """Without a key that the schema does not name."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = closed(summary_schema())

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(to_json(summary)), schema)


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema with every value of a type limited to the keys that it names."""
    kinds: dict[str, dict[str, Any]] = {**schema["$defs"], "": dict(schema)}
    shut = {
        name: kind | ({"additionalProperties": False} if "properties" in kind else {})
        for name, kind in kinds.items()
    }
    return shut.pop("") | {"$defs": shut}


def test_the_runs_show_all_that_a_summary_has(summaries: dict[str, Summary]) -> None:
    """Else the two tests above would pass by what is absent."""
    for name in (
        "rows", "verdicts", "noise_floor", "precision", "thresholds", "crossovers", "sweeps",
        "effects", "curves", "fairness", "trials", "timelines", "conditions", "slo",
    ):  # fmt: skip
        assert any(getattr(one, name) for one in summaries.values()), name
