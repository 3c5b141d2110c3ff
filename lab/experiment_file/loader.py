"""Reads an experiment's TOML file: checked, and resolved for this machine."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

from pydantic import ValidationError

from collector.run_manifest import Contender, Part, SweepPoint, Workload
from lab.experiment.arrivals import SEARCH_ARRIVALS
from lab.experiment.model import Experiment
from lab.experiment_file.contenders import ContenderInput
from lab.experiment_file.messages import faults_of
from lab.experiment_file.schema import ExperimentInput
from lab.experiment_file.workloads import JobWorkload, MixWorkload
from poolbench.errors import Fault, UsageError, nearest
from producer.arrivals import read_schedule


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
    try:
        parsed = ExperimentInput.model_validate(table)
    except ValidationError as error:
        raise UsageError(*faults_of(error, table=table, where=str(path), text=text)) from error
    if profile not in parsed.profile:
        remedy = nearest(profile, among=parsed.profile)
        fault = Fault(problem="unknown profile", seen=profile, remedy=remedy, where=str(path))
        raise UsageError(fault)
    return _resolve(parsed, path=path, text=text, profile=profile, cores=cores)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _unread(path, reason="not UTF-8", remedy="save it as UTF-8") from error
    except PermissionError as error:
        remedy = f"give this user access to it: chmod u+r {path}"
        raise _unread(path, reason=str(error.strerror), remedy=remedy) from error
    except OSError as error:
        is_folder = isinstance(error, IsADirectoryError)
        folder = path if is_folder else path.parent
        folder = folder if folder.is_dir() else Path("experiments")
        names = sorted(str(found) for found in folder.glob("*.toml") if found.is_file())
        remedy = "name a TOML file"
        if names:
            remedy = nearest("" if is_folder else str(path), among=names)
        raise _unread(path, reason=str(error.strerror), remedy=remedy) from error


def _unread(path: Path, *, reason: str, remedy: str) -> UsageError:
    seen = f"{path} ({reason})"
    return UsageError(Fault(problem="experiment can't be read", seen=seen, remedy=remedy))


def _resolve(
    parsed: ExperimentInput, *, path: Path, text: str, profile: str, cores: int
) -> Experiment:
    chosen = parsed.profile[profile]
    named = _contenders(parsed, cores=cores)
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
        fail_on=tuple(parsed.fail_on),
        twin=parsed.twin or "",
        slo=parsed.slo,
    )


def _contenders(parsed: ExperimentInput, *, cores: int) -> dict[str, list[Contender]]:
    """Return contenders by the names that a profile may use: a swept one's is all its points'."""
    inputs = {known.name: known for known in parsed.contender}
    named = {name: [_contender(known, cores=cores)] for name, known in inputs.items()}
    swept: dict[str, list[Contender]] = {}
    for point in parsed.sweep.points if parsed.sweep else ():
        contender = _contender(inputs[point.of].at(point), cores=cores, sweep=point)
        named[point.name] = [contender]
        swept.setdefault(point.of, []).append(contender)
    return named | swept


def _contender(known: ContenderInput, *, cores: int, sweep: SweepPoint | None = None) -> Contender:
    slots = cores if known.slots == "cores" else known.slots
    return Contender(**{**dict(known), "slots": slots}, sweep=sweep)


def _workload(known: JobWorkload | MixWorkload, *, trial_s: float) -> Workload:
    measure = known.measure or ("capacity" if known.arrivals is None else "rate")
    arrivals = known.arrivals
    if measure == "rate" and arrivals is not None:
        arrivals = read_schedule(arrivals, span_s=trial_s).as_table()
    elif measure in ("sustain", "curve"):
        arrivals = {"how": SEARCH_ARRIVALS[0], **(arrivals or {})}
    return Workload(
        name=known.name,
        kind=known.kind,
        parameters=known.parameters,
        measure=measure,
        arrivals=arrivals,
        mix=tuple(Part(**dict(part)) for part in known.mix),
    )


def _opening_comment(text: str) -> str:
    """Return the comment that opens a file, without the line breaks of the file's own width."""
    lines = list(itertools.takewhile(lambda line: line.startswith("#"), text.splitlines()))
    words = "\n".join(line.lstrip("#").strip() for line in lines)
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in words.split("\n\n"))
