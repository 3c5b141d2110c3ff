"""Decides whether a run continues: by number, by time, or by the widths of its intervals."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence

from lab.run.state import Run
from report import format as fmt
from report.result import Width
from report.summary import judge_run
from report.verdicts.precision import describe_width, most_blocks_needed, still_wide, widths

#: Blocks before the widths are first checked. A rule that stops at a narrow interval prefers runs
#: whose spread is small by chance: checked after each block from the fifth on, the intervals
#: contain the true ratio in 92 of 100 runs in the worst case, from the seventh on in 93
#: (tests/unit/report/verdicts/test_precision.py).
FIRST_LOOK_BLOCKS = 7


def blocks(run: Run) -> Iterator[int]:
    """Yield the numbers of a run's blocks, from 0; advance only when a block has ended.

    With `Experiment.until`, no block starts that would exceed the time limit if it took as long as
    the longest so far, from the experiment's number of repetitions on. The rule uses times and
    widths and never differences, so it favors no contender.
    """
    until, least = run.experiment.until, run.experiment.repetitions
    if until is None:
        yield from range(least)
        return
    for block in itertools.count():
        yield block
        wide = None
        if until.half_width is not None and block + 1 >= FIRST_LOOK_BLOCKS:
            wide = _still_wide(run, asked=until.half_width)
            if not wide:
                return
        left_s = run.began_at_s + until.at_most_s - time.monotonic()
        if block + 1 >= least and max(run.blocks_s) > left_s:
            return
        if wide:
            run.progress.print_line(_width_text(wide, done=block + 1, left_s=left_s))


def _still_wide(run: Run, *, asked: float) -> list[Width]:
    return still_wide(widths(judge_run(run.folder), asked=asked), asked=asked)


def _width_text(wide: Sequence[Width], *, done: int, left_s: float) -> str:
    needed = most_blocks_needed(wide)
    more = "blocks needed: unknown"
    if needed:
        more = f"about {fmt.counted(needed - done, noun='more block')}"
    return f"{describe_width(wide[0])} at the widest; {more}, {fmt.minutes(left_s)} left"
