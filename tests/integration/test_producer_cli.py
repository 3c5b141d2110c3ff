"""`python -m producer` as a person runs it, beside stand-ins for workers and the collector."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from lab.system.paths import ROOT
from lab.system.redis_server import RedisServer, free_port
from poolbench.jobs import HEADER, JobHeader
from poolbench.keys import CALIBRATION, RUNS, queue_name, records_stream, run_key, sent_field
from poolbench.pools import available_pools
from producer.cli import main
from tests.conftest import Server, wait_until
from tests.integration.producer_stand_ins import StandIns, show_worker

Process = subprocess.Popen[str]

POOLS = [pool.name for pool in available_pools()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    errors: str


class Producer:
    """Runs the command line against one server, in a folder without ``.env``."""

    def __init__(
        self,
        url: str,
        *,
        folder: Path,
        patch: pytest.MonkeyPatch,
        capture: pytest.CaptureFixture[str],
    ) -> None:
        self._folder = folder
        self._capture = capture
        self._patch = patch
        for name in [name for name in os.environ if name.startswith("POOLBENCH")]:
            patch.delenv(name)
        patch.setenv("POOLBENCH_REDIS_URL", url)
        patch.setenv("COLUMNS", "80")
        patch.chdir(folder)

    def start(self, words: str, *, environ: Mapping[str, str] | None = None) -> Process:
        """Start it as a process and leave it running."""
        ours = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
        return subprocess.Popen(
            [sys.executable, "-m", "producer", *words.split()],
            cwd=self._folder,
            env={**os.environ, **ours, **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, words: str) -> Ended:
        """Run it to its end, in this process: starting Python takes longer than most tests."""
        self._capture.readouterr()
        with self._patch.context() as patch:
            patch.setattr(sys, "argv", ["producer", *words.split()])
            with pytest.raises(SystemExit) as caught:
                sys.exit(main())
        shown = self._capture.readouterr()
        return Ended(code=int(caught.value.code or 0), out=shown.out, errors=shown.err)


def ended(process: Process) -> Ended:
    """Wait for a command's end; it never shows a traceback."""
    out, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    return Ended(code=process.returncode, out=out, errors=errors)


