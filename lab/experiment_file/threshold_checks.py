"""The `[[require]]` tables of an experiment: thresholds, checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from lab.experiment_file.sweep_checks import point_names
from poolbench.errors import Fault, nearest
from report.verdicts.metrics import ABSOLUTE, FIGURES, find_ratio
from report.verdicts.thresholds import Requirement

#: A fault and the keys below ``[[require]]`` at which it lies.
Found = tuple[tuple[str | int, ...], Fault]

_FORM = "write at_least = 500, at_most = 1.2 or both"


class RequireInput(BaseModel):
    """A `[[require]]` table."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    figure: str
    contender: str = ""
    workload: str = ""
    against: str = ""
    at_least: float | None = None
    at_most: float | None = None

    def resolve(self) -> Requirement:
        """Return the threshold as the manifest keeps it."""
        return Requirement(**self.model_dump())


def require_faults(table: Mapping[str, Any]) -> list[Found]:
    """Return every fault of meaning in the `[[require]]` tables of an experiment's file."""
    names = {key: _names(table, key) for key in ("contender", "workload")}
    names["contender"] = [name for name in names["contender"] if name]
    names["contender"] += sorted(point_names(table))
    rows = table.get("require")
    return [
        (("require", index, key), fault)
        for index, row in enumerate(rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
        for key, fault in (
            *_name_faults(row, names=names),
            *_figure_faults(row, contenders=names["contender"]),
            *_bounds(row),
        )
    ]


def _names(table: Mapping[str, Any], key: str) -> list[str]:
    rows = table.get(key)
    tables = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [str(row.get("name") or row.get("kind", "")) for row in tables]


def _name_faults(
    row: Mapping[str, Any], *, names: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, Fault]]:
    for key, among in (
        ("contender", names["contender"]),
        ("against", names["contender"]),
        ("workload", names["workload"]),
    ):
        word = row.get(key)
        if isinstance(word, str) and word and word not in among:
            what = "workload" if key == "workload" else "contender"
            taken = {row.get("contender"), row.get("against")} if what == "contender" else set()
            remedy = nearest(word, among=[name for name in among if name not in taken])
            yield key, Fault(problem=f"unknown {what}", seen=word, remedy=remedy)
    against = row.get("against")
    if against and against == row.get("contender"):
        has_another = any(name != against for name in names["contender"])
        remedy = "name another contender" if has_another else "leave it out"
        yield "against", Fault(problem="contender against itself", seen=against, remedy=remedy)


def _figure_faults(
    row: Mapping[str, Any], *, contenders: Sequence[str]
) -> Iterator[tuple[str, Fault]]:
    """Yield what is wrong with the figure's name: a ratio may lack its unit, a number must not."""
    figure = row.get("figure")
    if not isinstance(figure, str):
        return
    if row.get("against"):
        if find_ratio(figure) is None:
            remedy = nearest(figure, among=FIGURES)
            yield "figure", Fault(problem="unknown figure of a ratio", seen=figure, remedy=remedy)
    elif figure in FIGURES and figure not in ABSOLUTE:
        remedy = f'write "{FIGURES[figure].absolute}"'
        if any(name != row.get("contender") for name in contenders):
            remedy += ", or against = a contender for a ratio"
        yield "figure", Fault(problem="figure without its unit", seen=figure, remedy=remedy)
    elif figure not in ABSOLUTE:
        remedy = nearest(figure, among=ABSOLUTE)
        yield "figure", Fault(problem="unknown figure", seen=figure, remedy=remedy)


def _bounds(row: Mapping[str, Any]) -> Iterator[tuple[str, Fault]]:
    least, most = row.get("at_least"), row.get("at_most")
    if least is None and most is None:
        yield "figure", Fault(problem="threshold without a bound", remedy=_FORM)
    if isinstance(least, (int, float)) and isinstance(most, (int, float)) and least > most:
        seen = f"at_least {least:g}, at_most {most:g}"
        yield "at_least", Fault(problem="no number lies between", seen=seen, remedy="turn them")
