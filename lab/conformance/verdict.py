"""What one pool did with one row in all tries: the worst outcome, and how often it was seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.conformance.finding import Finding, Outcome

#: Outcomes by how bad they are; a try that gave no verdict says nothing beside one that did.
WORST_FIRST = (Outcome.BREAKS, Outcome.IGNORED, Outcome.WORKS, Outcome.NOT_TRIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one pool was seen to do with one row, in one try or more."""

    #: Of the first try with the worst outcome.
    finding: Finding
    #: Tries by outcome, the worst first; only outcomes that were seen.
    outcomes: Mapping[Outcome, int]

    def __post_init__(self) -> None:
        counts = self.outcomes.values()
        if self.finding.outcome not in self.outcomes or not all(
            isinstance(count, int) and count > 0 for count in counts
        ):
            raise ValueError(f"outcomes = {dict(self.outcomes)} is invalid: tries by outcome")

    @property
    def outcome(self) -> Outcome:
        """Return the worst outcome."""
        return self.finding.outcome

    @property
    def tries(self) -> int:
        """Return how many tries there were."""
        return sum(self.outcomes.values())

    @property
    def count(self) -> str:
        """Return how many tries had the worst outcome, ``5 of 20``; empty for a single try."""
        return f"{self.outcomes[self.outcome]} of {self.tries}" if self.tries > 1 else ""

    @property
    def word(self) -> str:
        """Return the worst outcome with its count: ``breaks 5 of 20``."""
        return f"{self.outcome} {self.count}".rstrip()

    def tell(self) -> str:
        """Return every outcome with its count: ``breaks 5 of 20, works 15 of 20``."""
        if self.tries == 1:
            return self.word
        return ", ".join(f"{one} {count} of {self.tries}" for one, count in self.outcomes.items())


def judge_tries(findings: Sequence[Finding]) -> Verdict:
    """Return the verdict on one try or more, in their order.

    Raises:
        ValueError: if there is none.
    """
    worst = min(findings, key=lambda one: WORST_FIRST.index(one.outcome))
    seen = Counter(one.outcome for one in findings)
    return Verdict(finding=worst, outcomes={one: seen[one] for one in WORST_FIRST if seen[one]})
