"""What docs say of methods, experiments and free-threading is what the code does."""

from __future__ import annotations

import doctest
import re

from lab.experiment.arrivals import CURVE_SHARES, MAX_STRETCH, MIN_JOBS
from lab.experiment.interpreter import FREE_THREADED, FREE_THREADED_PYTHON, REMEDY
from lab.experiment.stopping_rule import DEFAULT_BUDGET_S
from lab.run.blocks import FIRST_LOOK_BLOCKS
from lab.run.rate_search import MAX_STEPS, MAX_TRIALS, START_SHARE
from lab.run.trial_sequences import MAX_REPEATS
from lab.system.paths import ROOT
from poolbench.records import TrialPlan
from producer.arrivals import ARRIVALS
from report.rows.offered_load import ROW_SHARE
from report.statistics.ratios import CLAIM_BLOCKS
from report.statistics.stability import DRIFT_BOUND, DRIFT_LEVEL
from report.trials.disturbances import (
    CEILING_DRIFT,
    CLOCK_STEP_BOUND_S,
    FOREIGN_CPU_BOUND,
    STOLEN_CPU_BOUND,
)
from report.trials.slo import (
    BEHIND_SHARE,
    FEW_LATE,
    LAST_SHARE,
    LATE_S,
    LATE_SHARE,
    MAX_LATE_SHARE,
    RESOLUTION,
)

DOCS = ROOT / "docs"
METHOD = DOCS / "method.md"


def test_examples_come_out_as_printed() -> None:
    """A reader who repeats a session sees the same numbers."""
    found = doctest.testfile(str(METHOD), module_relative=False, encoding="utf-8")

    assert found.attempted > 20
    assert found.failed == 0


def test_every_way_to_arrive_is_explained() -> None:
    """One row each in its table."""
    text = METHOD.read_text(encoding="utf-8")

    table = text.partition("| arrivals |")[2].partition("\n\n")[0]

    assert re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE) == list(ARRIVALS)
    assert TrialPlan.__dataclass_fields__["arrivals"].default in ARRIVALS


def test_bounds_are_those_of_the_code() -> None:
    """The numbers that a reader relies on: of repetitions, of loads, of a search."""
    text = " ".join(METHOD.read_text(encoding="utf-8").split())

    assert (CLAIM_BLOCKS, CEILING_DRIFT) == (5, 0.10)
    assert (DRIFT_BOUND, DRIFT_LEVEL) == (0.10, 0.01)
    assert (FOREIGN_CPU_BOUND, STOLEN_CPU_BOUND) == (0.10, 0.10)
    assert (CLOCK_STEP_BOUND_S, FIRST_LOOK_BLOCKS, DEFAULT_BUDGET_S) == (0.001, 7, 900)
    assert (LATE_S, LATE_SHARE, MAX_LATE_SHARE, FEW_LATE) == (0.05, 0.1, 0.01, 2)
    assert (BEHIND_SHARE, LAST_SHARE, RESOLUTION) == (0.05, 0.1, 0.05)
    assert (MAX_STEPS, MAX_TRIALS, MIN_JOBS, MAX_STRETCH, MAX_REPEATS) == (12, 20, 100, 3, 3)
    assert (START_SHARE, ROW_SHARE) == (0.9, 0.8)
    shares = ", ".join(f"{share * 100:g}" for share in CURVE_SHARES)
    for said in (
        "A claim needs five repetitions",
        "would occur in only 1 of 100 rows",
        "other processes took over 10 %",
        "gave over 10 % of its CPU to others",
        "the clock was set by over 1 ms",
        "checks the widths from the seventh repetition on",
        "(default: 15 minutes;",
        shares.replace(", 105", " and 105 %"),
    ):
        assert said in text


def test_free_threading_is_set_up_as_the_page_says() -> None:
    """The commands that a run prints, the word, the place, the variable and the pins."""
    page = (DOCS / "free-threading.md").read_text(encoding="utf-8")
    folder = FREE_THREADED_PYTHON.parts[0]

    for words in (
        *REMEDY.removeprefix("run ").split(", then "),
        f'interpreter = "{FREE_THREADED}"',
        str(FREE_THREADED_PYTHON),
        "POOLBENCH_FREE_THREADED",
    ):
        assert words in page
    assert (ROOT / "requirements" / "free-threaded.txt").exists()
    assert f"FREE   := {folder}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"{folder}/\n" in (ROOT / ".gitignore").read_text(encoding="utf-8")
