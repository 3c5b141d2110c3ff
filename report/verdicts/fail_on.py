"""Parses the conditions of `poolbench compare --fail-on` and of an experiment's `fail_on`.

    condition = [ rows ":" ] figure [ "." end ] sign bound
    rows      = contender [ "/" workload [ "/" part ] ]
                                                * matches any text; default: all rows, no parts
    figure    = a name of `report.verdicts.metrics`, with its unit or without
    end       = "low" | "high"                  of a ratio's interval; default: the ratio itself
    sign      = "<" | "<=" | ">" | ">="
    bound     = number [ "*" contender ]

Between two runs, a number is a ratio, B ÷ A: 0.95. Within one run, it is a figure in its unit: 500;
with a contender, it is a ratio to the contender's figure: 1.5 * solo.

A threshold is missed in each row for which its condition is true.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial

from poolbench.errors import Fault, UsageError, nearest
from report.legend import claim
from report.result import Checked, Status
from report.statistics.ratios import Ratio
from report.verdicts.metrics import ABSOLUTE, FIGURES, RATIOS, Figure

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
        \s* (?P<number>[^<>=*]*?)
        \s* (?: \* \s* (?P<against>[^<>=*]*?) )? \s*""",
    re.VERBOSE,
)

#: Characters of a row's name that have a meaning in a condition.
_SPECIAL = re.compile(r"[:<>=*?\[\]]")

