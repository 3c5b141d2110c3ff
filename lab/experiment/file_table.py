"""The base of every table in an experiment file, and the rules that its values must follow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic_core import ErrorDetails, PydanticCustomError

from poolbench import constraints
from poolbench.keys import NAME_RULE

#: The pydantic error type of `broken`.
RULE = "rule"

#: Constraint that a value breaks, by pydantic's error type; a template for the error's context.
CONSTRAINTS = {
    **constraints.CONSTRAINTS,
    RULE: "{problem}",
    "extra_forbidden": "unknown key",
    "missing": "missing",
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "list_type": "must be a list",
    "model_type": "must be a table",
    "string_type": "must be a string",
    "string_pattern_mismatch": NAME_RULE,
    "string_too_short": "must not be empty",
    "too_short": "must have at least {min_length} items",
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
    return constraints.constraint(error, constraints=CONSTRAINTS)
