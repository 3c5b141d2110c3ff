"""Is a replay true? `python -m benchmarks.replay` records the shop, and repeats its first half.

For each pool, the example app (`examples/shop`) gets the same customers twice, one half of the time
each, while its worker is recorded. The first half's recording is then repeated by stand-ins, in a
worker of the same pool with the same slots. Compared are the second half and the replay: the same
jobs at the same times, once with the app's own code. Everything listens on 127.0.0.1.

It takes about four minutes a pool; ``--seconds 30`` is a short try. It exits with 1 if a figure
misses its bound. ``--precision`` prints how precise single stand-ins are, without Celery.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import redis
from rich.console import Console
from rich.table import Table

from collector.recording import read_recording
from collector.store import RunFolder
from lab.system import children
from lab.system.redis_server import RedisServer, free_port
from poolbench.errors import ExitCode, StackError
from poolbench.stand_in import work

ROOT = Path(__file__).resolve().parent.parent

#: Pools, each with its slots.
POOLS = {"prefork": 2, "threads": 2, "gevent": 10}

#: Greatest deviations of a replay: of the service time, the throughput and the p95 of the wait.
SERVICE, THROUGHPUT, WAIT = 0.05, 0.05, 0.15

#: How long the worker may take to start, and to do the rest of the jobs, seconds.
START_S, REST_S = 30.0, 60.0

#: Publishes with the time of publishing in each message, as the docs advise.
_CUSTOMERS = """
import runpy, sys
import poolbench.publisher
runpy.run_module("shop.customers", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What jobs took, seconds, and how many ended per second."""

    jobs: int
    service_p50_s: float
    service_p95_s: float
    wait_p50_s: float
    wait_p95_s: float
    done_per_s: float
    cpu_s: float | None

    @classmethod
    def of(cls, jobs: pl.DataFrame, *, due: str) -> Figures:
        """Return the figures of executions; ``due`` is the column that their wait begins with."""
        ended = jobs.filter(pl.col("finished_ns").is_not_null(), pl.col("started_ns").is_not_null())
        service_s = (ended["finished_ns"] - ended["started_ns"]) / 1e9
        first = ended.filter(pl.col("attempt") == 0, pl.col("eta_ns").is_null())
        wait_s = (first["started_ns"] - first[due]).drop_nulls() / 1e9
        span_ns = _whole(ended["finished_ns"].max()) - _whole(ended[due].min())
        cpu_ns = ended["cpu_ns"].drop_nulls()
        return cls(
            jobs=ended.height,
            service_p50_s=_quantile(service_s, 0.5),
            service_p95_s=_quantile(service_s, 0.95),
            wait_p50_s=_quantile(wait_s, 0.5),
            wait_p95_s=_quantile(wait_s, 0.95),
            done_per_s=ended.height / span_ns * 1e9,
            cpu_s=int(cpu_ns.sum()) / 1e9 if len(cpu_ns) else None,
        )


def _quantile(values_s: pl.Series, share: float) -> float:
    found = values_s.quantile(share, interpolation="linear")
    return float("nan") if found is None else float(found)


def _whole(value: object) -> int:
    assert isinstance(value, int), "there are jobs"
    return value


class Shop:
    """A copy of the example app, with a broker and suppliers of its own."""

    def __init__(self, *, python: Path, folder: Path, server: RedisServer) -> None:
        self._python = python
        self._supplier_port = free_port()
        self.folder = folder / "shop"
        ignored = shutil.ignore_patterns(".venv", "*.sqlite3*", "sent-mail", "__pycache__")
        shutil.copytree(ROOT / "examples" / "shop", self.folder, ignore=ignored)
        # the package alone, as from its wheel
        packages = folder / "packages"
        packages.mkdir()
        (packages / "poolbench").symlink_to(ROOT / "poolbench")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(packages),
            "CELERY_BROKER_URL": server.url(),
            "CELERY_RESULT_BACKEND": server.url(),
            "SHOP_SUPPLIER_URL": f"http://127.0.0.1:{self._supplier_port}",
        }
        self.run("manage.py", "migrate", "--run-syncdb")

    def run(self, *arguments: str) -> None:
        """Run its Python to the end."""
        subprocess.run(
            [self._python, *arguments],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def sell(self, *, rate_per_s: float, for_s: float) -> None:
        """Send the jobs of customers, the same at each call."""
        options = {"--rate": rate_per_s, "--for": for_s, "--seed": 1}
        texts = [str(text) for option in options.items() for text in option]
        self.run("-c", _CUSTOMERS, *texts)

    @contextlib.contextmanager
    def supplier(self) -> Iterator[None]:
        """Run the service that knows prices; a fresh one answers as the one before it did."""
        command = [sys.executable, "-m", "upstream", "--host", "127.0.0.1"]
        command += ["--port", str(self._supplier_port)]
        with children.start(command, name="supplier", log=self.folder / "supplier.log") as child:
            url = f"http://127.0.0.1:{self._supplier_port}/health"
            child.await_up(lambda: children.responds(url), within_s=START_S)
            yield

    @contextlib.contextmanager
    def worker(self, *, pool: str, slots: int, record: Path) -> Iterator[None]:
        """Run a recorded worker."""
        arguments = ["-A", "shop", "worker", "-P", pool, "-c", str(slots), "-Q", "default,mail"]
        log = self.folder / f"{pool}.log"
        with log.open("wb") as output:
            worker = subprocess.Popen(
                [self._python, "-m", "celery", *arguments, "-I", "poolbench.probe"],
                cwd=self.folder,
                env={**self._environment, "POOLBENCH_RECORD": str(record)},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            deadline_s = time.monotonic() + START_S
            # written when it is ready
            while not (record.exists() and b'"m":"worker"' in record.read_bytes()):
                if worker.poll() is not None or time.monotonic() > deadline_s:
                    raise StackError(f"the worker did not start: {log.read_text()[-500:]}")
                time.sleep(0.1)
            yield
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(timeout=REST_S)


def record(shop: Shop, client: redis.Redis, *, pool: str, rate_per_s: float, half_s: float) -> Path:
    """Record both halves; return the file."""
    file = shop.folder / f"{pool}.pbrec"
    with shop.worker(pool=pool, slots=POOLS[pool], record=file):
        # the first jobs of a fresh worker import and connect
        for for_s in (3.0, half_s, half_s):
            # the same tables for each: a query takes longer the more orders there are
            shop.run("manage.py", "flush", "--no-input")
            with shop.supplier():
                shop.sell(rate_per_s=rate_per_s, for_s=for_s)
                _await_rest(client, pool=pool)
    return file


def _await_rest(client: redis.Redis, *, pool: str) -> None:
    deadline_s = time.monotonic() + REST_S
    while client.llen("default") or client.llen("mail") or client.hlen("unacked"):
        if time.monotonic() > deadline_s:
            raise StackError(f"{pool} did not do its jobs in {REST_S:.0f} s")
        time.sleep(0.2)
    # retries wait for their countdown
    time.sleep(4.0)


def replay(file: Path, *, pool: str, from_s: float, to_s: float, folder: Path) -> list[Path]:
    """Repeat a part of a recording in a worker of the same pool; return the folders of results.

    An invalid trial, as on a machine that is busy with something else, is reported with its reason.
    """
    experiment = folder / f"{pool}.toml"
    experiment.write_text(f"""
title = "Replay of the shop on {pool}"
[profile.once]
repetitions = 1
trial_s = 1
contenders = ["{pool}"]
[[contender]]
name = "{pool}"
pool = "{pool}"
slots = {POOLS[pool]}
[[workload]]
recorded = "{file}"
from_s = {from_s:.3f}
to_s = {to_s:.3f}
""")
    results = folder / f"{pool}-results"
    done = subprocess.run(
        [sys.executable, "-m", "poolbench", "run", str(experiment), "--profile", "once"],
        env={**os.environ, "POOLBENCH_RESULTS_DIR": str(results)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (ExitCode.OK, ExitCode.INVALID):
        raise StackError(f"the replay on {pool} failed: {done.stdout[-800:]}{done.stderr[-800:]}")
    if done.returncode == ExitCode.INVALID:
        sys.stderr.write(
            f"{pool}: {[line for line in done.stdout.splitlines() if line[:1] == '!']}\n"
        )
    return sorted(results.iterdir())


def halves(jobs: pl.DataFrame, *, begin_ns: int) -> tuple[pl.DataFrame, pl.DataFrame, float, float]:
    """Return the executions of both halves, and the seconds between which the first lies.

    The longest pauses between two messages separate the warm-up and the halves.
    """
    due = jobs.filter(pl.col("published_ns").is_not_null()).sort("published_ns")
    gaps = due["published_ns"].diff().fill_null(0)
    first, second = sorted(gaps.arg_sort(descending=True)[:2])
    times_ns = due["published_ns"]
    starts_ns = [int(times_ns[int(place)]) for place in (first, second)]
    one = jobs.filter(pl.col("published_ns").is_between(starts_ns[0], starts_ns[1] - 1))
    other = jobs.filter(pl.col("published_ns") >= starts_ns[1])
    # both edges within the pauses
    edges_s = [(start_ns - begin_ns) / 1e9 - 0.5 for start_ns in starts_ns]
    return one, other, edges_s[0], edges_s[1]


#: The figures that are compared, each with its name, and its bound; None for information.
COMPARED = {
    "service_p50_s": ("service p50", SERVICE),
    "service_p95_s": ("service p95", SERVICE),
    "done_per_s": ("throughput", THROUGHPUT),
    "wait_p95_s": ("wait p95", WAIT),
    "wait_p50_s": ("wait p50", None),
    "cpu_s": ("CPU time of all jobs", None),
    "jobs": ("executions", None),
}


def compare(
    pool: str, *, app: Figures, itself: Figures, replays: Mapping[str, Figures], table: Table
) -> bool:
    """Add the lines of a pool to the table; return whether all are within their bounds.

    ``itself`` is the half that was repeated: how much it differs from ``app``, the other half, is
    how much the app differs from itself.

    Where computing was repeated both with the GIL held and with it released, the truth lies between
    the two: the nearest value of that range counts.
    """
    is_ok = True
    for name, (title, bound) in COMPARED.items():
        recorded = getattr(app, name)
        found = [value for one in replays.values() if (value := getattr(one, name)) is not None]
        if not recorded or not found:
            continue
        nearest = min(max(recorded, min(found)), max(found))
        off = nearest / recorded - 1
        is_met = bound is None or abs(off) <= bound
        is_ok = is_ok and is_met
        table.add_row(
            pool,
            title,
            _shown(recorded, name=name),
            _shown(getattr(itself, name), name=name),
            " to ".join(_shown(value, name=name) for value in found),
            f"{off:+.1%}",
            "" if bound is None else f"± {bound:.0%}",
            "" if bound is None else "ok" if is_met else "MISSED",
        )
    return is_ok


def _shown(value: float, *, name: str) -> str:
    if name.endswith("_per_s"):
        return f"{value:.1f}/s"
    return f"{value * 1e3:.2f} ms" if name.endswith("_s") else f"{value:,}"


def by_task(app: pl.DataFrame, stand_ins: pl.DataFrame, *, console: Console) -> None:
    """Print the median service time of each task."""
    service_ms = (pl.col("finished_ns") - pl.col("started_ns")) / 1e6
    figures = [
        pl.len().alias("n"),
        service_ms.median().alias("p50"),
        service_ms.quantile(0.95).alias("p95"),
        (pl.col("cpu_ns") / 1e6).median().alias("cpu"),
    ]
    found = (
        app.group_by("kind")
        .agg(figures)
        .join(
            stand_ins.group_by(kind=pl.col("part").str.strip_suffix(".stand-in")).agg(figures),
            on="kind",
            suffix="_replay",
            how="left",
        )
    )
    console.print(found.sort("kind"))


#: Stand-ins whose precision is printed.
PRECISION: Sequence[Mapping[str, float]] = (
    {"held_ms": 1},
    {"held_ms": 20},
    {"released_ms": 1},
    {"released_ms": 20},
    {"wait_ms": 1},
    {"wait_ms": 50},
    {"blocking_ms": 5},
    {"held_ms": 2, "released_ms": 3, "wait_ms": 10},
    {"held_ms": 5, "memory_bytes": 5_000_000},
)


def print_precision(console: Console) -> None:
    """Print the durations of stand-ins in this thread, beside what was asked for."""
    table = Table("segments", "CPU time asked", "p5", "p50", "p95", "duration asked", "p5", "p50")
    for segments in PRECISION:
        took = []
        for _ in range(100):
            from_ns, cpu_from_ns = time.perf_counter_ns(), time.thread_time_ns()
            work(**segments)
            took.append((time.thread_time_ns() - cpu_from_ns, time.perf_counter_ns() - from_ns))
        cpu, wall = (pl.Series(column) / 1e6 for column in zip(*took, strict=True))
        cpu_ms = segments.get("held_ms", 0) + segments.get("released_ms", 0)
        whole_ms = cpu_ms + segments.get("wait_ms", 0) + segments.get("blocking_ms", 0)
        shown = [*(_quantile(cpu, share) for share in (0.05, 0.5, 0.95))]
        shown += [whole_ms, _quantile(wall, 0.05), _quantile(wall, 0.5)]
        title = ", ".join(f"{name} {value:,}" for name, value in segments.items())
        table.add_row(title, f"{cpu_ms} ms", *(f"{value:.3f}" for value in shown))
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table; return 1 if a figure misses its bound."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--python",
        type=Path,
        default=ROOT / "examples" / "shop" / ".venv" / "bin" / "python",
        help="of an environment with examples/shop/requirements.txt",
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="of recording, both halves")
    parser.add_argument("--rate", type=float, default=10.0, help="events a second")
    parser.add_argument("--pool", choices=POOLS, action="append", help="only these pools")
    parser.add_argument("--keep", type=Path, help="folder for the recordings and results")
    parser.add_argument("--details", action="store_true", help="print the times of each task")
    parser.add_argument("--precision", action="store_true", help="of single stand-ins, alone")
    options = parser.parse_args(arguments)
    console = Console()
    if options.precision:
        print_precision(console)
        return 0
    table = Table(
        "pool", "figure", "second half", "first half", "replay of the first", "off", "bound", ""
    )
    is_ok = True
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        for pool in options.pool or POOLS:
            is_ok &= _one_pool(
                pool, options=options, folder=folder / pool, table=table, console=console
            )
    console.print(table)
    return 0 if is_ok else 1


def _one_pool(
    pool: str, *, options: argparse.Namespace, folder: Path, table: Table, console: Console
) -> bool:
    folder.mkdir(parents=True)
    with RedisServer(folder=folder) as server:
        shop = Shop(python=options.python, folder=folder, server=server)
        client = redis.Redis.from_url(server.url())
        half_s = options.seconds / 2
        file = record(shop, client, pool=pool, rate_per_s=options.rate, half_s=half_s)
    recording = read_recording(file)
    begin_ns = min(one.begin_ns for one in recording.sessions)
    first, second, from_s, to_s = halves(recording.jobs, begin_ns=begin_ns)
    replays: dict[str, Figures] = {}
    for run in replay(file, pool=pool, from_s=from_s, to_s=to_s, folder=folder):
        manifest = RunFolder(run).read_manifest()
        jobs = pl.read_parquet(run / "jobs.parquet")
        for workload in manifest.workloads:
            trials = [
                index
                for index, entry in enumerate(manifest.trials)
                if entry.plan.workload == workload.name and not entry.plan.is_pilot
            ]
            repeated = jobs.filter(pl.col("trial").is_in(trials))
            replays[workload.name] = Figures.of(repeated, due="due_ns")
            if options.details:
                console.print(workload.name, workload.recorded)
                by_task(first, repeated, console=console)
    app, itself = (Figures.of(half, due="published_ns") for half in (second, first))
    return compare(pool, app=app, itself=itself, replays=replays, table=table)


if __name__ == "__main__":
    sys.exit(main())
