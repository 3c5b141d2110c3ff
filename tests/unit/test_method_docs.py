"""docs/method.md: its worked examples come out as they are printed."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from poolbench.records import TrialPlan
from producer.arrivals import ARRIVALS
from report.doubts import CEILING_DRIFT
from report.stats import CLAIM_BLOCKS, UNSTABLE_SPREAD

METHOD = Path(__file__).resolve().parents[2] / "docs" / "method.md"


def test_examples_come_out_as_printed() -> None:
    """A reader who repeats a session sees the same numbers."""
    found = doctest.testfile(str(METHOD), module_relative=False, encoding="utf-8")

    assert found.attempted > 20
    assert found.failed == 0


def test_every_way_to_arrive_is_explained() -> None:
    """One row each in its table."""
    text = METHOD.read_text(encoding="utf-8")

    assert re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE) == list(ARRIVALS)
    assert TrialPlan.__dataclass_fields__["arrivals"].default in ARRIVALS


def test_bounds_are_those_of_the_code() -> None:
    """The numbers that a reader relies on."""
    text = METHOD.read_text(encoding="utf-8")

    assert (CLAIM_BLOCKS, UNSTABLE_SPREAD, CEILING_DRIFT) == (5, 0.10, 0.10)
    assert "over 10 % of their mean" in text
    assert "Five blocks at least" in text
