"""Measures the collector's speed and memory: `python -m benchmarks.collector`.

First it measures stream to Parquet, on an embedded server, with lines as the recorder sends them;
then the lines of a million records to their file, ledger and figures. The goals are 100,000 lines a
second, and a million records within 10 s and 1 GB. Each step runs in a process of its own, which
has its own peak of memory. It prints the results, and asserts nothing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import secrets
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path

import redis

from collector.fold import Folding
from collector.ingest import READ_ENTRIES, Ingest
from collector.ledger import ledgers
from collector.metrics import FIGURE_COLUMNS, figures
from collector.parse import parse_lines
from collector.parts import StreamId
from collector.store import RunFolder
from lab.system.redis_server import RedisServer
from poolbench.jobs import JobHeader
from poolbench.keys import records_stream
from poolbench.lines import finished_line, identity, job_members, received_line, started_line

RUN = "benchmark"
GOAL_LINES_PER_S = 100_000
GOAL_S = 10.0
GOAL_BYTES = 1_000_000_000

#: Entries sent to the server in one pipeline.
ENTRIES_PER_PIPELINE = 50

START_NS = 1_800_000_000_000_000_000

EVIDENCE = (
    '"host":"worker-host-1","boot_id":"0c1d2e3f-4a5b-6c7d-8e9f-a0b1c2d3e4f5","pid":41234,'
    '"slot":"41234-139912345678912","pool_seen":"celery.concurrency.prefork:TaskPool",'
    '"sockets_patched":false,"gil_enabled":true'
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.collector", description=__doc__)
    parser.add_argument(
        "--jobs", type=int, default=300_000, help="jobs in the stream, 3 lines each"
    )
    parser.add_argument("--batch", type=int, default=300, help="lines of one stream entry")
    parser.add_argument("--records", type=int, default=1_000_000, help="records to fold")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="poolbench-") as temporary:
        _stream_to_parquet(Path(temporary), jobs=options.jobs, batch=options.batch)
        _lines_to_figures(Path(temporary), records=options.records)
    return 0


def _stream_to_parquet(folder: Path, *, jobs: int, batch: int) -> None:
    with RedisServer(folder=folder / "server") as server:
        url = server.url()
        lines, wire_bytes = _in_child(fill, url, jobs, batch)
        print(f"stream: {lines:,.0f} lines of {wire_bytes / lines:.0f} bytes, {batch} an entry")
        read_s, _ = _in_child(read_alone, url)
        ingest_s, cpu_s, peak_bytes = _in_child(ingest, url, folder / RUN)
    parts = list((folder / RUN / "parts").glob("*.parquet"))
    stored_bytes = sum(part.stat().st_size for part in parts)
    lines_per_s = lines / ingest_s
    print(
        f"stream to Parquet: {lines_per_s:,.0f} lines/s, {lines_per_s / GOAL_LINES_PER_S:.1f} × "
        f"the goal of {GOAL_LINES_PER_S:,}; {lines / cpu_s:,.0f} lines per CPU-second; "
        f"reading alone: {lines / read_s:,.0f} lines/s\n"
        f"  {len(parts)} parts, {stored_bytes / lines:.1f} bytes a line; "
        f"peak {peak_bytes / 1e6:.0f} MB"
    )


def _lines_to_figures(folder: Path, *, records: int) -> None:
    path = folder / "million"
    _in_child(make_parts, path, records)
    fold_s, figure_s, write_s, cpu_s, peak_bytes = _in_child(fold_and_figure, path)
    whole_s = fold_s + write_s + figure_s
    print(
        f"{records:,} records: folded in {fold_s:.1f} s, ledger and figures in "
        f"{figure_s:.1f} s, sorted and written in {write_s:.1f} s\n"
        f"  {whole_s:.1f} s of the goal's {GOAL_S:.0f} s, {cpu_s:.1f} CPU-seconds; "
        f"peak {peak_bytes / 1e6:.0f} MB of the goal's {GOAL_BYTES / 1e6:.0f} MB"
    )


def fill(url: str, jobs: int, batch: int) -> tuple[float, ...]:
    """Write the lines of ``jobs`` jobs to the run's stream; return their number and bytes."""
    count, size_bytes = 0, 0
    with redis.Redis.from_url(url) as client:
        pipeline = client.pipeline(transaction=False)
        for entry in _entries(jobs, batch=batch):
            pipeline.xadd(records_stream(RUN), {"lines": b"".join(entry)})
            count += len(entry)
            size_bytes += sum(map(len, entry))
            if len(pipeline) >= ENTRIES_PER_PIPELINE:
                pipeline.execute()
        pipeline.execute()
    return float(count), float(size_bytes)


