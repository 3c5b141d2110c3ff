"""`summary.json`: its schema, and that it reads back as the value it was written from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collector.store import RunFolder
from report.result import Summary, from_json, summary_schema, to_json
from report.summary import summarize
from tests.synthetic import DEMO, WORKLOADS, edit_manifest, make_run


def judged(path: Path) -> RunFolder:
    """A run with thresholds, a precision asked for, and a setting in which two are unlike."""
    observed = replace(DEMO[0], name="threads-4", settings={"events": True})
    folder = make_run(path, contenders=(DEMO[0], observed, *DEMO[2:]), workloads=WORKLOADS[:1])
    until = {"half_width": 0.01, "at_most_s": 900.0}
    fail_on = ["throughput_per_s < 200", "absent: p95_wait_s > 1"]
    edit_manifest(folder, until=until, fail_on=fail_on)
    return folder


@pytest.fixture(scope="module")
def written(
    summaries: Mapping[str, Summary], tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """The JSON of summaries that hold all that there is."""
    return [
        to_json(one)
        for one in (*summaries.values(), summarize(judged(tmp_path_factory.mktemp("run"))))
    ]


def test_a_summary_reads_back_as_itself(written: list[str]) -> None:
    """From its own strict JSON, which is the same each time."""
    for text in written:
        assert to_json(from_json(text)) == text


def test_a_summary_is_valid_by_its_schema(written: list[str]) -> None:
    """Without a key that the schema does not name."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = closed(summary_schema())

    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for text in written:
        validator.validate(json.loads(text))


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema with every value of a type limited to the keys that it names."""
    kinds: dict[str, dict[str, Any]] = {**schema["$defs"], "": dict(schema)}
    shut = {
        name: kind | ({"additionalProperties": False} if "properties" in kind else {})
        for name, kind in kinds.items()
    }
    return shut.pop("") | {"$defs": shut}


def test_the_runs_show_all_that_a_summary_has(written: list[str]) -> None:
    """Else the two tests above would pass by what is absent."""
    for name in (
        "rows", "verdicts", "precision", "thresholds", "crossovers", "sweeps",
        "effects", "curves", "fairness", "trials", "timelines", "conditions", "slo",
    ):  # fmt: skip
        assert any(getattr(from_json(text), name) for text in written), name
