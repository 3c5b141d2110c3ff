"""What each kind of work teaches of the five pools, in sentences that follow the numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolbench.catalogue import JOB_KINDS
from poolbench.pools import POOLS
from report.rows.comparable import Entry
from report.verdicts.capacity import judge

#: Block to block noise, alike in no two contenders.
_WOBBLE = (1.0, 1.012, 0.991, 1.006, 0.994)


def entries(*, solo: float = 10.0, **times: float) -> list[Entry]:
    """Return solo, and of each named pool four slots that do so many times its work."""
    found = [_entry("solo", slots=1, per_s=solo)]
    return found + [_entry(pool, slots=4, per_s=solo * by) for pool, by in times.items()]


def _entry(pool: str, *, slots: int, per_s: float) -> Entry:
    turn = sum(map(ord, pool)) % len(_WOBBLE)
    wobble = [*_WOBBLE[turn:], *_WOBBLE[:turn]]
    return Entry(
        contender=pool if pool == "solo" else f"{pool}-{slots}",
        pool=pool,
        slots=slots,
        per_s={block: per_s * factor for block, factor in enumerate(wobble)},
        gil_enabled=True,
    )


def said(kind: str, found: list[Entry]) -> str:
    """Return the verdict's text."""
    return judge(found, workload=kind, kind=kind).text


@pytest.mark.parametrize("kind", ["cpu.primes", "cpu.json"])
def test_one_interpreter_computes_for_one_job(kind: str) -> None:
    """Where only processes gain, the GIL is named, for all three pools at once."""
    text = said(kind, entries(prefork=1.95, threads=0.98, gevent=0.99, asyncio=1.0))

    assert text.startswith(
        f"Threads, gevent and asyncio are no faster than one for `{kind}`: "
        "the GIL lets one run at a time. prefork-4 is fastest: 1.9"
    )


@pytest.mark.parametrize("kind", ["cpu.sha256", "cpu.zlib"])
def test_a_released_gil_helps_threads_and_no_single_thread(kind: str) -> None:
    """Threads run side by side; greenlets and coroutines share one thread."""
    text = said(kind, entries(prefork=1.95, threads=1.9, gevent=0.99, asyncio=1.0))

    assert text.startswith(
        f"Threads run side by side for `{kind}`, which releases the GIL while it computes. "
        "gevent and asyncio are no faster than one: all their jobs share one thread."
    )


def test_one_pool_alone_in_its_thread_is_one() -> None:
    """Grammar follows the count."""
    text = said("cpu.primes", entries(prefork=1.95, asyncio=0.99))

    assert "asyncio is no faster than one for `cpu.primes`: all its jobs share one thread." in text


@pytest.mark.parametrize("kind", ["io.sleep", "io.http", "io.redis"])
def test_waits_overlap_in_every_pool(kind: str) -> None:
    """While one waits, others run, whatever a slot is."""
    text = said(kind, entries(prefork=4.0, threads=4.0, gevent=3.9, asyncio=4.0))

    assert text.startswith("While one job waits, others run. ")


def test_chatty_work_that_computes_most_of_its_time_says_why() -> None:
    """What solo's processes spend is the evidence: little is left to wait for."""
    found = entries(prefork=1.9, threads=0.9, gevent=1.0, asyncio=1.0)
    found[0] = replace(found[0], busy_cores=0.83)

    text = said("io.redis", found)

    assert text.startswith(
        "While one job waits, others run in prefork, but not in threads, gevent and asyncio: "
        "one after the other they already compute for 83 % of the time."
    )


@pytest.mark.parametrize("busy_cores", [None, 0.3])
def test_without_that_evidence_no_cause_is_named(busy_cores: float | None) -> None:
    """Nobody sampled it, or it mostly waited."""
    found = entries(prefork=1.9, threads=0.9)
    found[0] = replace(found[0], busy_cores=busy_cores)

    assert "but not in threads. prefork-4 is fastest" in said("io.redis", found)


