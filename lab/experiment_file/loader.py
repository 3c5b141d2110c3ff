"""Reads an experiment file, checks it and resolves it for this machine."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from celery.utils.sysinfo import cpu_budget  # type: ignore[attr-defined]  # not in the stubs
from pydantic import ValidationError

from collector.run_manifest import (
    MIXED_POOLS,
    App,
    Canvas,
    Contender,
    Part,
    SweepPoint,
    Until,
    WorkerGroup,
    Workload,
)
from lab.experiment.model import MIX, Experiment
from lab.experiment.recorded import recorded_workloads
from lab.experiment_file.app import AppInput
from lab.experiment_file.contenders import (
    AUTO,
    CORES,
    UNSET,
    AnyContender,
    GroupedInput,
    GroupInput,
)
from lab.experiment_file.jobs import PartInput
from lab.experiment_file.messages import faults_of
from lab.experiment_file.schema import ExperimentInput
from lab.experiment_file.workloads import (
    PING_KEYS,
    AnyWorkload,
    IdleInput,
    RecordedInput,
    StartInput,
    WorkloadInput,
    measure_of,
)
from lab.replay.replay import Replay
from poolbench.errors import Fault, UsageError, nearest, unknown
from poolbench.job_options import JobOptions
from poolbench.keys import NAME_LENGTH
from poolbench.settings import merged
from producer.arrivals import read_schedule


def load_experiment(path: Path, *, profile: str, cores: int) -> Experiment:
    """Return the experiment in a file, resolved for one profile and this number of cores.

    Raises:
        UsageError: with every fault of the file, each with its line and the nearest valid word.
    """
    parsed, text = _parse(path)
    if profile not in parsed.profile:
        fault = unknown("profile", field="profile", seen=profile, among=parsed.profile)
        raise UsageError(replace(fault, where=str(path)))
    return _resolve(parsed, path=path, text=text, profile=profile, cores=cores)


def load_profiles(path: Path, *, cores: int) -> dict[str, Experiment]:
    """Return the experiment in a file for each of its profiles, in the order of the file.

    Raises:
        UsageError: as `load_experiment`.
    """
    parsed, text = _parse(path)
    return {
        profile: _resolve(parsed, path=path, text=text, profile=profile, cores=cores)
        for profile in parsed.profile
    }


def _parse(path: Path) -> tuple[ExperimentInput, str]:
    """Return the checked tables of a file, and its text."""
    text = _read(path)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(Fault(problem="invalid TOML", seen=str(error), where=str(path))) from error
    try:
        return ExperimentInput.model_validate(table), text
    except ValidationError as error:
        raise UsageError(*faults_of(error, table=table, where=str(path), text=text)) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        problem, remedy = f"can't be read ({reason})", _read_remedy(error, path=path)
        raise UsageError(Fault(where=str(path), problem=problem, remedy=remedy)) from error


def _read_remedy(error: OSError | UnicodeDecodeError, *, path: Path) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "save it as UTF-8"
    if isinstance(error, PermissionError):
        return f"give this user access to it: chmod u+r {path}"
    is_folder = isinstance(error, IsADirectoryError)
    folder = path if is_folder else path.parent
    # a checkout's top has a TOML file, and it is no experiment
    folder = folder if folder.is_dir() and folder != Path() else Path("experiments")
    names = [str(found) for found in folder.glob("*.toml") if found.is_file()]
    return nearest("" if is_folder else str(path), among=names) if names else "name a TOML file"


def _resolve(
    parsed: ExperimentInput, *, path: Path, text: str, profile: str, cores: int
) -> Experiment:
    chosen = parsed.profile[profile]
    named = _contenders(parsed, cores=cores)
    workloads = [
        _recorded(known, contenders=named, path=path)
        if isinstance(known, RecordedInput)
        else [(_workload(known, trial_s=chosen.trial_s), None)]
        for known in parsed.workload
    ]
    return Experiment(
        file=str(path),
        text=text,
        title=parsed.title,
        question=_opening_comment(text),
        profile=profile,
        seed=parsed.seed,
        repetitions=chosen.repetitions,
        until=None if chosen.budget_s is None else Until(at_most_s=chosen.budget_s),
        trial_s=chosen.trial_s,
        stall_s=parsed.stall_s,
        app=_app(parsed.app, folder=path.parent),
        contenders=tuple(
            {one.name: one for name in chosen.contenders for one in named[name]}.values()
        ),
        workloads=tuple(one for known in workloads for one, _ in known),
        replays={one.name: replay for known in workloads for one, replay in known if replay},
        lanes=tuple(
            one
            for name in chosen.lanes
            for known in workloads
            for one, _ in known
            if one.name == name
        ),
        fail_on=tuple(parsed.fail_on),
        controlled=parsed.twin or "",
        slo=parsed.slo,
    )


def _app(known: AppInput | None, *, folder: Path) -> App | None:
    """Return the app with absolute paths; the links of a Python are kept: they set its packages."""
    if known is None:
        return None
    python = folder / Path(known.python).expanduser() if known.python else Path(sys.executable)
    directory = folder / Path(known.directory).expanduser()
    return App(
        module=known.module, python=str(python.absolute()), directory=str(directory.resolve())
    )


def part_name(task: str) -> str:
    """Return the name of the only part of a workload: a task's name in the letters of names."""
    return re.sub(r"[^a-z0-9._-]+", "-", task.lower()).strip("._-")[:NAME_LENGTH] or "task"


