"""Which reasons rows have, each told once, with those it holds for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from report import format as fmt
from report.rows.harness_ceilings import SIGN

#: How a reason begins that some repetitions of a row have, and what is said before it.
_REPETITIONS = re.compile(r"(repetitions?) ([\d, and]+): ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A reason, or another thing to know of rows."""

    mark: str
    #: Whose it is: "all", or contenders, with the repetitions that have it.
    who: str
    text: str
    #: What to do about it; empty if nothing, or if that was said at an earlier reason.
    remedy: str


def of_repetitions(numbers: Sequence[int], *, reason: str) -> str:
    """Return a reason as a row says it that has it in some of its repetitions."""
    noun = "repetition" if len(numbers) == 1 else "repetitions"
    return f"{noun} {fmt.listed([*map(str, numbers)])}: {reason}"


def tell(rows: Sequence[Mapping[str, Any]]) -> list[Told]:
    """Return what is to be known of some rows: their reasons, limits, and what held a loop."""
    found: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for row in rows:
        for mark, text, remedy in _of_row(row):
            begun = _REPETITIONS.match(text)
            reason = text[begun.end() :] if begun else text
            when = begun.group().removesuffix(": ") if begun else ""
            found.setdefault((mark, reason, remedy), []).append((row["contender"], when))
    first = {remedy: key for key in reversed(found) if (remedy := key[2])}
    return [
        Told(
            mark=mark,
            who=_who(whose, rows=len(rows)),
            text=reason,
            remedy=remedy if first.get(remedy) == (mark, reason, remedy) else "",
        )
        for (mark, reason, remedy), whose in found.items()
    ]


def _of_row(row: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    yield from zip(row["reason_marks"], row["reasons"], row["remedies"], strict=True)
    yield from ((SIGN, limit, "") for limit in row["limits"])
    if row["blocking"]:
        yield "", row["blocking"]["text"], ""


def _who(whose: Sequence[tuple[str, str]], *, rows: int) -> str:
    """Return names, such as "a in repetitions 2 and 3; b in 3"."""
    if not any(when for _, when in whose):
        names = [name for name, _ in whose]
        return "all" if len(names) == rows > 1 else fmt.listed(names)
    told: list[str] = []
    for name, when in whose:
        # the word stands once, at the first
        shown = when.split(" ", 1)[-1] if told else when
        told.append(f"{name} in {shown}" if when else name)
    return "; ".join(told)