#: Remedies with examples of conditions: between two runs, and within one.
FORMS = (
    'write it like "throughput < 0.95" or "gevent-*/io.http: p99_wait.low > 1.2"',
    'write it like "gevent-*/io.http: throughput_per_s < 500" or "prefork-4: cpu > 1.2 * solo"',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition that must not be true."""

    #: As the user wrote it.
    text: str
    #: Pattern of the rows' names, ``contender/workload``, or with ``/part`` of a mix's parts.
    rows: str
    figure: Figure
    #: ``low``, ``high`` or empty: the ratio itself.
    end: str
    sign: str
    number: float
    #: The contender of the same run whose figure is multiplied by the number; empty: none.
    against: str
    #: Whether it belongs to an experiment, not to a comparison of two runs.
    is_one_run: bool

    @property
    def is_ratio(self) -> bool:
        """Whether the bound applies to a ratio; otherwise it applies to a number in its unit."""
        return not self.is_one_run or bool(self.against)

    @property
    def measure(self) -> str:
        """The name of the figure that the bound applies to; of a number, with its unit."""
        return self.figure.name if self.is_ratio else self.figure.absolute

    def names(self, row: str, *, part: str = "") -> bool:
        """Return whether the condition applies to a row, or to a part of a mix in it.

        No contender is compared with itself.
        """
        if part and self.rows.count("/") < 2:
            return False
        whole = f"{row}/{part}" if part else row
        return fnmatchcase(whole, self.rows) and row.partition("/")[0] != self.against

    def judge(
        self,
        measured: Ratio | float | None,
        *,
        contender: str,
        workload: str,
        part: str = "",
        reason: str = "",
        note: str = "",
    ) -> Checked:
        """Return the result of the condition in a row.

        Args:
            measured: the row's ratio or number; None if there is none.
            contender: the row's contender.
            workload: the row's workload.
            part: the part of its mix; empty for all jobs.
            reason: why there is no ratio or number.
            note: the text after the number.
        """
        number = getattr(measured, self.end or "value") if isinstance(measured, Ratio) else measured
        if isinstance(measured, Ratio) and self.end and not measured.is_claim:
            number, reason = None, "too few repetitions for an interval"
        place = "/".join(filter(None, (contender, workload, part)))
        start = f"{place}: {self.measure}"
        status, text = Status.UNCHECKED, f"{start}: {reason}"
        if number is not None:
            is_missed = _SIGNS[self.sign](number, self.number)
            status = Status.MISSED if is_missed else Status.MET
            text = f"{start} {self._format(measured)}, {note}"
        return Checked(
            condition=self.text,
            contender=contender,
            workload=workload,
            part=part,
            figure=self.measure,
            number=number,
            status=status,
            text=text,
        )

    def _format(self, measured: Ratio | float | None) -> str:
        if not isinstance(measured, Ratio):
            return f"{measured:.6g}"
        return claim(measured, of=self.against)


def parse_conditions(
    texts: Sequence[str], *, is_one_run: bool = False
) -> tuple[list[Condition], list[Fault]]:
    """Return the valid conditions, without duplicates, and all faults of the invalid ones.

    ``is_one_run`` is true for an experiment's conditions, false for a comparison of two runs.
    """
    conditions: list[Condition] = []
    faults: list[Fault] = []
    for text in dict.fromkeys(texts):
        try:
            conditions.append(_parse(text, is_one_run=is_one_run))
        except UsageError as error:
            faults += error.faults
    return conditions, faults


def row_faults(
    conditions: Sequence[Condition],
    *,
    names: Sequence[str],
    parts: Sequence[tuple[str, str]] = (),
) -> list[Fault]:
    """Return the faults of conditions that match none of the rows ``names``, and no part.

    ``parts`` are the parts of mixes, each with its row.
    """
    contenders = dict.fromkeys(name.partition("/")[0] for name in names)
    places = [*((name, "") for name in names), *parts]
    faults = []
    for one in conditions:
        matched = [part for name, part in places if one.names(name, part=part)]
        anyone = replace(one, against="")
        if one.against and one.against not in contenders:
            others = [
                other
                for other in contenders
                if any(replace(one, against=other).names(name, part=part) for name, part in places)
            ]
            problem = f"unknown contender: {one.against}"
            remedy = nearest(one.against, among=others)
        elif all(matched) and matched and not one.figure.span:
            problem = f"{one.measure} is not measured by part"
            remedy = "name a wait or an execution, or leave out the part"
        elif matched:
            continue
        elif any(anyone.names(name, part=part) for name, part in places):
            problem = f"{one.against} can't be compared with itself"
            remedy = "name another contender"
        else:
            whole = [*names, *("/".join(place) for place in parts)]
            rows = [*contenders, *map(_pattern_of, whole)]
            problem = f"there is no such row: {one.rows}"
            remedy = nearest(one.rows.removesuffix("/*"), among=rows)
        faults.append(_fault(one.text, is_one_run=one.is_one_run, problem=problem, remedy=remedy))
    return faults


def _pattern_of(name: str) -> str:
    """Return a pattern that matches the row's name, with ``*`` for each special character."""
    return _SPECIAL.sub("*", name)


def _parse(text: str, *, is_one_run: bool) -> Condition:
    fault = partial(_fault, text, is_one_run=is_one_run)
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise UsageError(fault(problem="must be a condition", remedy=FORMS[is_one_run]))
    faults = [
        fault(problem=problem, remedy=remedy)
        for problem, remedy in _faults(found, is_one_run=is_one_run)
    ]
    if faults:
        raise UsageError(*faults)
    rows = found["rows"] or "*"
    return Condition(
        text=text,
        rows=rows if "/" in rows else f"{rows}/*",
        figure=RATIOS.get(found["figure"]) or ABSOLUTE[found["figure"]],
        end=found["end"] or "",
        sign=found["sign"],
        number=float(found["number"]),
        against=found["against"] or "",
        is_one_run=is_one_run,
    )


def _fault(text: str, *, is_one_run: bool, problem: str, remedy: str) -> Fault:
    field = "fail_on" if is_one_run else "--fail-on"
    return Fault(field=field, seen=f'"{text}"', problem=problem, remedy=remedy)


def _faults(found: re.Match[str], *, is_one_run: bool) -> Iterator[tuple[str, str]]:
    """Yield each fault of a condition: the problem and the remedy."""
    word, end, number, against = found.group("figure", "end", "number", "against")
    is_ratio = not is_one_run or against is not None
    # a number needs its unit, a ratio doesn't
    if word not in (RATIOS if is_ratio else ABSOLUTE):
        if word in FIGURES:
            remedy = f'write "{FIGURES[word].absolute}", or "* CONTENDER" after the number'
            yield f"figure without its unit: {word}", remedy
        else:
            known = FIGURES if is_ratio else ABSOLUTE
            yield f"unknown figure: {word or 'none'}", nearest(word, among=known)
    if end is not None and end not in _ENDS:
        yield f"unknown end: {end or 'none'}", nearest(end, among=_ENDS)
    elif end is not None and not is_ratio:
        remedy = 'write "* CONTENDER" after the number for a ratio'
        yield f"a number has no interval, and so no {end} end", remedy
    if against is not None and not is_one_run:
        yield "a comparison already uses the ratio B ÷ A", f'leave out "* {against}"'
    elif against == "":
        yield "* needs a contender after it", FORMS[is_one_run]
    if not _is_bound(number, is_ratio=is_ratio):
        problem, remedy = "the bound must be a number", "write a number, such as 500"
        if is_ratio:
            problem, remedy = "the bound must be a ratio above 0", "write one, such as 0.95"
        yield f"{problem}: {number or 'none'}", remedy


def _is_bound(word: str, *, is_ratio: bool) -> bool:
    try:
        number = float(word)
    except ValueError:
        return False
    return math.isfinite(number) and (number > 0 if is_ratio else number >= 0)
