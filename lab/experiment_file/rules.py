"""Rules that several tables of an experiment's file share, and how to raise several at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Protocol, TypeVar

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from lab.experiment.file_table import broken
from poolbench.errors import Fault
from poolbench.keys import NAME

#: A broken rule, or one of pydantic's types of errors, and the keys below the validated value.
Broken = tuple[tuple[str | int, ...], PydanticCustomError | str]


class _HasName(Protocol):
    @property
    def name(self) -> str: ...


_Item = TypeVar("_Item")
_Named = TypeVar("_Named", bound=_HasName)


def errors_of(found: Iterable[Broken]) -> ValidationError:
    """Return broken rules as one error, which pydantic adds to the others of the file."""
    errors = [InitErrorDetails(type=rule, loc=keys, input=None) for keys, rule in found]
    return ValidationError.from_exception_data("experiment", errors)


def raise_all(found: Iterable[Broken]) -> None:
    """Raise every broken rule at once, if there is any.

    Raises:
        ValidationError: as by `errors_of`.
    """
    error = errors_of(found)
    if error.error_count():
        raise error


def of_fault(fault: Fault) -> PydanticCustomError:
    """Return the fault that a check outside of the file's tables found, as a broken rule."""
    return broken(fault.problem, seen=fault.seen, remedy=fault.remedy)


def one_of(what: str, words: Iterable[str]) -> AfterValidator:
    """Return the validator of a word that is one of ``words``."""
    known = tuple(words)

    def check(word: str) -> str:
        if word not in known:
            raise broken(f"unknown {what}", among=known)
        return word

    return AfterValidator(check)


def each_once(values: list[_Item]) -> list[_Item]:
    """Return a list, checked to have nothing twice; 1 and true differ."""
    words = list(map(repr, values))
    raise_all(
        ((index,), broken("it is listed twice", remedy="list each once"))
        for index, word in enumerate(words)
        if word in words[:index]
    )
    return values


def named_once(tables: list[_Named]) -> list[_Named]:
    """Return tables, checked to have no name twice."""
    names = [table.name for table in tables]
    raise_all(
        ((index, "name"), broken(f"{name} is named twice", remedy="rename one"))
        for index, name in enumerate(names)
        if name in names[:index]
    )
    return tables


Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
Names = Annotated[list[str], Field(min_length=1), AfterValidator(each_once)]
