"""Compares advice with a measured grid and with rules of thumb: `python -m benchmarks.advise`.

Twelve workloads are generated as recordings, and `poolbench advise` gets each of them. Then a grid
of settings runs the same recorded jobs as a backlog (`GRID`). The two best of the grid, the advised
setting and the rules of thumb run once more, with more repetitions: the best of many noisy figures
is too large, so that the figures of this second run count.

The regret of a setting is 1 - its throughput ÷ that of the best of the grid; 0 if it is better.
Advice has to be within 10 % of the best for 10 of 12 workloads, with less regret than Celery's
defaults (prefork, a slot a core) and than "waits → gevent 100, else prefork". An abstention counts
as the setting that was recorded.

Results of finished steps are kept in a JSON file, and a second call continues.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from collector.recording import Recording, read_recording
from lab.advise.demand import read_demand
from lab.advise.experiment import contender, read_cases
from lab.advise.model import Demand, Limits, Setting
from lab.advise.run import advise
from lab.conformance.kept import kept_verdicts
from lab.experiment.model import Experiment
from lab.replay.replay import Replay
from lab.run.conductor import conduct_experiment
from lab.run.progress import RunProgress
from lab.system import environment
from poolbench.jobs import SEGMENTS
from poolbench.settings import load_settings
from report import format as fmt
from report.build import write_reports
from report.profile.measure import measure_profile
from report.result import Summary
from tests.recordings import RecordedApp, RecordedJob, jobs_of, poisson, write_recording

#: Pool → slots of the grid.
GRID: Mapping[str, Sequence[int]] = {
    "prefork": (2, 4, 8, 16, 32),
    "threads": (2, 8, 32, 100),
    "gevent": (8, 32, 100),
}

CELLS = tuple(f"{pool}-{slots}" for pool, sizes in GRID.items() for slots in sizes)

#: Largest regret of good advice, and for how many workloads it has to be that good.
GOOD_SHARE, GOOD_OF_TWELVE = 0.10, 10

#: Duration of each recording, seconds.
RECORDED_S = 120.0

#: The part of a recording that the grid runs, seconds.
PART_S = 60.0

#: Bound on the wait that each advice has to keep.
SLO = {"p95_wait_s": 2.0}

#: A share of the busy time from which jobs "wait", for the rule of thumb.
WAITS_SHARE = 0.5

#: Seconds for an advice, repetitions of the grid and of the second run, seconds of their trials;
#: then the same for a quick look, which shows only that everything runs.
USUAL = (100.0, 1, 3, 1.2)
QUICK = (60.0, 1, 1, 0.5)

_GEVENT = {"packages": {"gevent": "26.9.0"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A generated workload."""

    name: str
    jobs: Callable[[], list[RecordedJob]]
    #: The recorded setting.
    today: Setting = field(default_factory=lambda: Setting(pool="prefork", slots=8))
    #: Members of the worker's line.
    worker: Mapping[str, Any] = field(default_factory=lambda: _GEVENT)
    #: Whether its waits block a greenlet's thread; the recording shows only the driver.
    is_blocking: bool = False


def steady(per_s: float, **states: float) -> Callable[[], list[RecordedJob]]:
    """Return jobs of one task that are all alike, at random times."""
    return lambda: jobs_of("app.job", poisson(per_s=per_s, duration_s=RECORDED_S), states)


def tailed(
    per_s: float, *, state: str, draw: Callable[[random.Random], float], **states: float
) -> Callable[[], list[RecordedJob]]:
    """Return jobs of one task of which one state is drawn, at random times."""

    def jobs() -> list[RecordedJob]:
        chance = random.Random(7)
        arrivals = poisson(per_s=per_s, duration_s=RECORDED_S)
        return jobs_of("app.job", arrivals, lambda _: {**states, state: draw(chance)})

    return jobs


def bursts() -> list[RecordedJob]:
    """Return 100 jobs at the beginning of every fifth second."""
    arrivals = [at_s + n / 1_000 for at_s in range(0, int(RECORDED_S), 5) for n in range(100)]
    return jobs_of("app.job", arrivals, {"core_held": 0.002, "io_wait": 0.02})


def mixed() -> list[RecordedJob]:
    """Return short computing jobs beside short and long waits."""
    tasks: dict[str, tuple[float, dict[str, float]]] = {
        "app.short": (15, {"core_held": 0.003}),
        "app.fetch": (10, {"core_held": 0.002, "io_wait": 0.06}),
        "app.long": (3, {"core_held": 0.005, "io_wait": 1.0}),
    }
    return [
        job
        for seed, (task, (per_s, states)) in enumerate(tasks.items())
        for job in jobs_of(task, poisson(per_s=per_s, duration_s=RECORDED_S, seed=seed), states)
    ]