def test_a_disk_is_waited_for_by_threads_and_not_by_a_loop() -> None:
    """Threads go on, so it is the one thread that stands still."""
    text = said("io.file", entries(prefork=3.1, threads=3.0, gevent=1.0, asyncio=0.98))

    assert text.startswith(
        "While one job reads and writes, others run in prefork and threads, but not in gevent and "
        "asyncio: it blocks the one thread that all their jobs share."
    )


def test_a_disk_that_serves_one_at_a_time_blames_no_pool() -> None:
    """Nobody gains: that is said, and no cause."""
    text = said("io.file", entries(prefork=1.0, threads=0.99, gevent=1.0, asyncio=0.99))

    assert text.startswith(
        "prefork, threads, gevent and asyncio are no faster than one for `io.file`. "
        "No difference between"
    )


def test_a_disk_that_all_wait_for_well_is_told_plainly() -> None:
    """The numbers win over the textbook."""
    text = said("io.file", entries(threads=3.0, gevent=2.9))

    assert text.startswith("While one job reads and writes, others run. ")


@pytest.mark.parametrize("kind", ["mixed.fetch", "mixed.share"])
def test_of_mixed_work_the_wait_overlaps_everywhere_and_the_rest_in_processes(kind: str) -> None:
    """With the figure of processes beside the best that share an interpreter."""
    text = said(kind, entries(prefork=3.8, threads=2.0, gevent=1.9, asyncio=2.1))

    assert text.startswith(
        "While one job waits, others run; while one computes, others run in prefork: "
        "prefork-4 does 1.8"
    )
    assert " × asyncio-4 [1.7" in text


def test_mixed_work_that_hardly_computes_teaches_of_waits_alone() -> None:
    """Where processes add little, nothing is said of computing."""
    text = said("mixed.fetch", entries(prefork=4.0, threads=3.9, gevent=3.9, asyncio=4.0))

    assert text.startswith("While one job waits, others run. ")
    assert "computes" not in text


def test_mixed_work_that_hardly_waits_is_held_by_the_gil() -> None:
    """Where only processes gain, it is as with work that only computes."""
    text = said("mixed.share", entries(prefork=1.9, threads=1.0, gevent=1.0, asyncio=1.0))

    assert text.startswith(
        "Threads, gevent and asyncio are no faster than one for `mixed.share`: "
        "the GIL lets one run at a time."
    )


@pytest.mark.parametrize("share", [0.1, 0.83])
def test_a_held_loop_is_told_in_one_sentence(share: float) -> None:
    """How much of the time, of whichever asyncio contender it was most."""
    found = entries(threads=3.0, asyncio=1.0)
    found[2] = replace(found[2], blocked_share=share)

    assert (
        f"`io.file` blocks asyncio's loop: for {share:.0%} of the time one job blocked it, "
        "and no other job ran."
    ).replace("%", " %") in said("io.file", found)


@pytest.mark.parametrize("share", [None, 0.0, 0.05])
def test_a_loop_that_was_hardly_held_is_not_a_lesson(share: float | None) -> None:
    """The row tells it; the verdict keeps to what matters."""
    found = entries(threads=3.0, asyncio=1.0)
    found[2] = replace(found[2], blocked_share=share)

    assert "loop" not in said("io.file", found)


def test_a_held_loop_is_a_count_and_needs_no_claim() -> None:
    """Two repetitions compare nothing, and still saw what they saw."""
    found = [
        replace(entry, per_s={0: entry.per_s[0], 1: entry.per_s[1]}, mark="?", blocked_share=0.6)
        for entry in entries(asyncio=1.0)
    ]

    text = said("io.file", found)

    assert "2 repetitions; a claim needs 5." in text
    assert "for 60 % of the time one job blocked it" in text


@pytest.mark.parametrize("kind", sorted(JOB_KINDS))
def test_every_kind_has_a_lesson_for_all_pools_side_by_side(kind: str) -> None:
    """Nothing in the catalogue is left without a sentence; each names its kind or the wait."""
    times = {name: 2.0 if name == "prefork" else 1.0 for name in POOLS if name != "solo"}

    text = said(kind, entries(**times))

    assert kind in text or "others run in prefork" in text
    assert "prefork-4 is fastest: 2.0" in text
