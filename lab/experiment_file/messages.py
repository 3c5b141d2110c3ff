"""Writes the error messages of an experiment file: each fault with its line and a remedy.

A word is recommended only if it is valid in this file without any other change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lab.experiment.file_table import FileTable, constraint
from lab.experiment.worker_settings import Tuning
from lab.experiment_file.app import AppInput
from lab.experiment_file.contenders import ContenderInput, GroupedInput, GroupInput, SweepInput
from lab.experiment_file.jobs import (
    OF_A_KIND,
    OF_A_TASK,
    OPTIONS,
    SHAPES,
    CallInput,
    PartInput,
    RetryInput,
    StepInput,
)
from lab.experiment_file.rules import Keys
from lab.experiment_file.schema import ExperimentInput, ProfileInput
from lab.experiment_file.slo import SloInput
from lab.experiment_file.toml_lines import locate
from lab.experiment_file.workloads import PING_KEYS, SearchArrivals, WorkloadInput, model_of
from poolbench.errors import Fault, nearest

#: A parsed TOML file, or a table in it.
Table = Mapping[str, Any]

#: Models of the tables in the file, by the first key of a path and the number of its keys.
_MODELS: Mapping[tuple[str | int, int], type[FileTable]] = {
    ("contender", 3): ContenderInput,
    ("contender", 4): Tuning,
    ("contender", 5): GroupInput,
    ("contender", 6): Tuning,
    ("workload", 3): WorkloadInput,
    ("workload", 4): SearchArrivals,
    ("workload", 5): PartInput,
    ("workload", 6): StepInput,
    ("workload", 7): StepInput,
    ("profile", 3): ProfileInput,
    ("app", 2): AppInput,
    ("sweep", 2): SweepInput,
}

#: Models of tables that several tables may have, by their key.
_INNER_MODELS: Mapping[str, type[FileTable]] = {
    "retry": RetryInput,
    "slo": SloInput,
    "call": CallInput,
}

#: Keys of a job that have an effect only with another key, of a contender.
_NEEDED = {"queue": "queues", "result_bytes": "result_backend"}

#: Longest value in a message, characters.
_VALUE_LENGTH = 60


def faults_of(error: ValidationError, *, table: Table, where: str, text: str) -> list[Fault]:
    """Return pydantic's errors about a file as faults.

    Args:
        error: the error of `ExperimentInput`.
        table: the parsed file.
        where: the file's path.
        text: the file's text.
    """
    found = [
        replace(_fault(one, table=table), where=f"{where}:{locate(text, one['loc'])}")
        for one in error.errors()
    ]
    # a value of a sweep may be invalid for two contenders, for the same reason
    return list(dict.fromkeys(found))


def _fault(error: ErrorDetails, *, table: Table) -> Fault:
    keys = error["loc"]
    field = ".".join(key for key in keys if isinstance(key, str))
    if error["type"] == "missing":
        return Fault(problem=f"{field} is missing", remedy="write it")
    value, part = _value_at(table, keys), error.get("ctx", {}).get("seen", "")
    seen = _shown(value) if isinstance(value, bool | int | float | str) else ""
    rules = [constraint(error), "" if seen and part == str(value) else part]
    return Fault(
        field=field,
        seen=seen,
        problem=": ".join(filter(None, rules)),
        remedy=_remedy(error, table=table),
    )


def _shown(value: object) -> str:
    """Return a value as TOML text, cut to `_VALUE_LENGTH`."""
    is_text = isinstance(value, str)
    text = json.dumps(value, ensure_ascii=False) if is_text else str(value).lower()
    return text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}…"


def _value_at(table: Any, keys: Keys) -> Any:
    """Return the value at a path in a file, None if there is none."""
    for key in keys:
        if isinstance(table, str):
            break
        table = table.get(key) if isinstance(table, dict) else table[key]
    return table


def _remedy(error: ErrorDetails, *, table: Table) -> str:
    """Return how to repair a fault; empty if its constraint is enough."""
    keys, context = error["loc"], error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        return _key_advice(keys, given=_value_at(table, keys[:-1]), table=table)
    if context.get("among"):
        return _word_advice(keys, among=context["among"], table=table)
    return str(context.get("remedy", ""))


def _key_advice(keys: Keys, *, given: Table, table: Table) -> str:
    """Return which key to write instead of an unknown one in the table ``given`` of a file."""
    model, key = _MODELS.get((keys[0], len(keys)), ExperimentInput), str(keys[-1])
    for name, inner in _INNER_MODELS.items():
        if name in keys[:-1]:
            model = inner
    if model is ContenderInput and "group" in given:
        model = GroupedInput
    if model is WorkloadInput:
        model = model_of(given)
    refused = dict(model.misplaced)
    if key in refused:
        return refused[key]
    if given.get("measure") == "capacity":
        refused["arrivals"] = 'with measure = "rate"'
    has_rate = model is WorkloadInput and (
        "arrivals" in given or given.get("measure", "capacity") != "capacity"
    )
    if not has_rate:
        refused["slo"] = "where jobs arrive at a rate"
    if model is ExperimentInput and not _has_tasks(table):
        refused["app"] = "with a task in each workload"
    if issubclass(model, StepInput):
        refused |= _refused_of_jobs(model, given=given, table=table)
    free = [name for name in model.model_fields if _is_free(name, key=key, given=given)]
    return nearest(key, among=free, refused=refused)


def _has_tasks(table: Table) -> bool:
    return "task" in str(table.get("workload"))


def _refused_of_jobs(model: type[StepInput], *, given: Table, table: Table) -> dict[str, str]:
    """Return the keys of jobs that are not allowed in the table ``given``, each with its remedy."""
    contenders = str(table.get("contender"))
    refused = {
        key: f"with {needed} in a contender"
        for key, needed in _NEEDED.items()
        if needed not in contenders
    }
    if "task" in given:
        refused |= dict.fromkeys(OF_A_KIND, "only Poolbench's own kinds have it")
    else:
        refused |= dict.fromkeys(OF_A_TASK, "with a task of [app]")
    if {"args", "kwargs"} & given.keys():
        refused["arguments"] = "instead of args and kwargs"
    if "arguments" in given:
        refused |= dict.fromkeys(("args", "kwargs"), "instead of arguments")
    if "kind" in given or "app" not in table:
        refused["task"] = "with [app], instead of kind"
    if model is WorkloadInput:
        others = ["kind", "parameters"] if "mix" in given else ["mix", "mix_order"]
        refused |= dict.fromkeys(others, "a workload has a kind, or a mix")
        if given.get("measure") != "ping":
            refused |= dict.fromkeys(PING_KEYS, 'with measure = "ping"')
        if "mix" in given:
            refused |= dict.fromkeys((*OPTIONS, "task"), "write it in the parts")
    if model is PartInput and {"kind", "task"} & given.keys():
        others = [*SHAPES, "body"]
        refused |= dict.fromkeys(others, "a part has a kind, a chain, a group or a chord")
    return refused


def _is_free(name: str, *, key: str, given: Table) -> bool:
    """Return whether ``key`` may be renamed to ``name``: it is absent, or both hold tables."""
    return name not in given or (_are_tables(given[name]) and _are_tables(given[key]))


def _are_tables(value: object) -> bool:
    rows = list(value.values()) if isinstance(value, dict) else value
    return isinstance(rows, list) and bool(rows) and all(isinstance(row, dict) for row in rows)


def _word_advice(keys: Keys, *, among: Iterable[str], table: Table) -> str:
    """Return which word to write, found by validating the file with each of them."""
    known = _errors(table)
    area = keys[:2] if keys[0] in ("contender", "workload") else keys[:1]
    wrong = str(_value_at(table, keys))
    others = [word for word in among if word != wrong]
    near: dict[str, ErrorDetails] = {}
    far: dict[str, dict[Keys, ErrorDetails]] = {}
    for word in others:
        found = _errors(_replaced(table, keys, word=word))
        new = {place: one for place, one in found.items() if place == keys or place not in known}
        of_area = [one for place, one in new.items() if place[: len(area)] == area]
        if of_area:
            near[word] = of_area[0]
        else:
            far[word] = new
    # this fault only hid those that every word has elsewhere
    hidden = set.intersection(*map(set, far.values())) if far else set()
    for word, errors in far.items():
        caused = [one for place, one in errors.items() if place not in hidden]
        near |= {word: caused[0]} if caused else {}
    refused = {
        word: ": ".join(filter(None, (constraint(one), one.get("ctx", {}).get("remedy"))))
        for word, one in near.items()
    }
    return nearest(wrong, among=others, refused=refused)


def _errors(table: Table) -> dict[Keys, ErrorDetails]:
    try:
        ExperimentInput.model_validate(table)
    except ValidationError as error:
        return {one["loc"]: one for one in error.errors()}
    return {}


def _replaced(table: Any, keys: Keys, *, word: str) -> Any:
    """Return a copy of a table with another word at the path ``keys``."""
    if not keys or isinstance(table, str):
        return word
    copy = table.copy()
    copy[keys[0]] = _replaced(table[keys[0]], keys[1:], word=word)
    return copy
