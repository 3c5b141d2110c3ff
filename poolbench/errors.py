"""The ways Poolbench fails, each with its exit code and a message a person can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit code of a Poolbench command."""

    OK = 0
    #: A measurement was made, and it is invalid: its ledger does not close.
    INVALID = 1
    #: The user's input can't be used; nothing was started.
    USAGE = 2
    #: A service of the stack can't be started, reached or kept.
    STACK = 3
    #: A results folder can't be written or read.
    STORAGE = 4
    #: A threshold of the experiment was missed.
    MISSED = 99
    #: Ctrl-C: the measurements so far are kept.
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong with an input.

    Printed as ``where: field = seen is invalid: problem. Remedy.``, or without a field as
    ``where: problem: seen. Remedy.``; empty parts are left out.
    """

    #: What is wrong: a constraint of the field, or a noun phrase: ``unknown pool``.
    problem: str
    #: The key or option that has the value.
    field: str = ""
    #: The value seen, as the user wrote it.
    seen: str = ""
    #: What to do, as an imperative clause or as a question; printed as a sentence of its own.
    remedy: str = ""
    #: File and line, or option.
    where: str = ""

    def __str__(self) -> str:
        parts = [self.where, self.problem, self.seen]
        if self.field:
            value = f" = {self.seen}" if self.seen else ""
            parts = [self.where, f"{self.field}{value} is invalid", self.problem]
        text = ": ".join(part for part in parts if part)
        remedy = f" {self.remedy[0].upper()}{self.remedy[1:]}" if self.remedy else ""
        return f"{text}.{remedy}{'.' if remedy and not remedy.endswith('?') else ''}"


def unknown(what: str, *, field: str, seen: str, among: Iterable[str]) -> Fault:
    """Return the fault of a word that is none of ``among``; it names the nearest."""
    remedy = nearest(seen, among=among)
    return Fault(field=field, seen=seen, problem=f"unknown {what}", remedy=remedy)


class PoolbenchError(Exception):
    """Base of every failure that a command turns into one clear line and an exit code."""

    exit_code = ExitCode.INVALID


class UsageError(PoolbenchError):
    """Input that can't be used; carries every fault of it, not only the first."""

    exit_code = ExitCode.USAGE

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))


class StackError(PoolbenchError):
    """A service that can't be started, reached or kept."""

    exit_code = ExitCode.STACK


class StorageError(PoolbenchError):
    """A results folder that can't be written or read."""

    exit_code = ExitCode.STORAGE


class PlannedError(Exception):
    """The failure of a job that its experiment lets fail."""


def nearest(word: str, *, among: Iterable[str], refused: Mapping[str, str] | None = None) -> str:
    """Return advice that names the closest of ``among``, or all of them if none is close.

    ``refused`` holds the words that are not allowed here now, each with what has to
    change. Such a word is named only where it is the closest, and then with that in brackets.
    """
    refused = refused or {}
    words = sorted({*among, *refused})
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        change = f" ({refused[close[0]]})" if close[0] in refused else ""
        return f"did you mean {close[0]}{change}?"
    accepted = [known for known in words if known not in refused]
    return f"use one of {', '.join(accepted)}" if accepted else "leave it out"
