"""What each kind of work teaches of the five pools, in sentences that follow the numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from poolbench.jobs import JOB_KINDS, STAND_IN
from poolbench.pools import POOLS
from report.rows.comparable import Entry
from report.verdicts.capacity import judge
from tests.entries import around


def entries(*, solo: float = 10.0, **times: float) -> list[Entry]:
    """Return solo, and of each named pool four slots that do so many times its work."""
    found = [around("solo", solo)]
    return found + [around(f"{pool}-4", solo * by) for pool, by in times.items()]


def said(kind: str, found: list[Entry]) -> str:
    """Return the verdict's text."""
    return judge(found, workload=kind, kind=kind).text


@pytest.mark.parametrize(
    ("kinds", "times", "start"),
    [
        pytest.param(
            ("cpu.primes", "cpu.json"),
            {"prefork": 1.95, "threads": 0.98, "gevent": 0.99, "asyncio": 1.0},
            "Threads, gevent and asyncio are no faster than one for `{kind}`: the GIL lets one run "
            "at a time. prefork-4 is fastest: 1.9", id="one-interpreter-computes-for-one-job",
        ),
        pytest.param(
            ("cpu.sha256", "cpu.zlib"),
            {"prefork": 1.95, "threads": 1.9, "gevent": 0.99, "asyncio": 1.0},
            "Threads run side by side for `{kind}`, which releases the GIL while it computes. "
            "gevent and asyncio are no faster than one: all their jobs share one thread.",
            id="a-released-gil-helps-threads-and-no-single-thread",
        ),
        pytest.param(
            ("cpu.primes",), {"prefork": 1.95, "asyncio": 1.0},
            "asyncio is no faster than one for `{kind}`: all its jobs share one thread.",
            id="grammar-follows-the-count",
        ),
        pytest.param(
            ("io.sleep", "io.http", "io.redis"),
            {"prefork": 4.0, "threads": 4.0, "gevent": 3.9, "asyncio": 4.0},
            "While one job waits, others run. ", id="waits-overlap-in-every-pool",
        ),
        pytest.param(
            ("io.file",), {"prefork": 3.1, "threads": 3.0, "gevent": 1.0, "asyncio": 0.98},
            "While one job reads and writes, others run in prefork and threads, but not in gevent "
            "and asyncio: it blocks the one thread that all their jobs share.",
            id="a-disk-is-waited-for-by-threads-and-not-by-a-loop",
        ),
        pytest.param(
            ("io.file",), {"prefork": 1.0, "threads": 0.99, "gevent": 1.0, "asyncio": 0.99},
            "prefork, threads, gevent and asyncio are no faster than one for `{kind}`. "
            "No difference between", id="a-disk-that-serves-one-at-a-time-blames-no-pool",
        ),
        pytest.param(
            ("io.file",), {"threads": 3.0, "gevent": 2.9},
            "While one job reads and writes, others run. ", id="the-numbers-win-over-the-textbook",
        ),
        pytest.param(
            ("mixed.fetch", "mixed.share"),
            {"prefork": 3.8, "threads": 2.0, "gevent": 1.9, "asyncio": 2.1},
            "While one job waits, others run; while one computes, others run in prefork: "
            r"prefork-4 does 1\.8\d × asyncio-4 \[1\.7",
            id="waits-overlap-everywhere-and-the-rest-in-processes",
        ),
        pytest.param(
            # where processes add little, nothing is said of computing
            ("mixed.fetch",), {"prefork": 4.0, "threads": 3.9, "gevent": 3.9, "asyncio": 4.0},
            "While one job waits, others run. (?!.*computes)",
            id="mixed-work-that-hardly-computes",
        ),
        pytest.param(
            ("mixed.share",), {"prefork": 1.9, "threads": 1.0, "gevent": 1.0, "asyncio": 1.0},
            "Threads, gevent and asyncio are no faster than one for `{kind}`: "
            "the GIL lets one run at a time.", id="mixed-work-that-hardly-waits",
        ),
    ],
)  # fmt: skip
def test_what_is_learnt_follows_the_numbers(
    kinds: Sequence[str], times: Mapping[str, float], start: str
) -> None:
    """A sentence for each sort of work, of all pools at once; a cause only where it shows."""
    for kind in kinds:
        assert re.match(start.format(kind=kind), said(kind, entries(**times)))


@pytest.mark.parametrize(
    ("busy_cores", "said_so"),
    [
        (
            0.83,
            "but not in threads: one after the other they already compute for 83 % of the time.",
        ),
        # nobody sampled it, or it mostly waited
        (None, "but not in threads. prefork-4 is fastest"),
        (0.3, "but not in threads. prefork-4 is fastest"),
    ],
)
def test_chatty_work_that_computes_most_of_its_time_says_why(
    busy_cores: float | None, said_so: str
) -> None:
    """What solo's processes spend is the evidence: little is left to wait for."""
    found = entries(prefork=1.9, threads=0.9)
    found[0] = replace(found[0], busy_cores=busy_cores)

    text = said("io.redis", found)

    assert text.startswith(f"While one job waits, others run in prefork, {said_so}")


@pytest.mark.parametrize(
    ("share", "percentage"), [(0.1, "10 %"), (0.83, "83 %"), (None, ""), (0.0, ""), (0.05, "")]
)
def test_a_held_loop_is_told_in_one_sentence(share: float | None, percentage: str) -> None:
    """How much of the time; of one that was hardly held the row tells, and no verdict."""
    found = entries(threads=3.0, asyncio=1.0)
    found[2] = replace(found[2], blocked_share=share)
    sentence = (
        f"`io.file` blocks asyncio's loop: for {percentage} of the time one job blocked it, "
        "and no other job ran."
    )

    text = said("io.file", found)

    assert (sentence in text, "loop" in text) == (bool(percentage), bool(percentage))


def test_a_held_loop_is_a_count_and_needs_no_claim() -> None:
    """Two repetitions compare nothing, and still saw what they saw."""
    found = [
        replace(entry, per_s={0: entry.per_s[0], 1: entry.per_s[1]}, mark="?", blocked_share=0.6)
        for entry in entries(asyncio=1.0)
    ]

    text = said("io.file", found)

    assert "2 repetitions; a claim needs 5." in text
    assert "for 60 % of the time one job blocked it" in text


@pytest.mark.parametrize("kind", sorted(JOB_KINDS.keys() - {STAND_IN}))
def test_every_kind_has_a_lesson_for_all_pools_side_by_side(kind: str) -> None:
    """Nothing in the catalogue is left without a sentence; each names its kind or the wait."""
    times = {name: 2.0 if name == "prefork" else 1.0 for name in POOLS if name != "solo"}

    text = said(kind, entries(**times))

    assert kind in text or "others run in prefork" in text
    assert "prefork-4 is fastest: 2.0" in text
