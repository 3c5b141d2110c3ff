"""Pure: a throughput from the lengths of a queue, for jobs that leave no records.

It is that of the queue's middle: from when a tenth of the backlog is fetched, and more than a
worker reserves before its slots are busy, to the last moment at which jobs are still in it. Within
that a job is fetched for each that is done, so both have one rate; it is a rate of fetching all the
same, and no account of jobs done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from collector.metrics import Figures

#: Part of the backlog that is left out at the beginning.
START_SHARE = 0.1

#: Jobs that must be fetched in the middle: fewer are a matter of single jobs.
MIN_JOBS = 50

#: What a row says that comes from here, and whose jobs left no records.
UNACCOUNTED = "measured from the queue; its jobs are not accounted for"

_NS_PER_S = 1_000_000_000


def fetched_per_s(
    lengths: Sequence[tuple[int, int]], *, count: int, reserved: int
) -> tuple[float | None, str]:
    """Return the jobs fetched a second in the queue's middle, or None and why.

    Args:
        lengths: (Unix ns, jobs in the queue), ascending in time.
        count: jobs of the backlog.
        reserved: jobs that are fetched before the slots are busy, at the most.
    """
    left_out = max(START_SHARE * count, reserved)
    middle = [(t_ns, length) for t_ns, length in lengths if 0 < length <= count - left_out]
    if len(middle) < 2:
        return None, "no throughput: the queue was not seen in its middle twice"
    (from_ns, longest), (to_ns, shortest) = middle[0], middle[-1]
    fetched, span_ns = longest - shortest, to_ns - from_ns
    if fetched < MIN_JOBS or span_ns <= 0:
        return (
            None,
            f"no throughput: {fetched} jobs left the queue's middle, and it takes {MIN_JOBS}",
        )
    return fetched * _NS_PER_S / span_ns, ""


def figures_of_queue(plan: Mapping[str, Any], *, records: Figures) -> Figures:
    """Return a trial's figures with the throughput of its queue in place of that of its records.

    In a run in which some contender leaves no records, all are measured so: like is compared with
    like. ``plan`` is the manifest's entry of the trial.
    """
    per_s, reason = fetched_per_s(
        plan["queue_lengths"], count=plan["sent"], reserved=plan["reserved"]
    )
    return replace(records, throughput_per_s=per_s, reasons=tuple(filter(None, [reason])))
