"""Groups reasons: over the repetitions of a row, and over the rows of a table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from collector.reasons import Reason
from report import format as fmt


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedReason:
    """A reason, with the rows that have it."""

    reason: Reason
    #: "all", or the contenders and their repetitions that have it.
    who: str
    #: The remedy; empty if there is none, or if an earlier reason has the same.
    remedy: str


def by_repetition(found: Iterable[tuple[int, Iterable[Reason]]]) -> list[Reason]:
    """Return each reason once, with the repetitions that have it; ``found`` is by block."""
    known: dict[tuple[str, str, str], Reason] = {}
    for block, reasons in found:
        for one in reasons:
            first = known.setdefault(one.key, one)
            # in a search, several trials of a block may have it
            if block + 1 not in first.repetitions:
                known[one.key] = replace(first, repetitions=(*first.repetitions, block + 1))
    return list(known.values())


def share_reasons(rows: Iterable[tuple[str, Sequence[Reason]]]) -> list[SharedReason]:
    """Return each reason of ``rows`` once, with the contenders that have it."""
    found: dict[tuple[str, str, str], list[tuple[str, Reason]]] = {}
    whole = list(rows)
    for contender, reasons in whole:
        for one in reasons:
            found.setdefault(one.key, []).append((contender, one))
    shared: list[SharedReason] = []
    for whose in found.values():
        first = whose[0][1]
        is_repeated = first.remedy in [one.remedy for one in shared]
        remedy = "" if is_repeated else first.remedy
        shared.append(SharedReason(reason=first, who=_who(whose, rows=len(whole)), remedy=remedy))
    return shared


def _who(whose: Sequence[tuple[str, Reason]], *, rows: int) -> str:
    """Return names, such as "a in repetitions 2 and 3; b in 3"."""
    if not any(one.repetitions for _, one in whose):
        names = [name for name, _ in whose]
        return "all" if len(names) == rows > 1 else fmt.listed(names)
    words: list[str] = []
    for name, one in whose:
        # only the first contender has the noun
        noun = "" if words else "repetition " if len(one.repetitions) == 1 else "repetitions "
        numbers = fmt.listed([*map(str, one.repetitions)])
        words.append(f"{name} in {noun}{numbers}" if numbers else name)
    return "; ".join(words)
