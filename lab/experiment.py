"""An experiment: a question as a TOML file, read, checked and resolved for this machine."""

from __future__ import annotations

import hashlib
import itertools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.interpreter import FREE_THREADED, Interpreter
from lab.require import RequireInput, require_faults
from lab.toml_lines import locate
from poolbench.errors import Fault, UsageError, nearest
from poolbench.jobs import complete_parameters, find_kind, rough_job_s
from poolbench.keys import NAME
from poolbench.pools import find_pool
from report.thresholds import Requirement

#: A trial without a line for so long is over, where the file doesn't say, seconds.
DEFAULT_STALL_S = 10.0

#: Pools built on greenlet, which has not declared that it can run without the GIL.
GREENLET_POOLS = frozenset({"gevent", "asyncio"})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ContenderInput(_Strict):
    """A `[[contender]]` table."""

    name: str = Field(pattern=f"^{NAME.pattern}$")
    pool: str
    slots: int | Literal["cores"]
    note: str = ""
    interpreter: str = ""


class WorkloadInput(_Strict):
    """A `[[workload]]` table; its name is the kind's unless it is given."""

    kind: str
    name: str = ""
    parameters: dict[str, int | float] = Field(default_factory=dict)


class ProfileInput(_Strict):
    """A `[profile.NAME]` table: how much of the experiment a command runs."""

    repetitions: int = Field(ge=1, le=1_000)
    trial_s: float = Field(gt=0.05, le=600)
    contenders: list[str] = Field(min_length=1)


class ExperimentInput(_Strict):
    """The whole file."""

    title: str = Field(min_length=1)
    seed: int = Field(default=0, ge=0)
    stall_s: float = Field(default=DEFAULT_STALL_S, gt=0, le=3_600)
    contender: list[ContenderInput] = Field(min_length=1)
    workload: list[WorkloadInput] = Field(min_length=1)
    profile: dict[str, ProfileInput] = Field(min_length=1)
    require: list[RequireInput] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One column of the comparison."""

    name: str
    pool: str
    slots: int
    note: str
    #: The Python that runs its worker: a path, or `FREE_THREADED`. Empty: the lab's own.
    interpreter: str = ""


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
class Workload:
    """The jobs that every contender gets."""

    name: str
    kind: str
    parameters: Mapping[str, int | float]


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
        faults += [_shape_fault(fault, path=path, text=text) for fault in error.errors()]
    faults += _word_faults(table, path=path, text=text)
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
    except (OSError, UnicodeDecodeError) as error:
        folder = path.parent if path.parent.is_dir() else Path("experiments")
        names = [str(found) for found in sorted(folder.glob("*.toml"))]
        remedy = nearest(str(path), among=names) if names else "name a TOML file"
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        seen = f"{path} ({reason})"
        raise UsageError(Fault(problem="no such experiment", seen=seen, remedy=remedy)) from error


def _resolve(
    parsed: ExperimentInput, *, path: Path, text: str, profile: str, cores: int
) -> Experiment:
    chosen = parsed.profile[profile]
    contenders = {
        known.name: Contender(
            name=known.name,
            pool=known.pool,
            slots=cores if known.slots == "cores" else known.slots,
            note=known.note,
            interpreter=known.interpreter,
        )
        for known in parsed.contender
    }
    workloads = tuple(
        Workload(
            name=known.name or known.kind,
            kind=known.kind,
            parameters=complete_parameters(find_kind(known.kind), known.parameters),
        )
        for known in parsed.workload
    )
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
        contenders=tuple(contenders[name] for name in chosen.contenders),
        workloads=workloads,
        requirements=tuple(known.resolve() for known in parsed.require),
    )


def _opening_comment(text: str) -> str:
    """Return the comment that opens a file, without the line breaks of the file's own width."""
    lines = list(itertools.takewhile(lambda line: line.startswith("#"), text.splitlines()))
    words = "\n".join(line.lstrip("#").strip() for line in lines)
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in words.split("\n\n"))


def _shape_fault(error: Any, *, path: Path, text: str) -> Fault:
    """Return what pydantic found as a fault of ours, at its line."""
    keys: tuple[str | int, ...] = tuple(
        key for key in error["loc"] if key not in {"int", "float", "literal['cores']"}
    )
    where = f"{path}:{locate(text, keys)}"
    name = ".".join(str(key) for key in keys)
    if error["type"] == "extra_forbidden":
        remedy = nearest(str(keys[-1]), among=_keys_beside(keys))
        return Fault(problem="unknown key", seen=name, remedy=remedy, where=where)
    if error["type"] == "missing":
        return Fault(problem="missing key", seen=name, remedy="write it", where=where)
    return Fault(problem=name, seen=repr(error["input"]), remedy=error["msg"], where=where)


