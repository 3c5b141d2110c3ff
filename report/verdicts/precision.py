"""Widths of the intervals of a run's verdicts, and blocks needed for narrower ones. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from collector.run_manifest import Until
from report import format as fmt
from report.result import Precision, Verdict, Width
from report.statistics import student_t
from report.statistics.ratios import CLAIM_BLOCKS, Ratio

#: Larger numbers are not predicted: over days, a machine's speed changes for other reasons.
MOST_BLOCKS = 1_000


def widths(verdicts: Iterable[Verdict], *, asked: float) -> list[Width]:
    """Return the widths of all verdicts with a comparison, of a mix by part.

    ``asked`` is a half-width as a share.
    """
    return [
        Width(
            workload=f"{verdict.workload}/{verdict.part}" if verdict.part else verdict.workload,
            contender=verdict.ahead,
            against=verdict.against,
            half_width=verdict.ratio.half_width,
            blocks=verdict.ratio.blocks,
            blocks_needed=blocks_needed(verdict.ratio, asked=asked),
        )
        for whole in verdicts
        # at a rate, the verdict on the whole mix is that on its first part
        for verdict in (*([] if whole.part else [whole]), *whole.parts)
        if verdict.ratio and verdict.ahead and verdict.against
    ]


def describe_width(width: Width) -> str:
    """Return the width as text: ``cpu.primes (prefork-4 against solo) ± 4.1 %``."""
    half = f"± {fmt.percent(width.half_width)}" if width.half_width is not None else "unknown"
    return f"{width.workload} ({width.contender} against {width.against}) {half}"


def blocks_needed(ratio: Ratio, *, asked: float) -> int | None:
    """Return the number of blocks that narrows a ratio's interval to ± ``asked``, a share.

    It assumes the spread from block to block that was measured, and the level of the ratio's own
    interval. None without a claim, and if more than `MOST_BLOCKS` blocks are needed.
    """
    if not ratio.log_error or ratio.freedom is None or ratio.half_width is None:
        return None
    spread = ratio.log_error * math.sqrt(ratio.blocks)
    reach = math.log1p(asked)
    level = student_t.cdf(math.log1p(ratio.half_width) / ratio.log_error, freedom=ratio.freedom)
    for blocks in range(CLAIM_BLOCKS, MOST_BLOCKS + 1):
        freedom = ratio.freedom * (blocks - 1) / (ratio.blocks - 1)
        bound = student_t.quantile(level, freedom=freedom)
        if bound * spread / math.sqrt(blocks) <= reach:
            return blocks
    return None


def still_wide(found: Sequence[Width], *, asked: float) -> list[Width]:
    """Return the widths above ``asked``, the widest first."""
    return sorted(
        (one for one in found if one.half_width is None or one.half_width > asked),
        key=lambda one: -(math.inf if one.half_width is None else one.half_width),
    )


def describe(
    asked: Until, *, verdicts: Iterable[Verdict], blocks: int, is_finished: bool
) -> Precision:
    """Return the precision that `--until` asked for, and whether the run reached it.

    Args:
        asked: the requested half-width and time limit.
        verdicts: the run's verdicts.
        blocks: number of complete blocks.
        is_finished: whether the run ended without an interruption.
    """
    assert asked.half_width is not None, "a run that ends by time alone asks for no width"
    found = widths(verdicts, asked=asked.half_width)
    wide = still_wide(found, asked=asked.half_width)
    is_reached = bool(found) and not wide and blocks >= CLAIM_BLOCKS
    goal = f"Asked for intervals of ± {fmt.percent(asked.half_width)}"
    done = fmt.counted(blocks, noun="repetition")
    if is_reached:
        text = f"{goal}: reached after {done}."
    elif not found:
        text = f"{goal}, and nothing could be compared."
    else:
        end = f"not reached in {done}" if is_finished else f"stopped after {done}"
        text = f"{goal} within {fmt.minutes(asked.at_most_s)}: {end}. {_wide_words(wide)}"
        text += _time_words(wide, done=blocks, block_s=asked.block_s)
    return Precision(
        half_width=asked.half_width,
        at_most_s=asked.at_most_s,
        is_reached=is_reached,
        widths=tuple(found),
        text=text,
    )


def _wide_words(wide: Sequence[Width]) -> str:
    words = [
        f"{describe_width(one)}, about {fmt.counted(one.blocks_needed, noun='repetition')}"
        if one.blocks_needed
        else describe_width(one)
        for one in wide
    ]
    return f"Still wide: {'; '.join(words)}."


def _time_words(wide: Sequence[Width], *, done: int, block_s: float | None) -> str:
    needed = most_blocks_needed(wide)
    if needed is None or block_s is None or needed <= done:
        return ""
    return f" That would be about {fmt.minutes((needed - done) * block_s)} more."


def most_blocks_needed(found: Iterable[Width]) -> int | None:
    """Return the largest number of blocks needed; None if one of them is unknown."""
    needed = [one.blocks_needed for one in found]
    known = [blocks for blocks in needed if blocks is not None]
    return max(known) if known and len(known) == len(needed) else None
