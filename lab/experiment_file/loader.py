"""Reads an experiment's TOML file: checked, and resolved for this machine."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from collector.run_manifest import Contender, Part, Workload
from lab.experiment.arrivals import SEARCH_ARRIVALS, complete_arrivals
from lab.experiment.model import MIX, Experiment
from lab.experiment.sweep import points
from lab.experiment.worker_settings import SLOTS
from lab.experiment_file.checks import word_faults
from lab.experiment_file.schema import ExperimentInput, PartInput, SweepInput, WorkloadInput
from lab.experiment_file.shape_checks import shape_faults
from poolbench.errors import Fault, UsageError, nearest
from poolbench.jobs import complete_parameters, find_kind
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
        fail_on=tuple(parsed.fail_on),
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
