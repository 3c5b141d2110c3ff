"""The collector's service on a real server: from a producer's run and its lines to what is told."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import redis

from collector.active_run import UPDATE_EVERY_S
from collector.ingest import Ingest
from collector.run_hash import RunHash, read_run_hash
from collector.service import RETRY_S, WAKE_EVERY_S, Service
from collector.store import RunFolder
from poolbench.errors import StorageError
from poolbench.keys import RUNS, records_stream, run_key, sent_field, summary_key, worker_key
from poolbench.machine import boot_id
from poolbench.records import TrialPlan
from poolbench.summaries import Ledger
from report.build import write_reports
from tests.wire import encode_line, stored_lines

MS = 1_000_000
#: The first due time of a test's runs, Unix ns.
DUE_NS = 1_800_000_000_000_000_000


class Stack:
    """A producer and a worker in words: what they leave in Redis, and the service beside them."""

    def __init__(self, client: redis.Redis, results_dir: Path) -> None:
        self.client = client
        self.results_dir = results_dir
        #: The service's time, which a test moves, so that nothing waits.
        self.now_s = 0.0
        self.service = self.new_service()

    def new_service(self) -> Service:
        """Return a service as one that has just started."""
        folder = self.results_dir
        return Service(self.client, results_dir=folder, address="here", clock=lambda: self.now_s)

    def open_run(self, run: str, *, slots: int = 2, kind: str = "io.sleep", **plan: Any) -> None:
        """Write a run's hash as the producer does."""
        parameters = {"delay_ms": 1.0}
        trial = TrialPlan(
            trial=0, contender="threads", pool="threads", slots=slots, kind=kind,
            parameters=parameters, **plan,
        )  # fmt: skip
        trials = json.dumps([asdict(trial)])
        self.client.hset(run_key(run), "created_ns", DUE_NS)
        self.client.hset(run_key(run), mapping={"source": "producer", "trials": trials})
        self.client.zadd(RUNS, {run: time.time()})

    def send(self, run: str, count: int, *, is_all: bool = True) -> None:
        """Count jobs as sent."""
        self.client.hincrby(run_key(run), sent_field(0), count)
        if is_all:
            self.client.hset(run_key(run), "sent_all_ns", DUE_NS)

    def work(self, run: str, *seqs: int, due_ns: int = DUE_NS, **more: Any) -> None:
        """Run jobs: each starts 1 ms after the one before and takes 2 ms."""
        for seq in seqs:
            common = {
                "v": 1, "run": run, "trial": 0, "seq": seq, "nonce": f"{seq} {more}",
                "attempt": 0, "due_ns": due_ns, "sent_ns": due_ns, "boot_id": boot_id(), **more,
            }  # fmt: skip
            start_ns = due_ns + seq * MS
            moments = {"received": 0, "started": MS, "finished": 3 * MS}
            lines = [
                encode_line({**common, "m": m, "t_ns": start_ns + at, "state": "SUCCESS"})
                for m, at in moments.items()
            ]
            self.client.xadd(records_stream(run), {"lines": b"".join(lines)})

    def finish(self, run: str, jobs: int = 1, **plan: Any) -> None:
        """Open a run, send and run its jobs, and let the service do a round."""
        self.open_run(run, **plan)
        self.send(run, jobs)
        self.work(run, *range(jobs))
        self.round()

    def round(self, after_s: float = UPDATE_EVERY_S) -> None:
        """Let time pass and the service do a round, and its next where more waits."""
        self.now_s += after_s
        while self.service.round():
            self.now_s += UPDATE_EVERY_S

    def restart(self) -> None:
        """Let a new service take the place of the present one, and do its first round."""
        self.service.close()
        self.service = self.new_service()
        self.round()

    def summary(self, run: str) -> dict[str, Any]:
        """Return what is published."""
        text = self.client.get(summary_key(run))
        assert isinstance(text, str), f"nothing is published of {run}"
        found: dict[str, Any] = json.loads(text)
        return found

    def trial(self, run: str) -> dict[str, Any]:
        """Return what is published of the run's one trial."""
        (trial,) = self.summary(run)["trials"]
        found: dict[str, Any] = trial
        return found

    def folder(self, run: str) -> RunFolder:
        """Return the run's folder."""
        return RunFolder(self.results_dir / run)


