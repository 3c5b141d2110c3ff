"""The conditions of `poolbench compare --fail-on`: their grammar, and what becomes of them.

    condition = [ rows ":" ] figure [ "." end ] sign number
    rows      = contender [ "/" workload ]      * stands for any text; all rows if left out
    figure    = a name of `report.verdicts.metrics.FIGURES`, with its unit or without
    end       = "low" | "high"                  of the interval; the ratio itself if left out
    sign      = "<" | "<=" | ">" | ">="
    number    = a ratio, B ÷ A: 0.95

A condition that holds in a row is a threshold missed.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from poolbench.errors import Fault, UsageError, nearest
from report import format as fmt
from report.compare.model import Change, Comparison, Outcome, RowChange
from report.verdicts.metrics import FIGURES, Figure, find_ratio
from report.verdicts.thresholds import Status

_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_ENDS = ("low", "high")

_CONDITION = re.compile(
    r"""\s* (?: (?P<rows>[^:<>=]*?) \s* : )?
        \s* (?P<figure>[^:<>=.]*?) \s* (?: \. \s* (?P<end>[^:<>=]*?) )?
        \s* (?P<sign><=|>=|<|>)
        \s* (?P<number>[^<>=]*?) \s*""",
    re.VERBOSE,
)

#: In a row's name: what ends the rows of a condition, or is a pattern.
_SPECIAL = re.compile(r"[:<>=*?\[\]]")

_FORM = 'write it like "throughput < 0.95" or "gevent-*/io.http: p99_wait.low > 1.2"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One `--fail-on`."""

    #: As the user wrote it.
    text: str
    #: Pattern of the rows' names, ``contender/workload``.
    rows: str
    figure: Figure
    #: ``low``, ``high`` or empty: the ratio itself.
    end: str
    sign: str
    number: float

    def holds(self, seen: float) -> bool:
        """Return whether the comparison fails by this number."""
        return _SIGNS[self.sign](seen, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What became of a condition in a row."""

    condition: Condition
    row: RowChange
    #: The ratio or the end of its interval; None if there is none.
    number: float | None
    status: Status
    #: The row and the number, for people.
    text: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as the comparison's JSON holds it."""
        return {
            "condition": self.condition.text,
            "contender": self.row.contender,
            "workload": self.row.workload,
            "figure": self.condition.figure.name,
            "number": self.number,
            "status": self.status.value,
            "text": self.text,
        }


def parse_conditions(texts: Sequence[str]) -> tuple[list[Condition], list[Fault]]:
    """Return the conditions that can be read, and every fault of the others."""
    conditions: list[Condition] = []
    faults: list[Fault] = []
    for text in texts:
        try:
            conditions.append(_parse(text))
        except UsageError as error:
            faults += error.faults
    return conditions, faults


def check_conditions(conditions: Sequence[Condition], *, comparison: Comparison) -> list[Checked]:
    """Return what became of each condition, said twice or not, in each row that it names.

    Raises:
        UsageError: with every condition that names no row.
    """
    names = [row.name for row in comparison.rows]
    faults = [
        Fault(
            problem="no such row",
            seen=condition.rows,
            remedy=nearest(condition.rows, among=map(_pattern_of, names)),
            where=f'--fail-on "{condition.text}"',
        )
        for condition in conditions
        if not any(fnmatchcase(name, condition.rows) for name in names)
    ]
    if faults:
        raise UsageError(*faults)
    return [
        _check(condition, row=row)
        for condition in dict.fromkeys(conditions)
        for row in comparison.rows
        if fnmatchcase(row.name, condition.rows)
    ]


def _pattern_of(name: str) -> str:
    """Return a row's name as a condition may hold it: what means something there is any text."""
    return _SPECIAL.sub("*", name)


def _parse(text: str) -> Condition:
    where = f'--fail-on "{text}"'
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise UsageError(Fault(problem="no condition", remedy=_FORM, where=where))
    figure, end = find_ratio(found["figure"]), found["end"]
    faults = list(_faults(found, where=where))
    if faults or figure is None:
        raise UsageError(*faults)
    rows = found["rows"] or "*"
    return Condition(
        text=text,
        rows=rows if "/" in rows else f"{rows}/*",
        figure=figure,
        end=end or "",
        sign=found["sign"],
        number=float(found["number"]),
    )


def _faults(found: re.Match[str], *, where: str) -> Iterator[Fault]:
    figure, end, number = found["figure"], found["end"], found["number"]
    if find_ratio(figure) is None:
        remedy = nearest(figure, among=FIGURES)
        yield Fault(problem="unknown figure", seen=figure or "none", remedy=remedy, where=where)
    if end is not None and end not in _ENDS:
        remedy = nearest(end, among=_ENDS)
        yield Fault(problem="unknown end", seen=end or "none", remedy=remedy, where=where)
    if not _is_ratio(number):
        remedy = "write a ratio above 0, such as 0.95"
        yield Fault(problem="no ratio", seen=number or "none", remedy=remedy, where=where)


def _is_ratio(word: str) -> bool:
    try:
        number = float(word)
    except ValueError:
        return False
    return math.isfinite(number) and number > 0


def _check(condition: Condition, *, row: RowChange) -> Checked:
    change = row.change(condition.figure)
    number, reason = _number(condition, change=change)
    start = f"{row.name}: {condition.figure.name}"
    if number is None or change.ratio is None:
        status = Status.UNCHECKED
        text = f"{start}: {reason}"
    else:
        status = Status.MISSED if condition.holds(number) else Status.MET
        ratio = change.ratio
        seen = f"{fmt.times(ratio.value)} {fmt.interval(ratio.low, high=ratio.high)}"
        text = f"{start} {seen}, {_said(change)}"
    return Checked(condition=condition, row=row, number=number, status=status, text=text)


def _number(condition: Condition, *, change: Change) -> tuple[float | None, str]:
    ratio = change.ratio
    if ratio is None:
        return None, change.reason
    if not condition.end:
        return ratio.value, ""
    if not ratio.is_claim:
        return None, "too few repetitions for an interval"
    return (ratio.low if condition.end == "low" else ratio.high), ""


def _said(change: Change) -> str:
    if change.outcome is Outcome.SAME:
        return "no difference beyond the noise"
    if change.outcome is Outcome.UNPROVED:
        return "not proved among so many comparisons"
    if change.outcome is Outcome.TOO_FEW:
        return "too few repetitions for a claim"
    return change.outcome.value
