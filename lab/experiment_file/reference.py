"""Writes docs/experiment.md, the reference of an experiment file, from the models of its tables.

A key's effect is its field's description, or the `#:` comment above the field. Nothing about a key
is written here.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, BaseModel, BeforeValidator, PlainValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lab.experiment.worker_settings import Tuning
from lab.experiment_file.app import AppInput
from lab.experiment_file.contenders import ContenderInput, GroupedInput, GroupInput, SweepInput
from lab.experiment_file.jobs import CallInput, PartInput, RetryInput, StepInput
from lab.experiment_file.rules import words_of
from lab.experiment_file.schema import ExperimentInput, ProfileInput
from lab.experiment_file.slo import SloInput
from lab.experiment_file.workloads import (
    BURST,
    IdleInput,
    RecordedInput,
    SearchArrivals,
    StartInput,
    WorkloadInput,
)
from poolbench.jobs import JOB_KINDS, Parameter
from producer.arrivals import ARRIVALS

#: The model of each table, by its heading on the page, in order.
TABLES: Mapping[str, type[BaseModel]] = {
    "Above all tables": ExperimentInput,
    "`[profile.NAME]`": ProfileInput,
    "`[app]`": AppInput,
    "`[[contender]]`": ContenderInput,
    "`[[contender]]` with groups": GroupedInput,
    "`[[contender.group]]`": GroupInput,
    "`settings` of a contender": Tuning,
    "`[sweep]`": SweepInput,
    "`[[workload]]`": WorkloadInput,
    "`[[workload]]` of a recording": RecordedInput,
    "`[[workload.call]]` of a recording": CallInput,
    "`[[workload.mix]]`": PartInput,
    "`chain`, `group`, `chord` and `body` of a part": StepInput,
    "`retry` of a workload or of a part": RetryInput,
    '`[[workload]]` with `measure = "start"`': StartInput,
    '`[[workload]]` with `measure = "idle"`': IdleInput,
    "`[slo]`": SloInput,
    "`arrivals` of a search": SearchArrivals,
}

_INTRODUCTION = """\
# Every key of an experiment file

How to write an experiment, with examples: [experiments.md](experiments.md). `poolbench check FILE`
reports every fault of a file with its line, and how long a run takes. An unknown key is a fault,
and so is a key that has no effect there.

This page is generated from the models that read the file: `make schemas`.
"""

_COLUMNS = ("key", "type", "unit", "default", "effect")

#: Units by the end of a key, the longest end first.
_UNITS = {
    "per_s": "jobs/s",
    "bytes": "bytes",
    "share": "0 to 1",
    "cpus": "cores",
    "ms": "ms",
    "mb": "MB",
    "s": "s",
}

_TYPES = {str: "text", bool: "true or false", int: "whole number", float: "number"}

_COMMENT, _FIELD = "#:", re.compile(r"(\w+):")


def reference_page() -> str:
    """Return the page, in Markdown."""
    parts = [_INTRODUCTION]
    for heading, model in TABLES.items():
        parts += [f"## {heading}\n", f"{_summary(model)}\n", _table(_COLUMNS, _rows(model))]
    arrivals = (
        (f'`how = "{how}"`', schedule.help, _rows(schedule))
        for how, schedule in ARRIVALS.items()
        if how != BURST
    )
    parts += ["## `arrivals` of a workload at a rate\n", _grouped("arrivals", arrivals)]
    kinds = (
        (f"`{kind.name}`", kind.summary, map(_parameter_row, kind.parameters))
        for kind in JOB_KINDS.values()
    )
    parts += ["## `parameters` of a kind of job\n", _grouped("kind", kinds)]
    return "\n".join(parts)


def effects(model: type[BaseModel]) -> dict[str, str]:
    """Return the effect of each key of a table; empty where its field has no text."""
    comments: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base.__module__ != BaseModel.__module__:
            comments |= _comments(base)
    return {
        name: field.description or comments.get(name, "")
        for name, field in model.model_fields.items()
    }


def _comments(model: type[BaseModel]) -> dict[str, str]:
    """Return the `#:` comment above each field that a class itself defines."""
    found: dict[str, str] = {}
    lines: list[str] = []
    try:
        source = inspect.getsource(model)
    except (OSError, TypeError):
        # created by a call, with descriptions
        return found
    for line in map(str.strip, source.splitlines()):
        if line.startswith(_COMMENT):
            lines.append(line.removeprefix(_COMMENT).strip())
            continue
        if lines and (field := _FIELD.match(line)):
            found[field[1]] = " ".join(lines)
        lines = []
    return found


def _rows(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    texts = effects(model)
    # a table's name comes first, wherever its model inherits it from
    for name, field in sorted(model.model_fields.items(), key=lambda item: item[0] != "name"):
        types = "; ".join(filter(None, (_type(_written(field)), _limits(field.metadata))))
        yield f"`{name}`", types, _unit(name), _default(field), _sentence(texts[name])


def _parameter_row(one: Parameter) -> tuple[str, ...]:
    types = f"{_TYPES[one.type]}; {one.low:,g} to {one.high:,.0f}"
    return f"`{one.name}`", types, one.unit, f"{one.default:,g}", _sentence(one.help)


def _grouped(column: str, groups: Iterable[tuple[str, str, Iterable[tuple[str, ...]]]]) -> str:
    """Return one table of several groups of keys; each group's first row names and explains it."""
    rows = []
    for name, text, keys in groups:
        titles = itertools.chain([f"{name}: {text.removesuffix('.')}"], itertools.repeat(""))
        rows += [(title, *cells) for title, cells in zip(titles, keys, strict=False)]
    return _table((column, *_COLUMNS), rows)