@pytest.fixture
def stack(client: redis.Redis, results_dir: Path) -> Iterator[Stack]:
    """A stack of words on the session's server."""
    found = Stack(client, results_dir)
    yield found
    found.service.close()


def test_run_from_its_first_job_to_its_closed_ledger(stack: Stack, run_id: str) -> None:
    """Sending, running, closed: the states in order, and the ledger beside them.

    Redis doesn't fill with the summaries of months.
    """
    stack.open_run(run_id, count=12)
    stack.send(run_id, 5, is_all=False)
    stack.work(run_id, *range(5))
    stack.round()
    sending = stack.summary(run_id)
    stack.send(run_id, 7)
    stack.work(run_id, *range(5, 10))
    stack.round()
    running = stack.summary(run_id)
    stack.work(run_id, 10, 11)
    stack.round()

    closed = stack.summary(run_id)
    states = [
        (found["state"], found["trials"][0]["ledger"]["done"])
        for found in (sending, running, closed)
    ]
    assert states == [("sending", 5), ("running", 10), ("closed", 12)]
    assert closed["trials"][0]["ledger"] == asdict(Ledger(sent=12, done=12))
    assert closed["trials"][0]["mark"] == ""
    assert 86_000 < stack.client.ttl(summary_key(run_id)) <= 86_400


def test_closed_run_leaves_a_whole_folder(stack: Stack, run_id: str) -> None:
    """Records and manifest are there when "closed" is told, for the same report as of a lab run."""
    stack.finish(run_id, 12)

    folder, manifest = stack.folder(run_id), stack.folder(run_id).read_manifest()
    assert folder.read_jobs()["outcome"].to_list() == ["done"] * 12
    assert (manifest.run, manifest.source, manifest.state) == (run_id, "producer", "finished")
    assert manifest.created_ns == DUE_NS
    assert manifest.trials[0].result.sent == 12
    assert stack.client.xlen(records_stream(run_id)) == 0
    (row,) = write_reports(folder.path).rows
    assert (row.name, row.ledger.done) == ("threads/io.sleep", 12)
    assert row.throughput_per_s
    assert row.throughput_per_s.median == pytest.approx(1_000)


def test_silence_while_jobs_are_missing_is_a_stall_until_lines_come(
    stack: Stack, run_id: str
) -> None:
    """Stalled after 30 s without a line; a late line makes it running, and the end closes it."""
    stack.open_run(run_id)
    stack.send(run_id, 3)
    stack.work(run_id, 0)
    stack.round()
    stack.round(after_s=31)
    stalled = stack.summary(run_id)
    manifest = stack.folder(run_id).read_manifest()
    stack.work(run_id, 1)
    stack.round()
    again = stack.summary(run_id)
    stack.work(run_id, 2)
    stack.round()

    assert stalled["state"] == "stalled"
    assert stalled["trials"][0]["mark"] == "!"
    assert stalled["trials"][0]["reasons"][0] == "2 of 3 jobs lost"
    assert manifest.state == "unfinished"
    assert (again["state"], stack.summary(run_id)["state"]) == ("running", "closed")
    assert stack.folder(run_id).read_manifest().state == "finished"
    assert stack.folder(run_id).read_jobs().height == 3


def test_long_jobs_and_slow_arrivals_are_no_stall(stack: Stack, run_id: str) -> None:
    """A job a minute is a minute without a line."""
    stack.open_run(run_id, rate_per_s=1 / 60, arrivals="constant", count=9)
    stack.send(run_id, 1, is_all=False)
    stack.round()
    stack.round(after_s=90)

    assert stack.summary(run_id)["state"] == "sending"