def _keys_beside(keys: tuple[str | int, ...]) -> list[str]:
    models: dict[str | int, type[BaseModel]] = {
        "contender": ContenderInput,
        "workload": WorkloadInput,
        "profile": ProfileInput,
        "require": RequireInput,
    }
    model = models.get(keys[0], ExperimentInput) if len(keys) > 1 else ExperimentInput
    return list(model.model_fields)


def _word_faults(table: dict[str, Any], *, path: Path, text: str) -> list[Fault]:
    """Return the faults of meaning: pools, slots, kinds, parameters, names, profiles."""
    found: list[tuple[tuple[str | int, ...], Fault]] = []
    for index, contender in _tables(table, "contender"):
        found += [(("contender", index, *at), fault) for at, fault in _contender_faults(contender)]
    for index, workload in _tables(table, "workload"):
        faults = _workload_faults(workload, stall_s=table.get("stall_s", DEFAULT_STALL_S))
        found += [(("workload", index, *at), fault) for at, fault in faults]
    found += _name_faults(table)
    found += require_faults(table)
    return [
        Fault(
            problem=fault.problem,
            seen=fault.seen,
            remedy=fault.remedy,
            where=f"{path}:{locate(text, keys)}",
        )
        for keys, fault in found
    ]


def _tables(table: dict[str, Any], key: str) -> list[tuple[int, dict[str, Any]]]:
    rows = table.get(key)
    if not isinstance(rows, list):
        return []
    return [(index, row) for index, row in enumerate(rows) if isinstance(row, dict)]


def _contender_faults(contender: dict[str, Any]) -> list[tuple[tuple[str, ...], Fault]]:
    pool, slots = contender.get("pool"), contender.get("slots")
    if not isinstance(pool, str):
        return []
    try:
        known = find_pool(pool)
    except UsageError as error:
        return [(("pool",), fault) for fault in error.faults]
    if known.fixed_slots is not None and slots not in (known.fixed_slots, None):
        remedy = f"{pool} always has {known.fixed_slots}"
        return [(("slots",), Fault(problem="impossible slots", seen=str(slots), remedy=remedy))]
    if isinstance(slots, int) and not 1 <= slots <= known.max_slots:
        remedy = f"pool {pool} takes 1 to {known.max_slots}"
        return [(("slots",), Fault(problem="impossible slots", seen=str(slots), remedy=remedy))]
    if contender.get("interpreter") == FREE_THREADED and pool in GREENLET_POOLS:
        remedy = "greenlet, on which it is built, turns the GIL on; take threads, prefork or solo"
        fault = Fault(problem="impossible pool without the GIL", seen=pool, remedy=remedy)
        return [(("pool",), fault)]
    return []


def _workload_faults(
    workload: dict[str, Any], *, stall_s: object
) -> list[tuple[tuple[str, ...], Fault]]:
    kind, parameters = workload.get("kind"), workload.get("parameters", {})
    if not isinstance(kind, str):
        return []
    try:
        known = find_kind(kind)
    except UsageError as error:
        return [(("kind",), fault) for fault in error.faults]
    try:
        complete = complete_parameters(known, parameters if isinstance(parameters, dict) else {})
    except UsageError as error:
        return [(("parameters",), fault) for fault in error.faults]
    job_s = rough_job_s(known, complete)
    if isinstance(stall_s, (int, float)) and job_s >= stall_s:
        problem = "a job that lasts longer than a trial may be silent"
        remedy = f"raise stall_s above {job_s:g}, now {stall_s:g}"
        return [(("parameters",), Fault(problem=problem, seen=f"{job_s:g} s", remedy=remedy))]
    return []


def _name_faults(table: dict[str, Any]) -> list[tuple[tuple[str | int, ...], Fault]]:
    """Return doubled names, and contenders that a profile names and nobody defines."""
    found: list[tuple[tuple[str | int, ...], Fault]] = []
    for key, fallback in (("contender", ""), ("workload", "kind")):
        seen: set[str] = set()
        for index, row in _tables(table, key):
            name = str(row.get("name") or row.get(fallback, ""))
            if name in seen:
                fault = Fault(problem=f"{key} named twice", seen=name, remedy="rename one")
                found.append(((key, index), fault))
            seen.add(name)
    names = {str(row.get("name")) for _, row in _tables(table, "contender")}
    profiles = table.get("profile")
    for profile, row in profiles.items() if isinstance(profiles, dict) else ():
        wanted = row.get("contenders") if isinstance(row, dict) else None
        listed = [str(name) for name in wanted] if isinstance(wanted, list) else []
        if len(set(listed)) < len(listed):
            fault = Fault(problem="contender listed twice", seen=profile, remedy="name each once")
            found.append((("profile", profile, "contenders"), fault))
        for name in listed:
            if name not in names:
                remedy = nearest(str(name), among=names)
                fault = Fault(problem="unknown contender", seen=str(name), remedy=remedy)
                found.append((("profile", profile, "contenders"), fault))
    return found