def _written(field: FieldInfo) -> Any:
    """Return the type that a file may have, which a validator may convert to another."""
    for one in field.metadata:
        if isinstance(one, BeforeValidator | PlainValidator):
            given = one.json_schema_input_type
            return field.annotation if given in (Any, PydanticUndefined) else given
    return field.annotation


def _type(annotation: Any) -> str:
    """Return the values of a field, as a reader of TOML names them."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return "; ".join(filter(None, (_type(inner[0]), _limits(inner[1:]))))
    if origin in (Union, UnionType):
        ignored = {NoneType, int} if float in inner else {NoneType}
        return " or ".join(_type(one) for one in inner if one not in ignored)
    if origin is Literal:
        return " or ".join(f'`"{word}"`' for word in inner)
    if origin in (list, dict):
        is_plain = _is_plain(inner[-1])
        one = f"list of {_type(inner[0])}" if origin is list else "table"
        return one if is_plain else "tables"
    return _TYPES.get(annotation, "table")


def _is_plain(annotation: Any) -> bool:
    """Return whether a list's or table's values are no tables themselves."""
    while get_origin(annotation) in (Annotated, UnionType):
        annotation = get_args(annotation)[0]
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return not is_model and get_origin(annotation) is not tuple


def _limits(metadata: Iterable[Any]) -> str:
    """Return the words that a value may be, or its bounds."""
    bounds: dict[type, str] = {}
    for one in metadata:
        if isinstance(one, AfterValidator) and (words := words_of(one)):
            return ", ".join(f'`"{word}"`' for word in words)
        for bound, sort in ((Ge, "ge"), (Gt, "gt"), (Le, "le"), (Lt, "lt")):
            if isinstance(one, bound):
                bounds[bound] = f"{getattr(one, sort):,.10g}"
    if Ge in bounds and Le in bounds:
        return f"{bounds[Ge]} to {bounds[Le]}"
    texts = {Ge: "at least", Gt: "above", Le: "at most", Lt: "below"}
    return ", ".join(f"{text} {bounds[sort]}" for sort, text in texts.items() if sort in bounds)


def _unit(name: str) -> str:
    return next((unit for end, unit in _UNITS.items() if f"_{name}".endswith(f"_{end}")), "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        # one below the bound is computed from other keys
        bounds: list[Any] = [one.ge for one in field.metadata if isinstance(one, Ge)]
        is_valid = all(value >= bound for bound in bounds)
        return f"{value:,g}" if is_valid else ""
    words = itertools.chain.from_iterable(map(words_of, _validators(field)))
    return f'`"{value}"`' if value in words else ""


def _validators(field: FieldInfo) -> list[AfterValidator]:
    return [one for one in field.metadata if isinstance(one, AfterValidator)]


def _summary(model: type[BaseModel]) -> str:
    return inspect.cleandoc(model.__doc__ or "").split("\n\n")[0].replace("\n", " ")


def _sentence(text: str) -> str:
    """Return a text that begins as a sentence and has no full stop, for a cell."""
    return text[:1].upper() + text[1:].removesuffix(".")


def _table(columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    head = tuple(columns)
    return "".join(map(_line, (head, tuple("---" for _ in head), *rows)))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"