def test_late_duplicate_is_noticed_after_the_run_closed(stack: Stack, run_id: str) -> None:
    """A job that runs again when its run rests already makes the trial invalid."""
    stack.finish(run_id, 2)
    stack.round(after_s=100)
    assert stack.service._active == {}

    stack.work(run_id, 1, kind="again")
    stack.round(after_s=WAKE_EVERY_S)

    assert stack.trial(run_id)["ledger"]["duplicated"] == 1
    assert stack.trial(run_id)["mark"] == "!"
    assert stack.folder(run_id).read_jobs().height == 3


def test_service_that_starts_anew_goes_on(stack: Stack, run_id: str) -> None:
    """What the folder holds isn't in the stream any more, and is in the figures all the same."""
    stack.open_run(run_id)
    stack.send(run_id, 4)
    stack.work(run_id, 0, 1)
    stack.round()
    stack.work(run_id, 2, 3)

    stack.restart()

    assert stack.trial(run_id)["ledger"]["done"] == 4
    assert stack.summary(run_id)["state"] == "closed"


def test_service_that_starts_anew_leaves_ended_runs_alone(stack: Stack, run_id: str) -> None:
    """A hundred old runs aren't read again at each start, and their intervals are still known."""
    stack.finish(run_id)

    stack.restart()

    assert stack.service._active == {}
    assert stack.service._intervals.keys() == stack.service._resting == {run_id}


def test_lines_stored_by_a_collector_that_was_killed_then_are_folded(
    stack: Stack, run_id: str
) -> None:
    """A late line is in the folder and its records are not: the next collector sees that."""
    stack.finish(run_id)
    stack.service.close()
    stack.work(run_id, 0, kind="again")
    with Ingest(stack.client, run=run_id, folder=stack.folder(run_id).path) as ingest:
        ingest.drain()

    stack.restart()

    assert stack.trial(run_id)["ledger"]["duplicated"] == 1
    assert stack.folder(run_id).read_jobs().height == 2


@pytest.mark.parametrize("told", ['{"state": "running"}', '{"state": "odd"}', "[]", "garbled"])
def test_end_that_a_killed_collector_did_not_tell_is_told(
    stack: Stack, run_id: str, told: str
) -> None:
    """The folder is written, and what is published isn't its end: the next collector tells it."""
    stack.finish(run_id)
    stack.client.set(summary_key(run_id), told)

    stack.restart()

    assert stack.summary(run_id)["state"] == "closed"


def test_runs_that_overlap_are_marked_both(stack: Stack) -> None:
    """Two runs at the same time shared the cores; one that came later did not."""
    for run, due_ns in {"one": DUE_NS, "two": DUE_NS + MS, "later": DUE_NS + 10**12}.items():
        stack.open_run(run)
        stack.send(run, 2)
        stack.work(run, 0, 1, due_ns=due_ns)
    stack.round()
    stack.round()

    overlaps = {run: stack.summary(run)["overlapped_by"] for run in ("one", "two", "later")}
    assert overlaps == {"one": ["two"], "two": ["one"], "later": []}
    assert stack.trial("one")["mark"] == "!"
    assert stack.trial("one")["reasons"][0] == "run two had jobs in flight at the same time"
    assert stack.folder("one").read_manifest().overlapped_by == ("two",)


def test_producer_on_the_workers_host_is_believed(stack: Stack, run_id: str) -> None:
    """Where the run tells its sender's boot, the collector's own machine doesn't matter."""
    stack.open_run(run_id)
    stack.client.hset(run_key(run_id), "boot_id", "their machine")
    stack.send(run_id, 10)
    stack.work(run_id, *range(10), boot_id="their machine")
    stack.round()

    assert stack.trial(run_id)["mark"] == ""


