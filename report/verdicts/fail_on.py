"""The conditions of `poolbench compare --fail-on` and of an experiment's `fail_on`: one language.

    condition = [ rows ":" ] figure [ "." end ] sign bound
    rows      = contender [ "/" workload ]      * stands for any text; all rows if left out
    figure    = a name of `report.verdicts.metrics`, with its unit or without
    end       = "low" | "high"                  of a ratio's interval; the ratio itself if left out
    sign      = "<" | "<=" | ">" | ">="
    bound     = number [ "*" contender ]

Between two runs a number is a ratio, B ÷ A: 0.95. Within one run it is a figure in its unit: 500;
with a contender it is a ratio to that one's figure: 1.5 * solo.

A condition that holds in a row is a threshold missed.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

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

#: In a row's name: what ends the rows of a condition, or is a pattern.
_SPECIAL = re.compile(r"[:<>=*?\[\]]")

#: How a condition is written: between two runs, and within one.
FORMS = (
    'write it like "throughput < 0.95" or "gevent-*/io.http: p99_wait.low > 1.2"',
    'write it like "gevent-*/io.http: throughput_per_s < 500" or "prefork-4: cpu > 1.2 * solo"',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What must not hold."""

    #: As the user wrote it.
    text: str
    #: Pattern of the rows' names, ``contender/workload``.
    rows: str
    figure: Figure
    #: ``low``, ``high`` or empty: the ratio itself.
    end: str
    sign: str
    number: float
    #: The contender of the same run whose figure is the number's unit; empty: none.
    against: str
    #: Whether it is an experiment's, and not of a comparison of two runs.
    is_one_run: bool

    @property
    def is_ratio(self) -> bool:
        """Whether a ratio is compared with the bound; else a number in its unit is."""
        return not self.is_one_run or bool(self.against)

    @property
    def where(self) -> str:
        """Where it was written, for faults."""
        return _where(self.text, is_one_run=self.is_one_run)

    @property
    def measure(self) -> str:
        """The name of what is compared with the bound: that of a number has its unit."""
        return self.figure.name if self.is_ratio else self.figure.absolute

    def names(self, row: str) -> bool:
        """Return whether it is about a row, by the row's name; none is compared with itself."""
        return fnmatchcase(row, self.rows) and row.partition("/")[0] != self.against

    def judge(
        self,
        seen: Ratio | float | None,
        *,
        contender: str,
        workload: str,
        reason: str = "",
        note: str = "",
    ) -> Checked:
        """Return what becomes of the condition in a row.

        Args:
            seen: the row's ratio or number; None if there is none.
            contender: the row's.
            workload: the row's.
            reason: why there is none.
            note: what the number is worth.
        """
        number = getattr(seen, self.end or "value") if isinstance(seen, Ratio) else seen
        if isinstance(seen, Ratio) and self.end and not seen.is_claim:
            number, reason = None, "too few repetitions for an interval"
        start = f"{contender}/{workload}: {self.measure}"
        status, text = Status.UNCHECKED, f"{start}: {reason}"
        if number is not None:
            is_missed = _SIGNS[self.sign](number, self.number)
            status = Status.MISSED if is_missed else Status.MET
            text = f"{start} {self._shown(seen)}, {note}"
        return Checked(
            condition=self.text,
            contender=contender,
            workload=workload,
            figure=self.measure,
            number=number,
            status=status,
            text=text,
        )

    def _shown(self, seen: Ratio | float | None) -> str:
        if not isinstance(seen, Ratio):
            return f"{seen:.6g}"
        return claim(seen, of=self.against)


def parse_conditions(
    texts: Sequence[str], *, is_one_run: bool = False
) -> tuple[list[Condition], list[Fault]]:
    """Return the conditions that can be read, each once, and every fault of the others.

    ``is_one_run`` says that they are an experiment's, and not of a comparison of two runs.
    """
    conditions: list[Condition] = []
    faults: list[Fault] = []
    for text in dict.fromkeys(texts):
        try:
            conditions.append(_parse(text, is_one_run=is_one_run))
        except UsageError as error:
            faults += error.faults
    return conditions, faults


def row_faults(conditions: Sequence[Condition], *, names: Sequence[str]) -> list[Fault]:
    """Return what is wrong with conditions that name none of the rows called ``names``."""
    contenders = dict.fromkeys(name.partition("/")[0] for name in names)
    faults = []
    for one in conditions:
        if one.against and one.against not in contenders:
            others = [
                other for other in contenders if any(map(replace(one, against=other).names, names))
            ]
            problem, seen = "unknown contender", one.against
            remedy = nearest(one.against, among=others)
        elif any(map(one.names, names)):
            continue
        elif any(fnmatchcase(name, one.rows) for name in names):
            problem, seen, remedy = "contender against itself", one.against, "name another"
        else:
            rows = [*contenders, *map(_pattern_of, names)]
            problem, seen = "no such row", one.rows
            remedy = nearest(one.rows.removesuffix("/*"), among=rows)
        faults.append(Fault(problem=problem, seen=seen, remedy=remedy, where=one.where))
    return faults


def _pattern_of(name: str) -> str:
    """Return a row's name as a condition may hold it: what means something there is any text."""
    return _SPECIAL.sub("*", name)


def _parse(text: str, *, is_one_run: bool) -> Condition:
    where = _where(text, is_one_run=is_one_run)
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise UsageError(Fault(problem="no condition", remedy=FORMS[is_one_run], where=where))
    faults = [
        Fault(problem=problem, seen=seen, remedy=remedy, where=where)
        for problem, seen, remedy in _faults(found, is_one_run=is_one_run)
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


def _where(text: str, *, is_one_run: bool) -> str:
    return f'{"fail_on" if is_one_run else "--fail-on"} "{text}"'


def _faults(found: re.Match[str], *, is_one_run: bool) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with a condition: the problem, what was read, and the remedy."""
    word, end, number, against = found.group("figure", "end", "number", "against")
    is_ratio = not is_one_run or against is not None
    # a ratio may lack its unit, a number must not
    if word not in (RATIOS if is_ratio else ABSOLUTE):
        if word in FIGURES:
            remedy = f'write "{FIGURES[word].absolute}", or "* CONTENDER" behind the number'
            yield "figure without its unit", word, remedy
        else:
            known = FIGURES if is_ratio else ABSOLUTE
            yield "unknown figure", word or "none", nearest(word, among=known)
    if end is not None and end not in _ENDS:
        yield "unknown end", end or "none", nearest(end, among=_ENDS)
    elif end is not None and not is_ratio:
        remedy = 'a ratio has an interval: write "* CONTENDER" behind the number'
        yield "end of a number", end, remedy
    if against is not None and not is_one_run:
        yield "ratio to a contender", against, "it is B ÷ A already; leave it out"
    elif against == "":
        yield "no contender behind *", "", FORMS[is_one_run]
    if not _is_bound(number, is_ratio=is_ratio):
        problem, remedy = ("no number", "write a number, such as 500")
        if is_ratio:
            problem, remedy = ("no ratio", "write a ratio above 0, such as 0.95")
        yield problem, number or "none", remedy


def _is_bound(word: str, *, is_ratio: bool) -> bool:
    try:
        number = float(word)
    except ValueError:
        return False
    return math.isfinite(number) and (number > 0 if is_ratio else number >= 0)