def read_alone(url: str) -> tuple[float, ...]:
    """Read the stream as ingest does, without storing it, to measure the server's limit."""
    start_s = time.perf_counter()
    after = "-"
    with redis.Redis.from_url(url) as client:
        while found := client.xrange(records_stream(RUN), min=after, count=READ_ENTRIES):
            last = found[-1]
            assert last is not None
            after = f"({last[0].decode()}" if isinstance(last[0], bytes) else after
    return time.perf_counter() - start_s, 0.0


def ingest(url: str, folder: Path) -> tuple[float, ...]:
    """Move the whole stream into the folder; return seconds and the peak of memory."""
    with redis.Redis.from_url(url) as client, Ingest(client, run=RUN, folder=folder) as reader:
        start_s, start_cpu_s = time.perf_counter(), time.process_time()
        reader.drain()
        taken_s, cpu_s = time.perf_counter() - start_s, time.process_time() - start_cpu_s
    return taken_s, cpu_s, _peak_bytes()


def make_parts(path: Path, records: int) -> tuple[float, ...]:
    """Write parts with the lines of ``records`` jobs, as ingest does."""
    folder = RunFolder(path)
    for index, entry in enumerate(_entries(records, batch=90_000)):
        frame = parse_lines([b"".join(entry)], run=RUN)
        folder.write_part(frame, first=StreamId(index, 0), last=StreamId(index, 1))
    return (0.0,)


def fold_and_figure(path: Path) -> tuple[float, ...]:
    """Fold the folder's lines, compute ledger and figures and write the records, as the service."""
    folder = RunFolder(path)
    stamps_s, start_cpu_s = [time.perf_counter()], time.process_time()
    folding = Folding()
    for lines in folder.iter_lines():
        folding.add(lines)
    stamps_s.append(time.perf_counter())
    few = folding.records(columns=FIGURE_COLUMNS)
    account = ledgers(few, sent={0: few.height})[0]
    found = figures(few, slots=4, is_capacity=True)
    del few
    stamps_s.append(time.perf_counter())
    folder.write_jobs(folding.close())
    stamps_s.append(time.perf_counter())
    if not account.is_closed or found.throughput_per_s is None:
        raise AssertionError(account)
    spans_s = (end_s - start_s for start_s, end_s in pairwise(stamps_s))
    return (*spans_s, time.process_time() - start_cpu_s, _peak_bytes())


def _entries(jobs: int, *, batch: int) -> Iterator[list[bytes]]:
    entry: list[bytes] = []
    for line in _lines(jobs):
        entry.append(line)
        if len(entry) >= batch:
            yield entry
            entry = []
    if entry:
        yield entry


def _lines(jobs: int) -> Iterator[bytes]:
    """Yield the lines of jobs as the probe writes them, in the order in which they happen."""
    for seq in range(jobs):
        header = JobHeader(
            run=RUN, trial=0, seq=seq, contender="prefork", due_ns=START_NS, sent_ns=START_NS + 900
        )
        nonce = secrets.randbits(64)
        job = job_members(header.as_dict())
        assert job is not None
        task_id = str(uuid.UUID(int=nonce << 64, version=4))
        who = identity(job, kind="io.sleep", task_id=task_id, attempt=0, nonce=nonce)
        now_ns = START_NS + seq * 100_000
        yield received_line(who, t_ns=now_ns)
        yield started_line(who, t_ns=now_ns + 30_000, evidence=EVIDENCE)
        yield finished_line(
            who,
            t_ns=now_ns + 390_000 + seq % 977,
            pid=4_000,
            state="SUCCESS",
            cpu_ns=51_234,
            work_ns=301_234,
        )


def _in_child(work: Callable[..., tuple[float, ...]], *arguments: object) -> tuple[float, ...]:
    """Return what ``work`` returns, from a fresh process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_answer, args=(theirs, work, arguments))
    child.start()
    theirs.close()
    try:
        answer: tuple[float, ...] = ours.recv()
    except EOFError:
        sys.exit(f"{work.__name__} failed")
    child.join()
    return answer


def _answer(
    pipe: Connection, work: Callable[..., tuple[float, ...]], arguments: tuple[object, ...]
) -> None:
    pipe.send(work(*arguments))


def _peak_bytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # kibibytes on Linux, bytes on macOS
    return float(peak if sys.platform == "darwin" else peak * 1_024)


if __name__ == "__main__":
    sys.exit(main())
