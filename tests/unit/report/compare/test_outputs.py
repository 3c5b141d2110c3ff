"""A comparison as people and programs get it: terminal, Markdown, JSON, JUnit."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from lab.commands.compare import to_json
from report.compare.check import check_conditions
from report.compare.compare import compare
from report.compare.junit import to_junit
from report.compare.markdown import to_markdown
from report.compare.model import Comparison
from report.compare.terminal import render
from report.result import Checked
from report.summary import summarize
from report.verdicts.fail_on import parse_conditions
from report.verdicts.metrics import FIGURES
from tests.pairs import CONTENDERS, compare_folders, make_pair
from tests.summaries import known, printed
from tests.synthetic import (
    BENCH,
    BROKER_LOST,
    WORKLOADS,
    edit_manifest,
    flat_manifest,
    make_run,
    spoil,
)

SCHEMA = Path("docs/schemas/compare.schema.json")

CONDITIONS = ("throughput < 0.95", "threads-4: p99_wait.low > 1.2")


def checked(comparison: Comparison) -> list[Checked]:
    """Return what became of the conditions."""
    return check_conditions(parse_conditions(CONDITIONS)[0], comparison=comparison)


@pytest.fixture(scope="module")
def forced(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Gevent is slower in B, threads are invalid there, and the machine and Celery differ."""
    pair = make_pair(tmp_path_factory.mktemp("pair"), speeds={"gevent-4": 0.7})
    manifest = flat_manifest(pair[1])
    manifest["machine"]["cores"] = 8
    manifest["versions"]["celery"] = "5.8.0"
    edit_manifest(pair[1], machine=manifest["machine"], versions=manifest["versions"])

    parameters = {"text": "the worker <died> | \x1b[1m*badly*"}
    died = asdict(BROKER_LOST) | {"code": "recorded", "parameters": parameters}
    spoil(pair[1], contender="threads-4", block=2, reasons=[died])
    return compare_folders(pair, is_forced=True, across=["versions"])


def shown(comparison: Comparison, *, width: int = 80) -> str:
    """Return the comparison as a terminal of that width shows it, without colours."""
    return printed(render(comparison, checked=checked(comparison)), width=width)


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminals_tables_fit(tmp_path: Path, width: int) -> None:
    """Seven contenders on two workloads: no line is longer, no word of a table is cut."""
    a = summarize(make_run(tmp_path, contenders=BENCH, workloads=WORKLOADS[1:3]))

    text = shown(compare(a, b=a), width=width)

    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


def test_force_is_said_wherever_it_is_shown(forced: Comparison) -> None:
    """What was overruled, with both values; and what differs on purpose."""
    for text in (
        shown(forced, width=200),
        to_markdown(forced, checked=checked(forced)),
        to_junit(forced, checked=checked(forced)).decode(),
    ):
        assert "FORCED, different conditions: machine cores: 2 in A, 8 in B" in text
        assert "Across versions celery: 5.7.0 in A, 5.8.0 in B" in text


def test_every_ratio_stands_with_its_interval(forced: Comparison) -> None:
    """Nine of them in the valid row; what is missed, and the row that is invalid, too."""
    for text in (shown(forced), to_markdown(forced, checked=checked(forced))):
        for figure in FIGURES.values():
            ratio = known(forced.rows[1].change(figure).ratio)
            assert f"{ratio.value:.2f}" in text
            assert f"{ratio.low:.2f}–{ratio.high:.2f}" in text
        for words in ("missed", "not checked", "invalid in B"):
            assert words in text


def test_better_and_worse_show_without_colours(forced: Comparison) -> None:
    """A sign behind the number, and the word in throughput's column."""
    lines = [line for line in shown(forced).splitlines() if line.strip().startswith("gevent-4 ")]

    assert lines[0].split()[-1] == "worse"
    assert " - " in lines[0]


def test_a_run_against_itself_is_said_plainly(tmp_path: Path) -> None:
    """No difference in any figure, which difference would have shown, and that both are one run."""
    a = summarize(make_run(tmp_path, contenders=CONTENDERS, workloads=WORKLOADS[2:3]))
    text = shown(compare(a, b=a), width=200)

    assert (
        "Of 18 figures in 2 rows: 18 no difference. Minimum detectable change of throughput" in text
    )
    assert "A and B are the same run." in text
    assert not [words for words in ("FORCED", "Across") if words in text]


def test_markdown_is_tables_that_nothing_breaks(forced: Comparison) -> None:
    """Each table's lines have as many cells as its head; a reason's own signs are no Markdown."""
    text = to_markdown(forced, checked=checked(forced))
    tables = [line for line in text.splitlines() if line.startswith("|")]
    main = [line for line in tables if line.count("|") == 8]
    spans = [line for line in tables if line.count("|") == 9]

    assert len(main) == len(spans) == 4
    assert main + spans == sorted(tables, key=lambda line: line.count("|"))
    assert r"\<died\> \|" in text
    assert r"\*badly\*" in text


def test_json_is_valid_by_its_schema(forced: Comparison) -> None:
    """docs/schemas/compare.schema.json names every key that programs get, and no other."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    content = json.loads(to_json(forced, checked=checked(forced)))

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(content, schema)
    assert undescribed(content, schema) == []


def undescribed(value: object, schema: dict[str, Any], path: str = "") -> list[str]:
    """Return the paths in ``value`` of which the schema says nothing, or which lack."""
    if isinstance(value, list):
        item = schema.get("items", {})
        return [one for entry in value for one in undescribed(entry, item, f"{path}[]")]
    if not isinstance(value, dict):
        return []
    properties = schema.get("properties", {})
    found = [f"{path}.{key}" for key in value.keys() ^ properties.keys()]
    for key in value.keys() & properties.keys():
        found += undescribed(value[key], properties[key], f"{path}.{key}")
    return found


def test_junit_counts_what_it_holds(forced: Comparison) -> None:
    """A failure is a threshold missed, an error an invalid row or what can't be checked."""
    root = ET.fromstring(to_junit(forced, checked=checked(forced)))  # noqa: S314 -- our own text
    suite = known(root.find("testsuite"))
    cases = {case.attrib["name"]: case for case in suite.findall("testcase")}

    assert suite.attrib["tests"] == str(len(cases)) == "5"
    assert (suite.attrib["failures"], suite.attrib["errors"]) == ("1", "3")
    failure = known(cases["gevent-4: throughput < 0.95"].find("failure"))
    assert "gevent-4/io.sleep: throughput 0.7" in failure.attrib["message"]
    assert cases["threads-4"].find("error") is not None
    assert cases["threads-4: throughput < 0.95"].find("error") is not None
    assert [one.tag for one in cases["gevent-4"]] == ["system-out"]


def test_junit_without_conditions_fails_nothing(slower: Comparison) -> None:
    """Worse alone is no failure, as it is none for the exit code."""
    root = ET.fromstring(to_junit(slower, checked=[]))  # noqa: S314 -- our own text

    assert (root.attrib["tests"], root.attrib["failures"], root.attrib["errors"]) == ("2", "0", "0")
