"""What a value has to be, in our words instead of pydantic's; used where pydantic checks input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NUMBER, _WHOLE_NUMBER = "must be a number", "must be a whole number"

#: What a value has to be, by pydantic's type of the error; filled with the error's context.
CONSTRAINTS = {
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": "must be a finite number",
    "int_parsing": _WHOLE_NUMBER,
    "int_type": _WHOLE_NUMBER,
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:,.10g}",
    "value_error": "{error}",
}


def constraint(error: Mapping[str, Any], *, constraints: Mapping[str, str] = CONSTRAINTS) -> str:
    """Return what the value of one of pydantic's errors has to be, as a clause."""
    return constraints[error["type"]].format(**error.get("ctx", {}))
