"""The base of every table in an experiment file, and the rules that its values must follow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic_core import ErrorDetails, PydanticCustomError

from poolbench.keys import NAME_LENGTH

#: The pydantic error type of `broken`.
RULE = "rule"

#: Constraint that a value breaks, by pydantic's error type; a template for the error's context.
CONSTRAINTS = {
    RULE: "{problem}",
    "extra_forbidden": "unknown key",
    "missing": "missing",
    "bool_type": "it must be true or false",
    "dict_type": "it must be a table",
    "float_type": "it must be a number",
    "int_type": "it must be a whole number",
    "list_type": "it must be a list",
    "model_type": "it must be a table",
    "string_type": "it must be a string",
    "greater_than": "it must be above {gt:g}",
    "greater_than_equal": "it must be {ge:g} or more",
    "less_than_equal": "it must be {le:,g} or less",
    "string_pattern_mismatch": f"a name has at most {NAME_LENGTH} lowercase letters, digits, dots, "
    "underscores and dashes, and begins with a letter or digit",
    "string_too_short": "it must not be empty",
    "too_short": "it must have {min_length} or more items",
}


class FileTable(BaseModel):
    """A table in an experiment file: its keys are the fields, and no value is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    #: Remedy for each key that people write here although it belongs elsewhere.
    misplaced: ClassVar[Mapping[str, str]] = {}


def broken(
    problem: str, *, seen: str = "", remedy: str = "", among: Collection[str] = ()
) -> PydanticCustomError:
    """Return the error of a broken rule, for a validator to raise.

    Args:
        problem: the rule, as a clause.
        seen: the part of the value that breaks it, if it is not the whole value.
        remedy: how to repair it.
        among: the valid words; the message recommends the nearest of them.
    """
    context = {"problem": problem, "seen": seen, "remedy": remedy, "among": tuple(among)}
    return PydanticCustomError(RULE, "{problem}", context)


def constraint(error: ErrorDetails) -> str:
    """Return the constraint that an error's value breaks, as a clause in Poolbench's words."""
    return CONSTRAINTS[error["type"]].format(**error.get("ctx", {}))