def _contenders(parsed: ExperimentInput, *, cores: int) -> dict[str, list[Contender]]:
    """Return contenders by the names that a profile may use; a swept name has all its points."""
    named = {known.name: [_contender(known, cores=cores)] for known in parsed.contender}
    swept: dict[str, list[Contender]] = {}
    for point, known in parsed.sweep:
        named[point.name] = [_contender(known, cores=cores, sweep=point)]
        swept.setdefault(point.of, []).extend(named[point.name])
    return named | swept


def _contender(known: AnyContender, *, cores: int, sweep: SweepPoint | None = None) -> Contender:
    if not isinstance(known, GroupedInput):
        table = _group_table(known, contender=known, cores=cores)
        return Contender(
            **{**table, "slots": table["slots"] * known.workers},
            cpus=known.cpus,
            memory_bytes=known.memory,
            note=known.note,
            sweep=sweep,
        )
    groups = tuple(_group(group, contender=known, cores=cores) for group in known.group)
    pools = {group.pool for group in groups}
    interpreters = {group.interpreter for group in groups}
    return Contender(
        name=known.name,
        pool=pools.pop() if len(pools) == 1 else MIXED_POOLS,
        slots=sum(group.slots * group.workers for group in groups),
        interpreter=interpreters.pop() if len(interpreters) == 1 else "",
        settings=known.settings,
        celery=known.celery,
        arguments=tuple(known.arguments),
        groups=groups,
        cpus=known.cpus,
        memory_bytes=known.memory,
        note=known.note,
        sweep=sweep,
    )


def _group(known: GroupInput, *, contender: GroupedInput, cores: int) -> WorkerGroup:
    """Return a group with what its contender sets for all groups."""
    table = _group_table(known, contender=contender, cores=cores)
    return WorkerGroup(
        **{
            **table,
            "interpreter": known.interpreter or contender.interpreter,
            "settings": {**contender.settings, **known.settings},
            "celery": merged(contender.celery, known.celery),
            "arguments": (*contender.arguments, *table["arguments"]),
        }
    )


def _group_table(known: GroupInput, *, contender: AnyContender, cores: int) -> dict[str, Any]:
    words = {CORES: cores, UNSET: os.cpu_count() or 1}
    slots = words.get(str(known.slots), known.slots)
    arguments = known.arguments
    if known.slots == AUTO:
        slots, arguments = _auto_slots(known, cpus=contender.cpus), [*arguments, "-c", AUTO]
    return {
        "name": known.name,
        "pool": known.pool,
        "slots": slots,
        "is_unset": known.slots in (UNSET, AUTO),
        "workers": known.workers,
        "queues": tuple(known.queues),
        "interpreter": known.interpreter,
        "settings": known.settings,
        "celery": known.celery,
        "arguments": tuple(arguments),
    }


