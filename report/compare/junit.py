"""Formats a comparison of two runs as JUnit's XML, which CI systems show as tests.

A test case is a row, or a condition of `--fail-on` in a row. A *failure* is a missed threshold, an
*error* is an invalid row or a condition that could not be checked. Without conditions, there is no
failure, as with the exit code.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from report.compare.model import Comparison, RowChange
from report.compare.wording import forced, headline, remarks, side
from report.legend import claim
from report.result import Checked, Status

_SUITE = "poolbench compare"

#: Characters that XML 1.0 excludes, even escaped (section 2.2, Char): an error may contain them.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(comparison: Comparison, *, checked: Sequence[Checked]) -> bytes:
    """Return the XML document."""
    cases = [_row_case(row) for row in comparison.rows] + [_condition_case(one) for one in checked]
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "skipped": "0",
    }
    suites = ET.Element("testsuites", {"name": _SUITE, **counts})
    suite = ET.SubElement(suites, "testsuite", {"name": _SUITE, **counts})
    _properties(suite, comparison=comparison)
    suite.extend(cases)
    lines = [headline(comparison), *forced(comparison), *remarks(comparison)]
    ET.SubElement(suite, "system-out").text = "\n".join(lines)
    for element in suites.iter():
        element.text = _clean(element.text or "") or None
        for name, value in element.items():
            element.set(name, _clean(value))
    ET.indent(suites)
    return bytes(ET.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _properties(suite: ET.Element, *, comparison: Comparison) -> None:
    properties = ET.SubElement(suite, "properties")
    values = {
        "a": side("A", summary=comparison.a),
        "b": side("B", summary=comparison.b),
        "is_forced": str(comparison.is_forced).lower(),
    }
    for name, value in values.items():
        ET.SubElement(properties, "property", {"name": name, "value": value})


def _row_case(row: RowChange) -> ET.Element:
    case = ET.Element("testcase", {"classname": row.workload, "name": row.contender})
    if row.mark == "!":
        message = "invalid, not compared"
        ET.SubElement(case, "error", {"message": message}).text = "\n".join(row.reasons)
    ET.SubElement(case, "system-out").text = "\n".join(_figures(row))
    return case


def _figures(row: RowChange) -> list[str]:
    lines = []
    for change in row.changes:
        text = change.reason
        if change.ratio:
            text = f"{claim(change.ratio)} {change.outcome}"
        values = f"{change.figure.show(change.a)} → {change.figure.show(change.b)}"
        lines.append(f"{change.figure.absolute}: {values}: {text}")
    return lines


def _condition_case(checked: Checked) -> ET.Element:
    name = f"{checked.contender}: {checked.condition}"
    case = ET.Element("testcase", {"classname": checked.workload, "name": name})
    tag = {Status.MISSED: "failure", Status.UNCHECKED: "error"}.get(checked.status)
    if tag:
        ET.SubElement(case, tag, {"message": checked.text}).text = checked.text
    return case


def _clean(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