LOADS: Mapping[str, Load] = {
    one.name: one
    for one in (
        Load(name="computing, GIL held", jobs=steady(20, core_held=0.012)),
        Load(name="computing, GIL released", jobs=steady(20, core_released=0.02)),
        Load(name="computing, both", jobs=steady(20, core_held=0.008, core_released=0.012)),
        Load(name="short waits", jobs=steady(40, core_held=0.0003, io_wait=0.005)),
        Load(
            name="long waits",
            jobs=steady(15, core_held=0.001, io_wait=0.5),
            today=Setting(pool="prefork", slots=16),
        ),
        Load(name="waits, some computing", jobs=steady(20, core_held=0.005, io_wait=0.05)),
        Load(name="waits, much released", jobs=steady(20, core_released=0.015, io_wait=0.04)),
        Load(
            name="tail of waits",
            jobs=tailed(
                20,
                state="io_wait",
                draw=lambda chance: min(2.0, chance.lognormvariate(-3.5, 1.2)),
                core_held=0.001,
            ),
        ),
        Load(
            name="tail of computing",
            jobs=tailed(
                20,
                state="core_held",
                draw=lambda chance: 0.1 if chance.random() < 0.05 else 0.003,
                io_wait=0.005,
            ),
        ),
        Load(name="bursts", jobs=bursts),
        Load(
            name="blocking waits",
            jobs=steady(20, core_held=0.002, io_wait=0.03),
            worker={"packages": {"gevent": "26.9.0", "psycopg2": "2.9.10"}},
            is_blocking=True,
        ),
        Load(name="short and long", jobs=mixed, today=Setting(pool="prefork", slots=8)),
    )
}


def main() -> int:
    """Measure what the file doesn't have yet, and print the table; return 1 for a missed bound."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--to", type=Path, default=Path("results/advise-benchmark.json"))
    parser.add_argument("--only", action="append", choices=LOADS, help="Only this workload.")
    parser.add_argument("--quick", action="store_true", help="Show only that everything runs.")
    given = parser.parse_args()
    kept: dict[str, Any] = json.loads(given.to.read_text()) if given.to.exists() else {}
    given.to.parent.mkdir(parents=True, exist_ok=True)
    chosen = given.only or [*LOADS]
    for name in chosen:
        known = kept.setdefault(name, {})
        bench = Bench(LOADS[name], folder=given.to.parent, is_quick=given.quick)
        for step in (bench.advise, bench.sweep, bench.confirm):
            if step.__name__ not in known:
                began_at_s = time.monotonic()
                known[step.__name__] = step(known)
                known[f"{step.__name__}_took_s"] = round(time.monotonic() - began_at_s, 1)
                given.to.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    return show({name: kept[name] for name in chosen}, is_whole=len(chosen) == len(LOADS))


class Bench:
    """The steps of one workload."""

    def __init__(self, load: Load, *, folder: Path, is_quick: bool) -> None:
        self._load = load
        self._folder = folder
        self._budget_s, self._grid_blocks, self._blocks, self._trial_s = (
            QUICK if is_quick else USUAL
        )
        self._path = folder / f"{load.name.replace(' ', '-').replace(',', '')}.pbrec"
        self._path.unlink(missing_ok=True)
        app = RecordedApp(pool=load.today.pool, slots=load.today.slots, worker=load.worker)
        write_recording(self._path, load.jobs(), app=app)
        self._recording: Recording = read_recording(self._path)
        profile = measure_profile(self._recording, verdicts=kept_verdicts())
        self._demand: Demand = read_demand(
            profile, recording=self._recording, cores=environment.usable_cores()
        )

    def advise(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Return the advised setting."""
        found = advise(
            self._demand,
            recording=self._recording,
            paths=[self._path],
            limits=Limits(),
            slo=SLO,
            budget_s=self._budget_s,
            seed=1,
            measure=self._measure,
        )
        advised = found.decision.advised
        setting = advised.setting if advised else self._demand.today
        tried = [one.setting.name for case in found.measured.values() for one in case]
        return {
            "outcome": found.decision.outcome,
            "reasons": found.decision.reasons,
            "setting": _as_table(setting),
            "tried": tried,
            "default": default_of(self._demand),
            "thumb": thumb_of(self._demand),
        }

    def sweep(self, known: Mapping[str, Any]) -> dict[str, float]:
        """Return the throughput of each cell of the grid, jobs per second, and of the advice."""
        advised = _read_setting(known)
        cells = {name: _named(name) for name in CELLS}
        return self._per_s({**cells, advised.name: advised}, blocks=self._grid_blocks)

    def confirm(self, known: Mapping[str, Any]) -> dict[str, float]:
        """Return the same for the best two of the grid, the advice and the rules of thumb."""
        advised, grid = _read_setting(known), dict(known["sweep"])
        best = sorted((one for one in grid if one in CELLS), key=grid.__getitem__)[-2:]
        names = {*best, known["advise"]["default"], known["advise"]["thumb"]}
        settings = {name: _named(name) for name in sorted(names)}
        return self._per_s({**settings, advised.name: advised}, blocks=self._blocks)

    def _per_s(self, settings: Mapping[str, Setting], *, blocks: int) -> dict[str, float]:
        """Return the median throughput of settings with the recorded jobs as a backlog."""
        (case, *_) = read_cases(self._recording, paths=[self._path], span_s=PART_S)
        replay = _blocking(case.replay) if self._load.is_blocking else case.replay
        # a setting of another worker may have a prefetch multiplier of its own
        plain = replace(self._demand, is_acked_late=False)
        experiment = Experiment(
            file="benchmarks.advise",
            text="",
            title=self._load.name,
            question="",
            profile="grid",
            seed=1,
            repetitions=blocks,
            trial_s=self._trial_s,
            stall_s=30.0,
            contenders=tuple(
                contender(one, demand=plain, name=name) for name, one in settings.items()
            ),
            workloads=(case.at_limit,),
            replays={case.at_limit.name: replay},
        )
        summary, _ = self._measure(experiment)
        return {
            row.contender: row.throughput_per_s.median
            for row in summary.rows
            if row.throughput_per_s
        }

    def _measure(self, experiment: Experiment) -> tuple[Summary, Path]:
        console = Console(stderr=True)
        settings = load_settings()
        progress = RunProgress(
            console, title=f"{self._load.name}: {experiment.profile}", trials=1, blocks=None
        )
        with progress:
            folder, cut = conduct_experiment(
                experiment,
                settings=settings,
                results_dir=self._folder,
                command="python -m benchmarks.advise",
                progress=progress,
            )
        if cut is not None:
            raise cut
        return write_reports(folder.path), folder.path