def test_workers_tell_of_events_and_slots(stack: Stack, run_id: str) -> None:
    """Events cost throughput, so a summary says that they were on; slots come from the workers.

    Those of several hosts are added up, without another contender's and without garbled keys.
    """
    for worker, text in {
        "h-1": json.dumps({"events": True, "slots": 3}),
        "h-2": json.dumps({"events": False, "slots": 2}),
        **{f"h-{3 + n}": text for n, text in enumerate(("garbled", "", "{", "[]", "3", "null"))},
    }.items():
        stack.client.set(worker_key("threads", worker), text)
    stack.client.set(worker_key("threads-acks", "h-1"), json.dumps({"slots": 9}))
    stack.open_run(run_id, slots=0)
    stack.round()

    assert stack.summary(run_id)["events"] is True
    assert stack.trial(run_id)["slots"] == 5


def test_garbled_lines_are_counted_and_kept(stack: Stack, run_id: str) -> None:
    """The summary says how many; the folder keeps them."""
    stack.open_run(run_id)
    stack.send(run_id, 1)
    stack.client.xadd(records_stream(run_id), {"lines": "rubbish"})
    stack.work(run_id, 0)
    stack.round()

    assert stack.summary(run_id)["rejected_lines"] == 1
    assert "rubbish" in stack.folder(run_id).rejects_path.read_text()


