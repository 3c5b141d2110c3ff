"""Jobs of a user's app: they end with the last message that they lead to, in any order of lines."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.fold import fold
from collector.job_trees import collect_published, root_executions, trees
from collector.ledger import ledgers
from collector.metrics import executions_ns, responses_ns
from collector.schema import LINE_SCHEMA
from lab.instruments.open_jobs import OpenJobs
from poolbench.errors import PlannedError
from poolbench.summaries import Ledger
from report.trials.slo import by_job


@dataclass(kw_only=True)
class Message:
    """A message of a job, and the states of its executions, one after another."""

    task_id: str = "root"
    states: Sequence[str] = ("SUCCESS",)
    error: str = ""
    #: What its last execution publishes.
    leads_to: Sequence[Message] = field(default_factory=tuple)


def lines_of(root: Message, *, seq: int = 0) -> list[dict[str, Any]]:
    """Return the lines of a job, in the order in which one worker writes them."""
    clock_ns, nonces = itertools.count(1), itertools.count()

    def line(moment: str, message: Message, nonce: int, **more: Any) -> dict[str, Any]:
        known = {"v": 1, "run": "r", "trial": 0, "seq": seq, "kind": "k", "attempt": 0}
        times = {"t_ns": next(clock_ns), "nonce": f"{seq:08x}{nonce:08x}", "due_ns": 0}
        return {**known, **times, "m": moment, "task_id": message.task_id, **more}

    def run(message: Message) -> Iterator[dict[str, Any]]:
        for number, state in enumerate(message.states, start=1):
            nonce, is_last = next(nonces), number == len(message.states)
            yield line("received", message, nonce)
            yield line("started", message, nonce)
            # a retry, or a task that replaces itself, is sent again under its own id
            for other in message.leads_to if is_last else [message]:
                yield line("published", other, nonce)
            if state:
                yield line("finished", message, nonce, state=state)
            if message.error and is_last:
                outcome = {"outcome": "failed", "error": message.error}
                yield line("verdict", message, nonce, **outcome)
        for other in message.leads_to:
            yield from run(other)

    return list(run(root))


def ledger_of(lines: Sequence[dict[str, Any]], *, sent: int = 1) -> Ledger:
    """Return the ledger of a trial with these lines."""
    frame = pl.DataFrame(list(lines), schema=LINE_SCHEMA)
    found = ledgers(fold(frame), sent={0: sent}, published=collect_published([frame]))
    return found[0]


def ended(lines: Sequence[dict[str, Any]]) -> set[int]:
    """Return the jobs that have ended after all these lines."""
    jobs, found = OpenJobs(), set[int]()
    for one in lines:
        (found.add if jobs.take(one) else found.discard)(one["seq"])
    return found


CHAIN = Message(leads_to=[Message(task_id="b", leads_to=[Message(task_id="c")])])
LOST = Message(leads_to=[Message(task_id="b"), Message(task_id="c", states=[""])])

CASES = {
    "plain": (Message(), {"done": 1}),
    "chain": (CHAIN, {"done": 1}),
    "a child is lost": (LOST, {"lost": 1}),
    "a child never came": (Message(leads_to=[Message(task_id="b", states=())]), {"lost": 1}),
    "retried": (Message(states=["RETRY", "RETRY", "SUCCESS"]), {"done": 1, "retried": 2}),
    "a retry never came": (Message(states=["RETRY", ""]), {"lost": 1, "retried": 1}),
    "replaced": (Message(states=["IGNORED", "SUCCESS"]), {"done": 1}),
    "a replacement is lost": (Message(states=["IGNORED", ""]), {"lost": 1}),
    "ignored": (Message(states=["IGNORED"]), {"done": 1}),
    "failed": (Message(states=["FAILURE"]), {"failed": 1}),
    "a child failed": (
        Message(leads_to=[Message(task_id="b", states=["FAILURE"])]),
        {"failed": 1},
    ),
    "failed as planned": (
        Message(states=["FAILURE"], error=f"{PlannedError.__name__}: so"),
        {"failed_as_planned": 1},
    ),
    "revoked child": (
        Message(leads_to=[Message(task_id="b", states=["REVOKED"])]),
        {"failed": 1},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_job_ends_with_all_that_it_leads_to(case: str) -> None:
    """Lost children are lost, and one that failed fails the job; the lab sees the same end."""
    root, expected = CASES[case]
    lines = lines_of(root)

    found = ledger_of(lines)

    counts = {name: getattr(found, name) for name in Ledger.__dataclass_fields__}
    assert {name: count for name, count in counts.items() if count} == {"sent": 1, **expected}
    assert ended(lines) == (set() if found.lost else {0})


def test_duplicates_are_those_of_a_message() -> None:
    """Two messages of a job may have the same attempt; two executions of one are a duplicate."""
    lines = lines_of(CHAIN)
    twice = [{**one, "nonce": "f" * 16} for one in lines if one["task_id"] == "c"]
    again = [one for one in twice if one["m"] != "published"]

    assert ledger_of(lines).duplicated == 0
    assert ledger_of([*lines, *again]).duplicated == 1


def test_the_root_is_what_was_received_first() -> None:
    """Its executions have the time when the whole job has ended."""
    lines = lines_of(CHAIN)
    frame = pl.DataFrame(lines, schema=LINE_SCHEMA)
    records = fold(frame)

    jobs = trees(records, published=collect_published([frame]))
    roots = root_executions(records, jobs=jobs)

    assert roots["task_id"].to_list() == ["root"]
    assert roots["job_ended_ns"].to_list() == [records["finished_ns"].max()]
    assert jobs.select("messages", "executions").row(0) == (3, 3)


MESSAGES: st.SearchStrategy[Message] = st.deferred(
    lambda: st.builds(
        Message,
        states=st.sampled_from([["SUCCESS"], ["RETRY", "SUCCESS"], ["FAILURE"], [""], ["IGNORED"]]),
        leads_to=st.lists(MESSAGES, max_size=3),
    )
)


def numbered(root: Message) -> Message:
    """Return a tree in which each message has an id of its own."""
    numbers = itertools.count()

    def named(message: Message) -> Message:
        task_id = f"id-{next(numbers)}"
        children = [named(one) for one in message.leads_to]
        return Message(task_id=task_id, states=message.states, leads_to=children)

    return named(root)


@settings(max_examples=40, deadline=None)
@given(roots=st.lists(MESSAGES, min_size=1, max_size=4), seed=st.integers(0, 99))
def test_the_ledger_closes_whatever_the_order_of_lines(roots: list[Message], seed: int) -> None:
    """Each job has one end, or is lost if any of its messages has none."""

    def is_whole(message: Message) -> bool:
        return all(message.states) and all(map(is_whole, message.leads_to))

    trees_ = [numbered(root) for root in roots]
    lines = [line for seq, root in enumerate(trees_) for line in lines_of(root, seq=seq)]
    # other workers' lines may come first, and a line that was stored twice counts once
    random.Random(seed).shuffle(lines)

    found = ledger_of([*lines, *lines[:3]], sent=len(roots))

    assert found.lost == sum(not is_whole(root) for root in trees_)
    assert found.sent == found.done + found.failed + found.lost
    assert found.duplicated == 0


@settings(max_examples=40, deadline=None)
@given(root=MESSAGES)
def test_the_lab_sees_no_end_before_the_last_message(root: Message) -> None:
    """In the order of one worker's lines, a job that has ended stays so."""
    lines = lines_of(numbered(root))
    whole = ended(lines)

    seen = [ended(lines[:count]) for count in range(1, len(lines))]

    # only the lines after the last end may follow: none does
    assert not any(seen)
    assert whole == (set() if ledger_of(lines).lost else {0})


def test_figures_are_those_of_whole_jobs() -> None:
    """A response ends with the last execution; wait and execution are those of the first."""
    lines = [line for seq in range(3) for line in lines_of(CHAIN, seq=seq)]
    frame = pl.DataFrame(lines, schema=LINE_SCHEMA)
    records = fold(frame)
    jobs = trees(records, published=collect_published([frame]))

    roots = root_executions(records, jobs=jobs)

    assert len(executions_ns(roots)) == 3
    assert max(responses_ns(roots)) == records["finished_ns"].max()
    assert by_job(roots)["response_ns"].to_list() == [records["finished_ns"].max()] * 3
