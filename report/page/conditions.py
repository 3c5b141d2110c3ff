"""The page's list of the conditions of a run. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from collector.run_manifest import Interpreter
from report import format as fmt
from report.result import Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Celery's settings of a run."""

    contenders: list[str]
    #: Setting and the value of all contenders; setting and the values of each contender.
    shared: list[tuple[str, object]]
    different: list[tuple[str, list[object]]]


def settings_of(celery: Mapping[str, Mapping[str, object]]) -> Settings:
    """Return the settings that all contenders share, and those that differ."""
    names = sorted({name for settings in celery.values() for name in settings})
    every = {name: [settings.get(name) for settings in celery.values()] for name in names}
    alike = {
        name for name, values in every.items() if all(one == two for one, two in pairwise(values))
    }
    return Settings(
        contenders=list(celery),
        shared=[(name, every[name][0]) for name in names if name in alike],
        different=[(name, every[name]) for name in names if name not in alike],
    )


def facts_of(summary: Summary) -> list[tuple[str, str]]:
    """Return the conditions of the run by name, as short texts; unknown ones are left out."""
    machine, ceilings = summary.machine, summary.ceilings
    facts = [
        ("processor", machine.cpu_model),
        ("cores", f"{machine.cores}"),
        ("memory", fmt.size(machine.memory_bytes) if machine.memory_bytes else ""),
        ("system", machine.os),
        ("Python", machine.python),
        ("app", _app(summary)),
        *(
            (
                f"Python of {contender.name}",
                _interpreter(summary.interpreters[contender.interpreter]),
            )
            for contender in summary.contenders
            if contender.interpreter in summary.interpreters
        ),
        ("cgroup", ", ".join(f"{name} {value}" for name, value in summary.cgroup.items() if value)),
        ("broker", " ".join(value for value in summary.broker.values() if value)),
        ("producer alone", _per_s(ceilings.producer_per_s)),
        ("upstream alone", _each_per_s(ceilings.upstream_per_s)),
        ("Redis alone", _each_per_s(ceilings.redis_per_s)),
        ("empty jobs", _each_per_s(ceilings.noop_per_s)),
    ]
    return [(name, value) for name, value in facts if value]


def _app(summary: Summary) -> str:
    if summary.app is None:
        return ""
    versions = ", ".join(f"{name} {one}" for name, one in summary.app_versions.items())
    return f"{summary.app.module}, {versions}; {summary.app.python}"


def _interpreter(found: Interpreter) -> str:
    packages_at_fault = fmt.listed([*found.gil_turned_on_by])
    gil = "GIL on" if found.gil_enabled else "GIL off"
    state = f"{gil}, turned on by {packages_at_fault}" if packages_at_fault else gil
    packages = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    return f"{found.python}, {state}; {packages}; {found.path}"


def _each_per_s(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {_per_s(per_s)}" for name, per_s in found.items() if per_s)


def _per_s(value: float | None) -> str:
    return f"{fmt.number(value)}/s" if value else ""
