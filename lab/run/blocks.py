"""Which block comes next: as many as were ordered, or as many as narrow intervals take."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence

from collector.run_manifest import Until
from lab.run.state import Run
from report import format as fmt
from report.result import Width
from report.summary import judge_run
from report.verdicts.precision import describe_width, most_blocks_needed, still_wide, widths

#: The first look at the widths is after so many blocks. An end that waits for a narrow interval
#: prefers runs whose spread came out small by chance: from five blocks on such intervals hold the
#: truth in 92 of 100 runs at the worst, from seven on in 93 (tests/unit/test_report_precision.py).
FIRST_LOOK_BLOCKS = 7


def blocks(run: Run) -> Iterator[int]:
    """Give the blocks of a run from 0 on; the next is asked for when one is over.

    With `Experiment.until` none is begun that would end too late if it took as long as the last. An
    end that waits for a width, and never for a difference, favours no contender.
    """
    until = run.experiment.until
    if until is None:
        yield from range(run.experiment.repetitions)
        return
    for block in itertools.count():
        began_s = time.monotonic()
        yield block
        now_s = time.monotonic()
        wide = _still_wide(run, until=until) if block + 1 >= FIRST_LOOK_BLOCKS else None
        if wide == []:
            return
        left_s = run.began_at_s + until.at_most_s - now_s
        if now_s - began_s > left_s:
            return
        if wide:
            run.progress.say(_told(wide, done=block + 1, left_s=left_s))


def _still_wide(run: Run, *, until: Until) -> list[Width]:
    found = widths(judge_run(run.folder), asked=until.half_width)
    return still_wide(found, asked=until.half_width)


def _told(wide: Sequence[Width], *, done: int, left_s: float) -> str:
    needed = most_blocks_needed(wide)
    more = f"about {fmt.counted(needed - done, noun='more block')}" if needed else "no end in sight"
    return f"{describe_width(wide[0])} at the widest; {more}, {fmt.minutes(left_s)} left"