@pytest.fixture
def producer(
    server: Server,
    client: redis.Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Producer:
    """The command, on the session's server, emptied."""
    assert client.dbsize() == 0
    return Producer(server.url, folder=tmp_path, patch=monkeypatch, capture=capsys)


def sent_of(client: redis.Redis, run: str, trial: int = 0) -> int:
    """The count of jobs sent, as the run's hash holds it."""
    return int(client.hget(run_key(run), sent_field(trial)) or 0)


def is_marked_sent(client: redis.Redis, run: str) -> bool:
    """Whether the run's ledger can close."""
    return client.hexists(run_key(run), "sent_all_ns")


def test_jobs_are_sent_and_it_says_how_to_look(client: redis.Redis, producer: Producer) -> None:
    """Without --wait it ends when all is sent, and tells where to see more."""
    show_worker(client, "prefork")
    client.set(CALIBRATION, '{"cpu.primes": 0.0005, "cpu.zlib": 0.1}')
    job = "--job cpu.primes --param work_ms=20"

    found = ended(producer.start(f"--pool prefork {job} --count 120 --run r1"))

    assert found.code == 0
    assert "sent 120 jobs to prefork" in found.errors
    assert "python -m producer --look r1" in found.errors
    assert "http://127.0.0.1:5555" in found.errors
    assert client.llen(queue_name("prefork")) == sent_of(client, "r1") == 120
    assert is_marked_sent(client, "r1")
    assert client.zscore(RUNS, "r1") is not None
    kept = client.hgetall(run_key("r1"))
    (plan,) = json.loads(kept["trials"])
    assert plan["parameters"] == {"units": 40}
    assert json.loads(kept["calibration"]) == {"cpu.primes": 0.0005}


@pytest.mark.parametrize("calibration", [None, '{"cpu.zlib": 0.1}', "no JSON"])
def test_work_in_time_needs_a_calibration(
    client: redis.Redis, producer: Producer, calibration: str | None
) -> None:
    """Without one nothing is sent: one line with the command that makes it. Units need none."""
    show_worker(client, "prefork")
    if calibration:
        client.set(CALIBRATION, calibration)
    words = "--pool prefork --job cpu.primes --count 3"

    found = producer.run(f"{words} --param work_ms=20")

    assert found.code == 3
    assert len(found.errors.splitlines()) == 1
    assert "python -m worker calibrate --publish" in found.errors
    assert not client.exists(queue_name("prefork"), RUNS)
    assert producer.run(f"{words} --param units=2").code == 0
    assert client.llen(queue_name("prefork")) == 3


def test_waiting_ends_with_the_published_account(server: Server, producer: Producer) -> None:
    """Ledger, throughput and percentiles come from the collector; exit 0 when it closes."""
    with StandIns(server.url, "gevent", slots=100):
        found = producer.run(
            "--pool gevent --job io.http --count 60 --rate 200 --param delay_ms=50 --wait"
        )

    assert found.code == 0, found.errors
    assert "60 × io.http delay_ms=50 size_bytes=1024, 200/s, constant" in found.errors
    assert "to gevent (1 worker, 100 slots)" in found.errors
    assert "60 sent = 60 done + 0 failed + 0 lost  closed" in found.out
    for word in ("throughput", "wait", "execution", "p50", "p95", "p99", "lag"):
        assert word in found.out
    assert "\x1b" not in found.out + found.errors


def test_json_is_all_that_stands_on_standard_output(server: Server, producer: Producer) -> None:
    """What was sent, and the summary as it was published; without --wait there is none.

    --look sends nothing, and shows how the run stands.
    """
    job = "--pool solo --job io.sleep --count 20 --json"
    with StandIns(server.url, "solo", slots=1, failing=2):
        waited = producer.run(f"{job} --wait --run r1")
        sent = json.loads(producer.run(job).out)
        looked = producer.run("--look r1")

    document = json.loads(waited.out)
    assert waited.code == 0
    assert (document["trials"][0]["sent"], document["trials"][0]["ending"]) == (20, "closed")
    assert document["summary"]["run"] == document["run"]
    assert document["summary"]["trials"][0]["ledger"]["failed"] == 2
    assert (looked.code, "run r1 closed" in looked.out) == (0, True)
    assert "20 sent = 18 done + 2 failed" in looked.out
    assert sent["summary"] is None
    assert (sent["trials"][0]["sent"], sent["trials"][0]["ending"]) == (20, None)


def test_all_goes_pool_after_pool(client: redis.Redis, server: Server, producer: Producer) -> None:
    """Each pool has its trial; the next gets its jobs when the former's account is closed.

    It ends with a line a pool, whose slots stand beside its figures where they are unequal.
    """
    with StandIns(server.url, *POOLS) as stack:
        show_worker(client, "gevent", slots=100)
        found = producer.run("--pool all --job io.sleep --count 40 --seed 5 --run r1")
        summary = json.loads(producer.run("--look r1 --json").out)["summary"]

    assert found.code == 0, found.errors
    assert sorted(stack.order) == sorted(POOLS)
    assert [trial["contender"] for trial in summary["trials"]] == stack.order
    assert set(stack.left_when_begun.values()) == {0}
    assert f"to {' → '.join(stack.order)}, seed 5" in found.errors
    lines = [line.split() for line in found.out.splitlines()]
    for pool in POOLS:
        slots = "100" if pool == "gevent" else "4"
        assert any(line[:3] == [pool, slots, "40"] for line in lines)
    assert "The slots differ (" in found.out
    assert "gevent 100" in found.out
    assert "place in the queue" in found.out


@pytest.mark.parametrize("words", ["--help", ""])
def test_help_fits_a_terminal(producer: Producer, words: str) -> None:
    """Options stand in groups, with examples below, in 80 columns; the bare command shows it."""
    found = ended(producer.start(words))

    assert found.code == (0 if words else 2)
    for title in ("What to send", "When it is due", "Then", "The run", "Examples"):
        assert title in found.out
    assert max(len(line) for line in found.out.splitlines()) <= 80


@pytest.mark.parametrize("is_absent", [True, False], ids=["absent", "wrong password"])
def test_a_server_that_can_not_be_used_is_one_line(
    server: Server, producer: Producer, *, is_absent: bool
) -> None:
    """Exit 3, and what to do; neither the wrong nor the right password is shown."""
    port = free_port() if is_absent else server.port
    environ = {"POOLBENCH_REDIS_URL": f"redis://:secret-word@127.0.0.1:{port}/0"}

    found = ended(producer.start("--pool solo --job io.http", environ=environ))

    assert found.code == 3
    text = "doesn't answer. Start the stack (make up)" if is_absent else "refuses the password"
    assert text in found.errors
    assert "secret-word" not in found.errors
    assert server.password not in found.errors
    assert len(found.errors.splitlines()) == 1


def test_without_workers_nothing_is_sent(client: redis.Redis, producer: Producer) -> None:
    """Every pool that lacks one is named before anything is written; exit 3."""
    show_worker(client, "gevent")
    before = client.dbsize()

    found = producer.run("--pool all --job io.http")

    assert found.code == 3
    for pool in set(POOLS) - {"gevent"}:
        assert queue_name(pool) in found.errors
    assert queue_name("gevent") not in found.errors
    assert "--force" in found.errors
    assert client.dbsize() == before


def test_a_taken_name_is_refused(client: redis.Redis, producer: Producer) -> None:
    """Two runs of one name would be one muddle; exit 2, nothing sent.

    With --force the first is sent to a queue that nobody serves, which is said.
    """
    words = "--pool solo --job io.http --count 2 --force --run r1"

    forced, found = producer.run(words), producer.run(words)

    assert "to solo (no worker is live)" in forced.errors
    assert found.code == 2
    assert "run = r1 is invalid: there is a run of this name" in found.errors
    assert client.llen(queue_name("solo")) == 2


def test_without_a_collector_it_says_so(client: redis.Redis, producer: Producer) -> None:
    """After a bounded time: exit 3, with the count of jobs sent."""
    show_worker(client, "solo")

    found = producer.run("--pool solo --job io.http --count 4 --wait --stall 0.5")

    assert found.code == 3
    assert "no collector published anything within" in found.errors
    assert "4 jobs sent; their records are kept" in found.errors


@pytest.mark.parametrize(
    ("words", "is_unread", "code", "text"),
    [
        (
            "--stall 0.6",
            False,
            1,
            "although workers are live: of 40 jobs sent, 15 done, 0 failed, 25 not ended",
        ),
        # lines that nobody reads: the collector stopped, and with it the stack
        ("--stall 0.6", True, 3, "no collector published anything within"),
        ("--timeout 0.4", False, 1, "not finished within --timeout"),
    ],
    ids=["stall", "collector stopped", "timeout"],
)
def test_jobs_that_do_not_end_stop_the_wait(
    client: redis.Redis,
    server: Server,
    producer: Producer,
    words: str,
    *,
    is_unread: bool,
    code: int,
    text: str,
) -> None:
    """The exit code of the cause, and what was done until then."""
    if is_unread:
        client.xadd(records_stream("r1"), {"lines": "{}"})
    with StandIns(server.url, "gevent", most=15):
        found = producer.run(f"--pool gevent --job io.http --count 40 --wait --run r1 {words}")

    assert found.code == code
    assert text in found.errors
    assert "15 done" in found.errors
    assert "does not close" in found.out
    assert is_marked_sent(client, "r1")


def test_a_stall_of_one_pool_ends_the_comparison(
    client: redis.Redis, server: Server, producer: Producer
) -> None:
    """Jobs left in one queue would run beside the next pool's, so no more is sent."""
    with StandIns(server.url, *POOLS, most=15):
        found = producer.run("--pool all --job io.http --count 40 --stall 0.6 --run r1")

    assert found.code == 1
    counts = [sent_of(client, "r1", trial) for trial in range(len(POOLS))]
    assert counts == [40, *(0 for _ in POOLS[1:])]
    assert is_marked_sent(client, "r1")


def test_workers_that_vanish_end_it(
    client: redis.Redis, server: Server, producer: Producer
) -> None:
    """Their keys are gone, no job ends: exit 1, sooner than a stall, and it says why."""
    with StandIns(server.url, "gevent", most=15):
        job = "--job io.sleep --param delay_ms=0"
        process = producer.start(f"--pool gevent {job} --count 40 --wait --stall 3 --run r1")
        wait_until(lambda: sent_of(client, "r1") == 40, what="40 jobs sent")
        client.delete(*client.scan_iter("poolbench:worker:*"))
        found = ended(process)

    assert found.code == 1
    assert "no worker is live any more" in found.errors
    assert "15 done" in found.errors


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_sending(
    client: redis.Redis, producer: Producer, signum: signal.Signals
) -> None:
    """It says what was sent and marks the run, so that its ledger closes: exit 130."""
    show_worker(client, "gevent")
    process = producer.start(
        "--pool gevent --job io.http --count 100000 --rate 500 --run r1 --wait"
    )
    wait_until(lambda: sent_of(client, "r1") > 20, what="some jobs sent")

    process.send_signal(signum)
    found = ended(process)

    count = sent_of(client, "r1")
    assert found.code == 130
    assert f"stopped: {count:,} of 100,000 jobs were sent" in found.errors
    assert is_marked_sent(client, "r1")
    assert client.llen(queue_name("gevent")) == count
    seqs = [seq_of(message) for message in client.lrange(queue_name("gevent"), 0, -1)]
    assert sorted(seqs) == list(range(count))


def seq_of(message: object) -> int:
    """The place of a queued job in its trial."""
    header = JobHeader(**json.loads(str(message))["headers"][HEADER])
    return header.seq


def test_a_signal_stops_waiting(server: Server, client: redis.Redis, producer: Producer) -> None:
    """All is sent and stays so; what has ended by then is told: exit 130."""
    with StandIns(server.url, "gevent", most=5):
        process = producer.start("--pool gevent --job io.http --count 8 --wait --run r1")
        wait_until(lambda: is_marked_sent(client, "r1"), what="the run marked as sent")
        wait_until(lambda: client.llen(queue_name("gevent")) == 3, what="five jobs taken")
        # a second signal ends it at once, the first alone must do
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        found = ended(process)

    assert found.code == 130
    assert "stopped waiting: of 8 jobs sent, 5 done" in found.errors


def test_look_says_what_is_missing(client: redis.Redis, producer: Producer) -> None:
    """A run of that name, or the collector that would have told of it."""
    client.hset(run_key("r1"), "trials", "[]")

    unknown, untold = producer.run("--look r9"), producer.run("--look r1")

    assert unknown.code == 2
    assert "--look = r9 is invalid: there is no such run" in unknown.errors
    assert untold.code == 3
    assert "no summary of r1 is published" in untold.errors


def test_a_broker_that_is_started_anew_gets_each_job_once(
    producer: Producer, tmp_path: Path
) -> None:
    """The server is killed in the middle and comes back: nothing is lost, doubled or skipped."""
    with RedisServer(folder=tmp_path / "data") as server:
        url = server.url()
        with redis.Redis.from_url(url, decode_responses=True) as client:
            running = producer.start(
                "--pool gevent --job io.http --count 3000 --rate 1500 --run r1 --force",
                environ={"POOLBENCH_REDIS_URL": url},
            )
            wait_until(lambda: sent_of(client, "r1") > 20, what="some jobs sent")
            server.kill()
            server.start()
            found = ended(running)
            seqs = [seq_of(message) for message in client.lrange(queue_name("gevent"), 0, -1)]
            count = sent_of(client, "r1")

    assert found.code == 0, found.errors
    assert sorted(seqs) == list(range(3_000))
    assert count == 3_000
