"""What a verdict is given: contenders that never ran, with figures as a test needs them."""

from __future__ import annotations

from report.rows.comparable import Entry
from report.statistics.ratios import Ratio, paired_ratio
from tests.summaries import known

#: Block to block noise, alike in no two contenders.
_WOBBLE = (1.0, 1.012, 0.991, 1.006, 0.994)


def entry(
    name: str,
    *per_s: float,
    mark: str = "",
    control_of: str = "",
    gauged_s: float = 0.0,
) -> Entry:
    """Return a contender named ``pool-slots`` or ``…-nogil`` with a figure for each block from 0.

    ``gauged_s`` is what a job costs without Celery, in each of the blocks.
    """
    pool, _, rest = (control_of or name).partition("-")
    slots = rest.partition("-")[0]
    gauged = zip(range(len(per_s)), _wobbling(name, gauged_s, blocks=len(per_s)), strict=True)
    return Entry(
        contender=name,
        pool=pool,
        slots=int(slots) if slots.isdecimal() else 1,
        per_s=dict(enumerate(per_s)),
        mark=mark,
        control_of=control_of,
        gil_enabled=not name.endswith("-nogil"),
        gauged_s={block: cost_s for block, cost_s in gauged if gauged_s},
    )


def around(
    name: str, per_s: float, *, blocks: int = 5, mark: str = "", gauged_s: float = 0.0
) -> Entry:
    """Return an `entry` whose blocks lie around ``per_s``."""
    return entry(name, *_wobbling(name, per_s, blocks=blocks), mark=mark, gauged_s=gauged_s)


def ratio_of(*values: float) -> Ratio:
    """Return the ratio of blocks with these ratios."""
    return known(
        paired_ratio(dict(enumerate(values)), theirs=dict.fromkeys(range(len(values)), 1.0))
    )


def _wobbling(name: str, value: float, *, blocks: int) -> list[float]:
    turn = sum(map(ord, name))
    return [value * _WOBBLE[(turn + block) % len(_WOBBLE)] for block in range(blocks)]
