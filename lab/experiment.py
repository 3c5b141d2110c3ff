"""An experiment: a question as a TOML file, read, checked and resolved for this machine."""

from __future__ import annotations

import hashlib
import itertools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lab.experiment_faults import word_faults
from lab.experiment_input import ExperimentInput, PartInput, SweepInput, WorkloadInput
from lab.experiment_shape import shape_faults
from lab.interpreter import Interpreter
from lab.loads import SEARCH_ARRIVALS, complete_arrivals
from lab.sweep import SweepPoint, points
from lab.tuning import SLOTS, Tuning, Value
from lab.until import Until
from poolbench.errors import Fault, UsageError, nearest
from poolbench.jobs import complete_parameters, find_kind
from producer.arrivals import read_schedule
from report.statistics.ratios import CLAIM_BLOCKS
from report.verdicts.thresholds import Requirement

#: Stands for the kind of a workload whose jobs are of several.
MIX = "mix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One column of the comparison."""

    name: str
    pool: str
    slots: int
    note: str
    #: The Python that runs its worker: a path, or `FREE_THREADED`. Empty: the lab's own.
    interpreter: str = ""
    #: The contender that it is a second time, to show the noise; empty for all others.
    twin_of: str = ""
    #: What it is set to beside that, by `lab.tuning.SETTINGS`; what isn't said is left out.
    settings: Mapping[str, Value] = field(default_factory=dict)
    #: Which point of a sweep it is; None for a contender of its own.
    sweep: SweepPoint | None = None

    @property
    def tuning(self) -> Tuning:
        """Its settings, with what holds where nothing is said."""
        return Tuning.of(self.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A contender that can't run here; an entry of the manifest's ``skipped``."""

    contender: str
    reason: str
    #: The command that helps.
    remedy: str

    def __str__(self) -> str:
        return f"{self.contender}: {self.reason}; {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One sort of job in a mix."""

    name: str
    kind: str
    parameters: Mapping[str, int | float]
    #: How many of a mix's jobs are of this sort, above 0; those of all parts make about 1.
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The jobs that every contender gets."""

    name: str
    #: `MIX` where its jobs are of several sorts.
    kind: str
    parameters: Mapping[str, int | float]
    #: One of `lab.loads.MEASURES`.
    measure: str = "capacity"
    #: How its jobs come, as `producer.arrivals.read_schedule` takes it, complete for a rate; where
    #: a rate is looked for, ``how`` alone. None: the whole backlog at once.
    arrivals: Mapping[str, Any] | None = None
    #: Its parts, or none.
    mix: tuple[Part, ...] = ()

    @property
    def sorts(self) -> tuple[Workload, ...]:
        """A workload of one kind for each sort of its jobs, in the order of the mix."""
        if not self.mix:
            return (self,)
        return tuple(
            Workload(name=f"{self.name}/{part.name}", kind=part.kind, parameters=part.parameters)
            for part in self.mix
        )

    @property
    def shares(self) -> tuple[float, ...]:
        """How many of its jobs are of each of the `sorts`; together 1."""
        whole = sum(part.share for part in self.mix)
        return tuple(part.share / whole for part in self.mix) or (1.0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment resolved for this machine and one profile."""

    file: str
    #: The file's text, as it was read.
    text: str
    title: str
    #: The comment that opens the file: a line a paragraph, a blank one between two.
    question: str
    profile: str
    seed: int
    repetitions: int
    #: How long a trial should last, about, seconds.
    trial_s: float
    #: A trial without a line for so long is over and invalid, seconds.
    stall_s: float
    contenders: tuple[Contender, ...]
    workloads: tuple[Workload, ...]
    #: What the contenders' own Pythons are, by the name that a contender gives.
    interpreters: Mapping[str, Interpreter] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    #: What a rate has to keep in order to be held: bounds in seconds by name (`report.trials.slo`).
    slo: Mapping[str, float] = field(default_factory=dict)
    #: The contender to be measured a second time; empty: the first.
    twin: str = ""
    #: What ends the run; None: the number of repetitions.
    until: Until | None = None

    @property
    def makes_claims(self) -> bool:
        """Whether a whole run of it has blocks enough for a claim."""
        return self.until is not None or self.repetitions >= CLAIM_BLOCKS

    @property
    def originals(self) -> tuple[Contender, ...]:
        """The contenders without the twin."""
        return tuple(one for one in self.contenders if not one.twin_of)

    @property
    def is_queue_measured(self) -> bool:
        """Whether throughput is read off the queues: some contender leaves no records."""
        return not all(contender.tuning.probe for contender in self.contenders)

    @property
    def sha256(self) -> str:
        """Return the digest of the file's text, hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def load_experiment(path: Path, *, profile: str, cores: int) -> Experiment:
    """Read an experiment's file and resolve it.

    Raises:
        UsageError: with every fault of the file, each with its line and the nearest right word.
    """
    text = _read(path)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(Fault(problem="no TOML", seen=str(error), where=str(path))) from error
    faults: list[Fault] = []
    parsed: ExperimentInput | None = None
    try:
        parsed = ExperimentInput.model_validate(table)
    except ValidationError as error:
        faults += shape_faults(error.errors(), table=table, path=path, text=text)
    faults += word_faults(table, path=path, text=text)
    if parsed is not None and profile not in parsed.profile:
        remedy = nearest(profile, among=parsed.profile)
        faults.append(
            Fault(problem="unknown profile", seen=profile, remedy=remedy, where=str(path))
        )
    if faults or parsed is None:
        raise UsageError(*faults)
    return _resolve(parsed, path=path, text=text, profile=profile, cores=cores)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _unread(path, reason="not UTF-8", remedy="save it as UTF-8") from error
    except PermissionError as error:
        remedy = f"give this user access to it: chmod u+r {path}"
        raise _unread(path, reason=str(error.strerror), remedy=remedy) from error
    except IsADirectoryError as error:
        names = _experiments_in(path)
        remedy = nearest("", among=names) if names else "name a TOML file"
        raise _unread(path, reason=str(error.strerror), remedy=remedy) from error
    except OSError as error:
        folder = path.parent if path.parent.is_dir() else Path("experiments")
        names = _experiments_in(folder)
        remedy = nearest(str(path), among=names) if names else "name a TOML file"
        seen = f"{path} ({error.strerror})"
        raise UsageError(Fault(problem="no such experiment", seen=seen, remedy=remedy)) from error


def _unread(path: Path, *, reason: str, remedy: str) -> UsageError:
    """Return the fault of an experiment that is there: another name would be no help."""
    seen = f"{path} ({reason})"
    return UsageError(Fault(problem="experiment can't be read", seen=seen, remedy=remedy))


def _experiments_in(folder: Path) -> list[str]:
    """Return the paths of the experiments in a folder: files that are there."""
    return [str(found) for found in sorted(folder.glob("*.toml")) if found.is_file()]


def _resolve(
    parsed: ExperimentInput, *, path: Path, text: str, profile: str, cores: int
) -> Experiment:
    chosen = parsed.profile[profile]
    named = _with_points(_contenders(parsed, cores=cores), sweep=parsed.sweep)
    workloads = tuple(_workload(known, trial_s=chosen.trial_s) for known in parsed.workload)
    return Experiment(
        file=str(path),
        text=text,
        title=parsed.title,
        question=_opening_comment(text),
        profile=profile,
        seed=parsed.seed,
        repetitions=chosen.repetitions,
        trial_s=chosen.trial_s,
        stall_s=parsed.stall_s,
        contenders=tuple(
            {one.name: one for name in chosen.contenders for one in named[name]}.values()
        ),
        workloads=workloads,
        requirements=tuple(known.resolve() for known in parsed.require),
        twin=parsed.twin or "",
        slo=parsed.slo,
    )


def _contenders(parsed: ExperimentInput, *, cores: int) -> dict[str, Contender]:
    return {
        known.name: Contender(
            name=known.name,
            pool=known.pool,
            slots=cores if known.slots == "cores" else known.slots,
            note=known.note,
            interpreter=known.interpreter,
            settings=known.settings,
        )
        for known in parsed.contender
    }


def _with_points(
    contenders: Mapping[str, Contender], *, sweep: SweepInput | None
) -> dict[str, tuple[Contender, ...]]:
    """Return contenders by the names that a profile may use: a swept one's is all its points'."""
    named: dict[str, tuple[Contender, ...]] = {name: (one,) for name, one in contenders.items()}
    if sweep is None:
        return named
    swept: dict[str, tuple[Contender, ...]] = {}
    for point in points(sweep.of, setting=sweep.setting, values=sweep.values):
        base = contenders[point.of]
        changed = (
            replace(base, name=point.name, slots=int(point.value), sweep=point)
            if point.setting == SLOTS
            else replace(
                base,
                name=point.name,
                settings={**base.settings, point.setting: point.value},
                sweep=point,
            )
        )
        named[point.name] = (changed,)
        swept[point.of] = (*swept.get(point.of, ()), changed)
    return named | swept


def _workload(known: WorkloadInput, *, trial_s: float) -> Workload:
    measure = known.measure or ("capacity" if known.arrivals is None else "rate")
    arrivals = known.arrivals
    if measure == "rate" and arrivals is not None:
        arrivals = read_schedule(complete_arrivals(arrivals, trial_s=trial_s)).as_table()
    elif measure in ("sustain", "curve"):
        arrivals = {"how": SEARCH_ARRIVALS[0], **(arrivals or {})}
    return Workload(
        name=known.name or known.kind,
        kind=MIX if known.mix else known.kind,
        parameters={} if known.mix else _complete(known),
        measure=measure,
        arrivals=arrivals,
        mix=tuple(
            Part(name=part.name, kind=part.kind, parameters=_complete(part), share=part.share)
            for part in known.mix
        ),
    )


def _complete(job: WorkloadInput | PartInput) -> dict[str, int | float]:
    return complete_parameters(find_kind(job.kind), job.parameters)


def _opening_comment(text: str) -> str:
    """Return the comment that opens a file, without the line breaks of the file's own width."""
    lines = list(itertools.takewhile(lambda line: line.startswith("#"), text.splitlines()))
    words = "\n".join(line.lstrip("#").strip() for line in lines)
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in words.split("\n\n"))