def default_of(demand: Demand) -> str:
    """Return Celery's default setting."""
    return f"prefork-{max(1, int(demand.cores))}"


def thumb_of(demand: Demand) -> str:
    """Return the setting by "waits → gevent 100, else prefork"."""
    job = demand.mean
    waits_s = job.wait_s + job.blocking_s
    return "gevent-100" if waits_s > WAITS_SHARE * job.service_s else default_of(demand)


def _blocking(replay: Replay) -> Replay:
    """Return the jobs with waits that don't yield."""
    first = 2
    wait, blocking = (first + SEGMENTS.index(name) for name in ("wait_ms", "blocking_ms"))

    def moved(numbers: Sequence[float]) -> list[float]:
        found = [*numbers]
        found[blocking], found[wait] = found[wait], 0.0
        return found

    return replace(replay, numbers=[moved(one) for one in replay.numbers])


def _as_table(setting: Setting) -> dict[str, Any]:
    return {name: getattr(setting, name) for name in Setting.__slots__}


def _read_setting(known: Mapping[str, Any]) -> Setting:
    return Setting(**known["advise"]["setting"])


def _named(name: str) -> Setting:
    pool, _, slots = name.partition("-")
    return Setting(pool=pool, slots=int(slots))


def show(kept: Mapping[str, Any], *, is_whole: bool) -> int:
    """Print the regrets; return 1 if the advice isn't good enough."""
    table = Table("workload", "best of the grid", "advised", "regret", "default", "rule of thumb")
    regrets: dict[str, list[float]] = {"advised": [], "default": [], "thumb": []}
    for name, known in kept.items():
        per_s = known["confirm"]
        advised = _read_setting(known).name
        best = max((one for one in per_s if one in CELLS), key=per_s.__getitem__)
        own = {"advised": advised, **{key: known["advise"][key] for key in ("default", "thumb")}}
        row = {key: max(0.0, 1 - per_s.get(one, 0.0) / per_s[best]) for key, one in own.items()}
        for key, value in row.items():
            regrets[key].append(value)
        table.add_row(
            name,
            f"{best} {fmt.number(per_s[best])}/s",
            f"{advised} {fmt.number(per_s.get(advised))}/s ({known['advise']['outcome']})",
            *(fmt.percent(row[key]) for key in own),
        )
    means = {key: statistics.fmean(values) for key, values in regrets.items()}
    good = sum(value <= GOOD_SHARE for value in regrets["advised"])
    table.add_row("mean", "", "", *(fmt.percent(value) for value in means.values()))
    console = Console()
    console.print(table)
    console.print(f"within {GOOD_SHARE:.0%} of the best: {good} of {len(kept)}")
    took_s = sum(value for one in kept.values() for key, value in one.items() if "took" in key)
    console.print(f"took {fmt.minutes(took_s)}")
    is_less = means["advised"] < min(means["default"], means["thumb"])
    is_good = is_less and (not is_whole or good >= GOOD_OF_TWELVE)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
