"""The conditions of a run, and the differences between those of two runs. Pure.

A difference is a *refusal* if it makes the ratio of two runs meaningless, or a *note* that is only
shown. docs/compare.md lists the topics of both.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from collector.run_manifest import Contender, Machine, Manifest, PlannedTrial, Workload

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Topics in which a difference is a refusal, with their content.
REFUSED: Mapping[str, str] = {
    "workload": "jobs: kind, parameters, arrivals, rate",
    "contender": "pool, slots, all other keys of its [[contender]] table, and its Python",
    "settings": "Celery's settings of each contender, as its worker reports them",
    "machine": "processor, cores, architecture, memory (differs by more than 10 %)",
    "cgroup": "limits of the control group",
    "python": "Python implementation, major and minor version, GIL",
    "versions": "versions of the packages that handle a job",
    "broker": "server, version, and source of the program",
    "events": "whether Celery's events were on",
}

#: Topics in which a difference is a note, with their content.
NOTED: Mapping[str, str] = {
    "work": "amount of work per job, if calibrated to a duration: equal time, different work",
    "system": "operating system release, Python's patch version, cores of the host",
    "tools": "versions of all other packages, including Poolbench",
    "run": "commit, profile, random seed, trial duration, text of the experiment",
}

#: Packages that handle a job: client, worker, pool, the HTTP job and its upstream.
_JOB_PACKAGES = frozenset(
    {
        "amqp", "billiard", "celery", "gevent", "greenlet", "h11", "hiredis", "httpx", "kombu",
        "redis", "starlette", "uvicorn", "vine",
    }
)  # fmt: skip

#: Tolerated difference of memory, as a share: firmware reserves different amounts.
_MEMORY_TOLERANCE = 0.10

#: Topics with an entry per workload or contender: only names that both runs have are compared.
BY_NAME: Mapping[str, str] = {
    "workload": "workload",
    "work": "workload",
    "contender": "contender",
    "settings": "contender",
}

#: Fields that don't affect how a job runs.
_LABELS = frozenset({"name", "note", "sweep"})

#: Matches an address; its groups leave out credentials, port and path, which differ in every run.
_ADDRESS = re.compile(r"^([a-z+]+://)(?:[^@/]*@)?([^:/]*).*$")

#: Number of a digest's digits that identify it.
_DIGITS = 12

#: Celery's replacement for values that may be secret.
_CENSORED = "********"


#: Topic → condition → value; for topics `BY_NAME`: topic → name → condition → value.
Conditions = Mapping[str, Mapping[str, JsonValue]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A condition that differs between two runs."""

    topic: str
    #: The condition, after the name of its workload or contender: ``io.sleep: delay_ms``.
    what: str
    a: Any
    b: Any

    @property
    def is_refusal(self) -> bool:
        """Whether the difference must be allowed before the runs are compared."""
        return self.topic in REFUSED

    def __str__(self) -> str:
        return f"{self.topic} {self.what}: {_word(self.a)} in A, {_word(self.b)} in B"


def conditions(manifest: Manifest) -> Conditions:
    """Return a run's conditions by topic, as ``summary.json`` contains them.

    The topics are those of `REFUSED` and `NOTED`. Nested tables are flat, with dotted keys.
    """
    return {
        "workload": {one.name: _workload(manifest, one) for one in manifest.workloads},
        "work": {one.name: _work(manifest, one) for one in manifest.workloads},
        "contender": {one.name: _contender(manifest, one) for one in manifest.contenders},
        "settings": {name: _settings(table) for name, table in manifest.celery.items()},
        **_machine(manifest.machine),
        **_versions(manifest.versions, of_app=manifest.app_versions),
        # where the limits are applied differs between containers, their effect doesn't
        "cgroup": {name: one for name, one in manifest.cgroup.items() if name != "limits_in"},
        "broker": dict(manifest.broker),
        "events": {"on": manifest.events},
        "run": _run(manifest),
    }


def differences(
    a: Conditions, *, b: Conditions, names: Mapping[str, Collection[str]] | None = None
) -> list[Difference]:
    """Return the differences between two runs' conditions, refusals first.

    Workloads and contenders of only one run are ignored. A topic that is empty in one run is a
    single difference.

    Args:
        a: conditions of the first run.
        b: conditions of the second run.
        names: "contender" and "workload" → the names to compare; default: all.
    """
    found: list[Difference] = []
    for topic in (*REFUSED, *NOTED):
        ours: Mapping[str, Any] = a.get(topic) or {}
        theirs: Mapping[str, Any] = b.get(topic) or {}
        if topic not in BY_NAME:
            found += _entries(topic, prefix="", a=ours, b=theirs)
            continue
        compared = (names or {}).get(BY_NAME[topic], ours)
        for name in ours:
            # the settings of a group have the name "contender/group"
            if name in theirs and {name, name.partition("/")[0]} & {*compared}:
                found += _entries(topic, prefix=f"{name}: ", a=ours[name], b=theirs[name])
    return sorted(found, key=lambda difference: not difference.is_refusal)


def _entries(
    topic: str, *, prefix: str, a: Mapping[str, Any], b: Mapping[str, Any]
) -> Iterator[Difference]:
    if bool(a) != bool(b):
        state = {True: "known", False: "not known"}
        what = prefix.removesuffix(": ") or "as a whole"
        yield Difference(topic=topic, what=what, a=state[bool(a)], b=state[bool(b)])
        return
    for key in sorted(a.keys() | b.keys()):
        if not _is_alike(key, a=a.get(key), b=b.get(key)):
            yield Difference(topic=topic, what=f"{prefix}{key}", a=a.get(key), b=b.get(key))