def _auto_slots(known: GroupInput, *, cpus: float | None) -> int:
    """Return the number of slots that Celery takes with ``-c auto``, on this machine."""
    # only prefork looks at quotas
    is_limited = known.pool == "prefork"
    slots = int(cpu_budget(use_cgroup_quota=is_limited).count)
    return min(slots, math.ceil(cpus)) if cpus and is_limited else slots


def _recorded(
    known: RecordedInput, *, contenders: Mapping[str, Sequence[Contender]], path: Path
) -> Sequence[tuple[Workload, Replay | None]]:
    """Return the workloads of a recording with their jobs.

    Raises:
        UsageError: if the recording has no such jobs, or a contender would never take one.
        StorageError: if it can't be read.
        PoolbenchError: if it has no execution.
    """
    found = recorded_workloads(
        path.parent / Path(known.recorded).expanduser(),
        name=known.name,
        measure=known.measure,
        speed=known.speed,
        from_s=known.from_s,
        to_s=known.end_s,
        tasks=known.tasks,
        calls={one.task: one.call for one in known.call},
        slo=known.slo,
    )
    queues = {kind.options.queue for _, replay in found for kind in replay.kinds}
    faults = [
        Fault(
            where=str(path),
            problem=f"{one.name} consumes neither queue {json.dumps(queue)} of the recording nor "
            "its default queue",
            remedy="add a group without queues, or name the queue in one",
        )
        for one in itertools.chain.from_iterable(contenders.values())
        for queue in sorted(queues - one.queues_consumed)
        if "" not in one.queues_consumed
    ]
    if faults:
        raise UsageError(*faults)
    return found


def _workload(known: AnyWorkload, *, trial_s: float) -> Workload:
    if isinstance(known, (StartInput, IdleInput)):
        return known.workload()
    assert isinstance(known, WorkloadInput), "the jobs of recordings are read by `_recorded`"
    measure, arrivals = measure_of(known), known.arrivals
    if arrivals is not None and measure in ("rate", "ping"):
        arrivals = read_schedule(arrivals, span_s=trial_s).as_table()
    # the shares in the file are of jobs; without jobs of several executions they are kept exactly
    has_canvas = any(part.shape for part in known.mix)
    executions = sum(part.share * len(part.executions) for part in known.mix)
    parts = tuple(
        one
        for part in known.mix
        for one in _parts(part, share=part.share / executions if has_canvas else part.share)
    )
    if known.options != JobOptions() or known.task:
        part = Part(
            name=part_name(known.task) if known.task else known.kind,
            kind=known.task or known.kind,
            parameters={} if known.task else known.parameters,
            share=1.0,
            options=known.options,
            call=known.call,
        )
        parts = (part,)
    return Workload(
        name=known.name,
        kind=MIX if parts else known.kind,
        parameters={} if parts else known.parameters,
        measure=measure,
        measure_parameters={key: getattr(known, key) for key in PING_KEYS if measure == "ping"},
        arrivals=arrivals,
        mix=parts,
        is_in_sequence=known.mix_order == "sequence",
        slo=known.slo,
    )


def _parts(known: PartInput, *, share: float) -> Iterator[Part]:
    """Yield the part, or one for each execution of its jobs."""
    canvas = Canvas(name=known.name, shape=known.shape) if known.shape else None
    for name, step in zip(known.part_names, known.executions, strict=True):
        yield Part(
            name=name,
            kind=known.task or step.kind,
            parameters={} if known.task else step.parameters,
            share=share,
            options=known.options,
            canvas=canvas,
            slo=known.slo,
            call=known.call,
        )


def _opening_comment(text: str) -> str:
    """Return the comment at the top of a file, without the line breaks within paragraphs."""
    lines = list(itertools.takewhile(lambda line: line.startswith("#"), text.splitlines()))
    words = "\n".join(line.lstrip("#").strip() for line in lines)
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in words.split("\n\n"))
