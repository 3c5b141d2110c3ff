"""Rules that several tables of an experiment file share, and a function that raises all at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from lab.experiment.file_table import broken
from poolbench.errors import Fault
from poolbench.keys import NAME

#: Path of a value in a file; a number is the index of a table or of an item in a list.
Keys = tuple[str | int, ...]

#: Path below the validated value, and its error: a broken rule, a fault found by a check outside
#: the file's tables, or one of pydantic's error types.
Broken = tuple[Keys, PydanticCustomError | Fault | str]


def errors_of(found: Iterable[Broken]) -> ValidationError:
    """Return broken rules as one error, which pydantic merges with the file's other errors."""
    errors = [
        InitErrorDetails(
            type=_broken(what) if isinstance(what, Fault) else what,
            loc=keys,
            input=None,
        )
        for keys, what in found
    ]
    return ValidationError.from_exception_data("experiment", errors)


def raise_all(found: Iterable[Broken]) -> None:
    """Raise every broken rule at once, if there is any.

    Raises:
        ValidationError: as `errors_of` returns it.
    """
    error = errors_of(found)
    if error.error_count():
        raise error


def one_of(what: str, words: Iterable[str]) -> AfterValidator:
    """Return a validator that accepts only ``words``; ``what`` names them in the message."""
    return AfterValidator(partial(_check_word, what=what, known=tuple(words)))


def words_of(validator: AfterValidator) -> tuple[str, ...]:
    """Return the words that a validator of `one_of` accepts; none for any other validator."""
    check = validator.func
    if isinstance(check, partial) and check.func is _check_word:
        return tuple(check.keywords["known"])
    return ()


def _check_word(word: str, *, what: str, known: tuple[str, ...]) -> str:
    if word not in known:
        raise broken(f"unknown {what}", among=known)
    return word


def each_once(*, key: str = "") -> AfterValidator:
    """Return a validator of a list without duplicates, or of tables that differ in ``key``.

    1 and true differ.
    """

    def check(values: list[Any]) -> list[Any]:
        words = [repr(getattr(value, key) if key else value) for value in values]
        raise_all(
            ((index, key) if key else (index,), broken("it is listed twice", remedy=remedy))
            for index, word in enumerate(words)
            if word in words[:index]
        )
        return values

    remedy = "rename one" if key else "list each once"
    return AfterValidator(check)


def _broken(fault: Fault) -> PydanticCustomError:
    # the value of a field is at its place in the file
    seen = "" if fault.field else fault.seen
    return broken(fault.problem, seen=seen, remedy=fault.remedy)


def _is_a_queue(name: str) -> str:
    if not _QUEUE.fullmatch(name):
        raise broken("must have neither spaces nor commas")
    return name


#: What Celery accepts as the name of a queue in a list of queues; an app of the user's has such
#: names, and all others must be a `Name` (`lab.experiment_file.schema`).
_QUEUE = re.compile(r"[^\s,]+")

QueueName = Annotated[str, AfterValidator(_is_a_queue)]
Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
Names = Annotated[list[str], Field(min_length=1), each_once()]


def above(info: ValidationInfo) -> Mapping[str, Any]:
    """Return the valid parts of the tables above the one that is validated."""
    return info.context or {}


def keys_of(fault: Fault) -> Keys:
    """Return the place of a fault below the validated table."""
    return (fault.field,) if fault.field else ()