def _is_alike(key: str, *, a: Any, b: Any) -> bool:
    if key == "memory_bytes" and a and b:
        return bool(abs(a - b) <= _MEMORY_TOLERANCE * max(a, b))
    return bool(a == b)


def _workload(manifest: Manifest, workload: Workload) -> dict[str, Any]:
    plans = _plans(manifest, workload)
    arrivals = sorted({plan.arrivals for plan in plans})
    # the rate that a search finds is a result, not a condition
    is_found = workload.measure in ("sustain", "curve")
    rates = [] if is_found else sorted({plan.rate_per_s for plan in plans})
    given = _given(workload, without={*_LABELS, "slo", "mix"})
    # the rate that a search finds depends on its target; at a given rate, nothing does
    unused = set() if is_found else {"slo"}
    if workload.mix:
        given["mix"] = tuple(_given(part, without=unused) for part in workload.mix)
    if workload.recorded:
        # the file's content is a condition, its place is not
        given["recorded"] = _given(workload.recorded, without={"file"})
    if is_found:
        given["slo"] = manifest.slo if workload.slo is None else workload.slo
    return _flat({**given, "arrivals": arrivals, "rate_per_s": rates} if plans else given)


def _given(found: DataclassInstance, *, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields that differ from their defaults, which are not conditions.

    Earlier versions lack some of them.
    """
    given = {}
    for one in fields(found):
        value = getattr(found, one.name)
        default = one.default_factory() if callable(one.default_factory) else one.default
        if one.name not in without and value != default:
            is_nested = is_dataclass(value) and not isinstance(value, type)
            given[one.name] = _given(value) if is_nested else value
    return given


def _work(manifest: Manifest, workload: Workload) -> dict[str, Any]:
    """Return the parameters of messages that the experiment doesn't set."""
    found: dict[str, set[float]] = {}
    for plan in _plans(manifest, workload):
        for name in plan.parameters.keys() - workload.parameters.keys():
            found.setdefault(name, set()).add(plan.parameters[name])
    return {name: sorted(values) for name, values in found.items()}


def _plans(manifest: Manifest, workload: Workload) -> list[PlannedTrial]:
    plans = [entry.plan for entry in manifest.trials]
    return [plan for plan in plans if plan.workload == workload.name and not plan.is_pilot]


def _contender(manifest: Manifest, contender: Contender) -> dict[str, Any]:
    # defaults are not conditions: earlier versions lack these keys
    defaults = {"groups": (), "queues": (), "arguments": (), "workers": 1, "is_unset": False}
    defaults |= {"cpus": None, "memory_bytes": None}
    known = {
        key: value
        for key, value in asdict(contender).items()
        if key not in _LABELS and (key not in defaults or value != defaults[key])
    }
    # the interpreter at a path is a condition, the path itself is not
    known["interpreter"] = "its own" if contender.interpreter else ""
    found = manifest.interpreters.get(contender.interpreter)
    for name in ("python", "is_free_threaded", "gil_enabled", "versions") if found else ():
        known[f"interpreter.{name}"] = getattr(found, name)
    return _flat(known)


def _settings(table: Mapping[str, object]) -> dict[str, Any]:
    flat = {key: _setting(value) for key, value in _flat(table).items()}
    return {key: value for key, value in flat.items() if value not in (None, _CENSORED)}


def _setting(value: Any) -> Any:
    if isinstance(value, str):
        return _ADDRESS.sub(r"\1\2", value)
    # lists such as `include` are made from sets: their order differs between processes
    return sorted(map(str, value)) if isinstance(value, list) else value


def _machine(machine: Machine) -> dict[str, Any]:
    minor = re.match(r"\D*\d+\.\d+", machine.python)
    return {
        "machine": _known(machine, "cpu_model", "cores", "architecture", "memory_bytes"),
        "python": {
            "version": minor[0] if minor else machine.python,
            "gil_enabled": machine.gil_enabled,
        },
        "system": _known(machine, "python", "os", "cores_of_host"),
    }


def _versions(versions: Mapping[str, str], *, of_app: Mapping[str, str]) -> dict[str, Any]:
    # the app's Poolbench is always of the lab's version
    app = {f"app.{name}": one for name, one in of_app.items() if name != "poolbench"}
    return {
        "versions": {name: one for name, one in versions.items() if name in _JOB_PACKAGES} | app,
        "tools": {name: one for name, one in versions.items() if name not in _JOB_PACKAGES},
    }


def _run(manifest: Manifest) -> dict[str, Any]:
    commit = manifest.git.commit[:_DIGITS]
    return {
        "commit": f"{commit}, changed" if manifest.git.is_dirty else commit,
        "experiment": manifest.experiment.sha256[:_DIGITS],
        "profile": manifest.profile,
        **_known(manifest, "seed", "trial_s"),
    }


def _known(found: Machine | Manifest, *names: str) -> dict[str, Any]:
    """Return the named fields that have a value."""
    values = {name: getattr(found, name) for name in names}
    return {name: value for name, value in values.items() if value not in (None, "")}


def _flat(table: Mapping[str, object], *, prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one, with dots between the keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, prefix=f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = _listed(value)
    return flat


def _listed(value: Any) -> Any:
    """Return a value with lists instead of tuples, as in a summary that was read from JSON."""
    if isinstance(value, Mapping):
        return {key: _listed(one) for key, one in value.items()}
    return [_listed(one) for one in value] if isinstance(value, list | tuple) else value


def _word(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return f"{value:g}" if isinstance(value, float) else str(value)