def test_full_disk_is_said_once_and_loses_nothing(
    stack: Stack, run_id: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Patched, since a full disk needs root. The stream keeps all, the summary says why."""
    caplog.set_level(logging.INFO)
    stack.open_run(run_id)
    stack.send(run_id, 1)
    stack.round()
    stack.work(run_id, 0)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("collector.files.os.fsync", full)
    stack.round()
    stack.round(after_s=RETRY_S)
    told = [record.message for record in caplog.records if "No space" in record.message]
    during = stack.trial(run_id)
    monkeypatch.undo()
    stack.round(after_s=RETRY_S)

    assert len(told) == 1
    assert "No space left on device. Free some space" in during["reasons"][0]
    assert during["mark"] == "!"
    assert stack.trial(run_id)["ledger"]["done"] == 1
    assert f"run {run_id}: it is collected again" in caplog.messages


def test_folder_that_can_not_be_finished_is_said_in_the_summary(
    stack: Stack, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines are stored and the disk fills then. Patched: the records alone don't fit."""

    def fail(*_: object) -> None:
        raise StorageError("jobs.parquet: No space left on device. Free some space")

    stack.open_run(run_id)
    stack.send(run_id, 12)
    stack.work(run_id, *range(12))
    monkeypatch.setattr(RunFolder, "write_jobs", fail)
    stack.round()
    during = stack.trial(run_id)
    monkeypatch.undo()
    stack.round(after_s=RETRY_S)

    assert (during["ledger"]["done"], during["mark"]) == (12, "!")
    assert during["reasons"] == ["jobs.parquet: No space left on device. Free some space"]
    assert stack.trial(run_id)["mark"] == ""
    assert stack.folder(run_id).read_jobs().height == 12


def test_one_runs_fault_hinders_no_other(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    """Each is told in one line, whatever is wrong with it, and the good run is collected."""
    stack.folder("foreign").path.mkdir(parents=True)
    stack.folder("foreign").manifest_path.write_text('{"format": 3}')
    stack.client.zadd(RUNS, {"../escape": 1, "no-plan": 1})
    stack.client.hset(run_key("garbled"), mapping={"created_ns": "x", "trials": "[", "source": "p"})
    stack.client.zadd(RUNS, {"garbled": 1})
    stack.client.set(records_stream("wrong-type"), "text")
    stack.open_run("wrong-type")
    for run in ("foreign", "good"):
        stack.open_run(run)
        stack.send(run, 1)
        stack.work(run, 0)

    for _ in range(3):
        stack.round(after_s=RETRY_S)

    assert stack.summary("good")["state"] == "closed"
    assert len(caplog.messages) == 5, caplog.messages
    for word in ("../escape", "no-plan", "garbled", "format version 3", "WRONGTYPE"):
        assert sum(word in message for message in caplog.messages) == 1, word
    assert not (stack.results_dir.parent / "escape").exists()


@pytest.mark.parametrize(
    "trials",
    [
        "[",
        "[{}]",
        '[{"trial": "0", "contender": "a", "pool": "a", "slots": 1, "kind": "k"}]',
    ],
)
def test_garbled_plan_is_one_line_and_the_lines_are_kept(
    stack: Stack, run_id: str, trials: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever stands in the hash, the service goes on and the records are stored."""
    stack.open_run(run_id)
    stack.client.hset(run_key(run_id), "trials", trials)
    stack.work(run_id, 0)

    stack.round()
    stack.round(after_s=RETRY_S)

    assert len(caplog.messages) == 1
    assert stored_lines(stack.folder(run_id)).height == 3


def test_trials_of_one_run_are_accounted_for_each(stack: Stack, run_id: str) -> None:
    """Pool after pool in one run: the second has sent nothing yet, and nothing of it is lost."""
    common = {"slots": 1, "kind": "io.sleep", "count": 6}
    plans = [
        {**common, "trial": trial, "contender": pool, "pool": pool}
        for trial, pool in enumerate(["threads", "gevent"])
    ]
    stack.open_run(run_id)
    stack.client.hset(run_key(run_id), "trials", json.dumps(plans))
    stack.send(run_id, 6, is_all=False)
    stack.work(run_id, *range(6))
    stack.round()
    first = stack.summary(run_id)
    stack.client.hincrby(run_key(run_id), sent_field(1), 6)
    stack.client.hset(run_key(run_id), "sent_all_ns", DUE_NS)
    stack.work(run_id, *range(6), trial=1, contender="gevent", due_ns=2 * DUE_NS)
    stack.round()
    second = stack.summary(run_id)

    done = [[trial["ledger"]["done"] for trial in found["trials"]] for found in (first, second)]
    assert done == [[6, 0], [6, 6]]
    assert [first["state"], second["state"]] == ["sending", "closed"]
    assert [trial["contender"] for trial in second["trials"]] == ["threads", "gevent"]
    assert [trial["mark"] for trial in second["trials"]] == ["", ""]


def test_second_collector_stands_by(
    stack: Stack, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so once, and takes over when the first one ends."""
    stack.open_run(run_id)
    stack.round()
    second = stack.new_service()
    for _ in range(2):
        second.round()
        stack.now_s += RETRY_S
    stack.service.close()

    stack.service = second
    stack.send(run_id, 1)
    stack.work(run_id, 0)
    stack.round()

    assert sum("is already being collected" in message for message in caplog.messages) == 1
    assert stack.summary(run_id)["state"] == "closed"


def test_old_run_is_taken_off_the_list_and_keeps_its_folder(stack: Stack, run_id: str) -> None:
    """After a week Redis holds nothing of it, and the results hold everything."""
    stack.finish(run_id)
    stack.client.zadd(RUNS, {run_id: time.time() - 8 * 86_400})

    stack.round(after_s=100)
    stack.round(after_s=WAKE_EVERY_S)

    assert stack.client.zcard(RUNS) == 0
    assert not stack.client.exists(run_key(run_id), records_stream(run_id))
    assert stack.folder(run_id).read_jobs().height == 1


def test_run_taken_off_the_list_is_let_go(stack: Stack, run_id: str) -> None:
    """Its lock is free for whoever removed it."""
    stack.open_run(run_id)
    stack.round()
    stack.client.delete(RUNS)
    stack.round()

    assert stack.service._active == {}


def test_looking_costs_a_bounded_share_of_time(
    stack: Stack, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that took a second isn't repeated within the next nine. Patched to be so slow."""
    stack.open_run(run_id)

    def slow(client: redis.Redis, run: str) -> RunHash:
        stack.now_s += 1.0
        return read_run_hash(client, run)

    monkeypatch.setattr("collector.active_run.read_run_hash", slow)
    stack.round()
    monkeypatch.undo()
    stack.send(run_id, 5, is_all=False)
    stack.round(after_s=8.0)
    before = stack.trial(run_id)["sent"]
    stack.round(after_s=1.5)

    assert (before, stack.trial(run_id)["sent"]) == (0, 5)
