"""Pure: under which conditions a run was made, and where those of two runs differ.

Of two kinds: by a *refusal* the ratio of two runs would answer another question than the one that
was asked; a *note* is shown, and the reader decides. docs/compare.md lists which is which.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import JsonValue

from collector.run_manifest import Contender, Machine, Manifest, PlannedTrial, Workload

#: Topics whose every difference is a refusal, with what they hold.
REFUSED: Mapping[str, str] = {
    "workload": "the jobs: kind, parameters, arrivals, rate",
    "contender": "pool, slots and all else that a [[contender]] sets, and its own Python",
    "settings": "Celery's settings of a contender, as its worker reports them",
    "machine": "processor, cores, architecture, memory (by over 10 %)",
    "cgroup": "the control group's limits",
    "python": "implementation, version to the second place, GIL",
    "versions": "packages that a job's way passes through",
    "broker": "server, its version, where it comes from",
    "events": "whether Celery's events were on",
}

#: Topics of which a difference is shown and refuses nothing.
NOTED: Mapping[str, str] = {
    "work": "units that a time of work came to by each run's calibration: as long, not as much",
    "system": "system release, Python's third place, cores of the host",
    "tools": "packages beside a job's way, Poolbench's own version among them",
    "run": "commit, profile, seed, length of a trial, the experiment's text",
}

#: Packages that a job's way passes through: client, worker, pool, the HTTP job and its upstream.
_ON_THE_WAY = frozenset(
    {
        "amqp", "billiard", "celery", "gevent", "greenlet", "h11", "hiredis", "httpx", "kombu",
        "redis", "starlette", "uvicorn", "vine",
    }
)  # fmt: skip

#: Memory of two machines of one size differs by what their firmware keeps.
_MEMORY_TOLERANCE = 0.10

#: Topics whose entries are by name, with whose: only names that both runs have are compared.
BY_NAME: Mapping[str, str] = {
    "workload": "workload",
    "work": "workload",
    "contender": "contender",
    "settings": "contender",
}

#: Says nothing of how a job runs.
_LABELS = frozenset({"name", "note", "sweep"})

#: An address without its credentials, port and path: two runs never share those.
_ADDRESS = re.compile(r"^([a-z+]+://)(?:[^@/]*@)?([^:/]*).*$")

#: So many digits of a digest are enough to identify one.
_DIGITS = 12

#: Celery writes this in place of what may be secret.
_CENSORED = "********"


#: Topic → condition → value; of topics `BY_NAME`, whose → condition → value.
Conditions = Mapping[str, Mapping[str, JsonValue]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One condition that two runs don't share."""

    topic: str
    #: Which workload or contender, and what of it: ``io.sleep: delay_ms``.
    what: str
    a: Any
    b: Any

    @property
    def is_refusal(self) -> bool:
        """Whether the runs must not be compared without saying so."""
        return self.topic in REFUSED

    def __str__(self) -> str:
        return f"{self.topic} {self.what}: {_word(self.a)} in A, {_word(self.b)} in B"


def conditions(manifest: Manifest) -> Conditions:
    """Return a run's conditions by topic, as ``summary.json`` keeps them.

    Topics of `REFUSED` and `NOTED`; those by name map a name to its conditions, each flat.
    """
    return {
        "workload": {one.name: _workload(manifest, one) for one in manifest.workloads},
        "work": {one.name: _work(manifest, one) for one in manifest.workloads},
        "contender": {one.name: _contender(manifest, one) for one in manifest.contenders},
        "settings": {name: _settings(table) for name, table in manifest.celery.items()},
        **_machine(manifest.machine),
        **_versions(manifest.versions),
        "cgroup": dict(manifest.cgroup),
        "broker": dict(manifest.broker),
        "events": {"on": manifest.events},
        "run": _run(manifest),
    }


def differences(
    a: Conditions, *, b: Conditions, names: Mapping[str, Collection[str]] | None = None
) -> list[Difference]:
    """Return where two runs' conditions differ, refusals first; what only one has by name is left.

    A topic of which one run knows nothing is one difference, not one an entry. ``names`` are the
    contenders and the workloads that are compared, by those words; all if left out.
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
            if name in theirs and name in compared:
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
    # a rate that was searched for is a result
    is_found = workload.measure in ("sustain", "curve")
    rates = [] if is_found else sorted({plan.rate_per_s for plan in plans})
    # what a workload has by default is no condition
    given = {
        key: value
        for key, value in asdict(workload).items()
        if key not in _LABELS and value not in (None, (), "capacity")
    }
    if is_found:
        given["slo"] = manifest.slo
    return _flat({**given, "arrivals": arrivals, "rate_per_s": rates} if plans else given)


def _work(manifest: Manifest, workload: Workload) -> dict[str, Any]:
    """Return what messages carried that the experiment doesn't set."""
    found: dict[str, set[float]] = {}
    for plan in _plans(manifest, workload):
        for name in plan.parameters.keys() - workload.parameters.keys():
            found.setdefault(name, set()).add(plan.parameters[name])
    return {name: sorted(values) for name, values in found.items()}


def _plans(manifest: Manifest, workload: Workload) -> list[PlannedTrial]:
    plans = [entry.plan for entry in manifest.trials]
    return [plan for plan in plans if plan.workload == workload.name and not plan.is_pilot]


def _contender(manifest: Manifest, contender: Contender) -> dict[str, Any]:
    known = {key: value for key, value in asdict(contender).items() if key not in _LABELS}
    # a path is a place, not a condition: what lies there is
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
    # lists such as `include` come from sets: their order changes from process to process
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


def _versions(versions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "versions": {name: one for name, one in versions.items() if name in _ON_THE_WAY},
        "tools": {name: one for name, one in versions.items() if name not in _ON_THE_WAY},
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
            # a summary that was read back has lists
            flat[f"{prefix}{key}"] = [*value] if isinstance(value, tuple) else value
    return flat


def _word(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return f"{value:g}" if isinstance(value, float) else str(value)
