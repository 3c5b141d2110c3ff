"""Pure: the thresholds of an experiment, its `[[require]]` tables, held against a run's rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from report import format as fmt
from report.statistics.ratios import Ratio, paired_ratio
from report.verdicts.metrics import ABSOLUTE, Figure, find_ratio


class Status(StrEnum):
    """What became of a threshold in a row."""

    MET = "met"
    MISSED = "missed"
    #: The row is invalid or has no such figure: nobody knows.
    UNCHECKED = "not checked"
    #: This run measured no such row: another profile does.
    UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A `[[require]]` table; an entry of the manifest's ``requirements``."""

    #: One of `report.verdicts.metrics.ABSOLUTE`; with ``against`` the name of a ratio.
    figure: str
    #: Empty: every one.
    contender: str = ""
    workload: str = ""
    #: The contender whose figure it is divided by, block by block; empty: none.
    against: str = ""
    #: Bounds that are met by being reached; None: none.
    at_least: float | None = None
    at_most: float | None = None


def check_requirements(
    requirements: Sequence[Mapping[str, Any]], *, summary: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return each threshold in each row that it names, as it stands in ``summary.json``.

    Args:
        requirements: as in the manifest.
        summary: with its ``rows`` and ``trials``.
    """
    return [
        checked
        for table in requirements
        for checked in _check(Requirement(**table), summary=summary)
    ]


def missed(summary: Mapping[str, Any]) -> list[str]:
    """Return the sentences of the thresholds that were missed."""
    return _texts(summary, status=Status.MISSED)


def unchecked(summary: Mapping[str, Any]) -> list[str]:
    """Return the sentences of the thresholds that could not be checked."""
    return _texts(summary, status=Status.UNCHECKED)


def _texts(summary: Mapping[str, Any], *, status: Status) -> list[str]:
    return [one["text"] for one in summary["requirements"] if one["status"] == status]


def _check(requirement: Requirement, *, summary: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    rows = [
        row
        for row in summary["rows"]
        if requirement.contender in ("", row["contender"])
        and requirement.workload in ("", row["workload"])
        and row["contender"] != requirement.against
        # a twin is measured for the noise: what is required of its original, is once
        and not row.get("is_twin")
    ]
    for row in rows:
        yield _checked(requirement, row=row, summary=summary)
    if not rows:
        where = "/".join(filter(None, (requirement.contender, requirement.workload)))
        text = f"{where or 'every row'}: not measured in this run, so nothing is known of it"
        told = {"value": None, "low": None, "high": None, "status": Status.UNMEASURED.value}
        yield {**asdict(requirement), **told, "text": text}


def _checked(
    requirement: Requirement, *, row: Mapping[str, Any], summary: Mapping[str, Any]
) -> dict[str, Any]:
    ratio, value, reason = _value(requirement, row=row, summary=summary)
    status = Status.UNCHECKED if value is None else _status(requirement, value=value)
    return {
        **asdict(requirement),
        "contender": row["contender"],
        "workload": row["workload"],
        "value": value,
        "low": ratio.low if ratio else None,
        "high": ratio.high if ratio else None,
        "status": status.value,
        "text": _text(requirement, row=row, value=value, ratio=ratio, reason=reason),
    }


def _value(
    requirement: Requirement, *, row: Mapping[str, Any], summary: Mapping[str, Any]
) -> tuple[Ratio | None, float | None, str]:
    """Return the ratio if it is one, the number, and why there is none."""
    others = [
        other
        for other in summary["rows"]
        if (other["contender"], other["workload"]) == (requirement.against, row["workload"])
    ]
    invalid = [one["contender"] for one in (row, *others) if one["mark"] == "!"]
    if invalid:
        return None, None, f"{fmt.listed(invalid)} invalid"
    if not requirement.against:
        value = ABSOLUTE[requirement.figure].of_row(row)
        return None, value, "" if value is not None else "no such figure"
    figure = find_ratio(requirement.figure)
    if figure is None or not others:
        return None, None, f"{requirement.against} was not measured"
    ratio = paired_ratio(
        _by_block(figure, row=row, summary=summary),
        theirs=_by_block(figure, row=others[0], summary=summary),
    )
    return ratio, ratio.value if ratio else None, "" if ratio else "no such figure in both"


def _by_block(
    figure: Figure, *, row: Mapping[str, Any], summary: Mapping[str, Any]
) -> dict[int, float]:
    return {
        trial["block"]: value
        for trial in summary["trials"]
        if not trial["is_pilot"]
        and trial.get("is_shown", True)
        and trial["mark"] != "!"
        and (trial["contender"], trial["workload"]) == (row["contender"], row["workload"])
        and (value := figure.of_trial(trial))
    }


def _status(requirement: Requirement, *, value: float) -> Status:
    is_enough = requirement.at_least is None or value >= requirement.at_least
    is_little = requirement.at_most is None or value <= requirement.at_most
    return Status.MET if is_enough and is_little else Status.MISSED


def _text(
    requirement: Requirement,
    *,
    row: Mapping[str, Any],
    value: float | None,
    ratio: Ratio | None,
    reason: str,
) -> str:
    """Return ``gevent-100/io.http: throughput_per_s 480, and at least 500 is required``."""
    against = f" against {requirement.against}" if requirement.against else ""
    start = f"{row['contender']}/{row['workload']}: {requirement.figure}{against}"
    seen = f"not checked: {reason}" if value is None else f"{value:.6g}"
    if ratio is not None:
        seen = f"{fmt.times(ratio.value)} {fmt.interval(ratio.low, high=ratio.high)}"
    bounds = [("at least", requirement.at_least), ("at most", requirement.at_most)]
    wanted = fmt.listed([f"{word} {bound:g}" for word, bound in bounds if bound is not None])
    return f"{start} {seen}, and {wanted} is required"
