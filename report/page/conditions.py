"""Under which conditions a run was measured, as the page lists them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from collector.run_manifest import Interpreter, Manifest
from report import format as fmt


def settings_of(celery: Mapping[str, Mapping[str, object]]) -> dict[str, Any]:
    """Return the settings that all contenders share, and those that differ, by name."""
    names = sorted({name for settings in celery.values() for name in settings})
    every = {name: [settings.get(name) for settings in celery.values()] for name in names}
    alike = {
        name for name, values in every.items() if all(one == two for one, two in pairwise(values))
    }
    return {
        "contenders": list(celery),
        "shared": [(name, every[name][0]) for name in names if name in alike],
        "different": [(name, every[name]) for name in names if name not in alike],
    }


def facts_of(manifest: Manifest) -> list[tuple[str, str]]:
    """Return the conditions of the run in a few words each; what isn't known is left out."""
    machine, ceilings = manifest.machine, manifest.ceilings
    facts = [
        ("processor", machine.cpu_model),
        ("cores", machine.cores),
        ("memory", fmt.size(machine.memory_bytes) if machine.memory_bytes else None),
        ("system", machine.os),
        ("Python", machine.python),
        *_interpreters(manifest),
        (
            "cgroup",
            ", ".join(f"{name} {value}" for name, value in manifest.cgroup.items() if value),
        ),
        ("broker", " ".join(value for value in manifest.broker.values() if value)),
        ("producer alone", _per_s(ceilings.producer_per_s)),
        ("upstream alone", _each_per_s(ceilings.upstream_per_s)),
        ("Redis alone", _each_per_s(ceilings.redis_per_s)),
        ("empty jobs", _each_per_s(ceilings.noop_per_s)),
    ]
    return [(name, str(value)) for name, value in facts if value]


def _interpreters(manifest: Manifest) -> list[tuple[str, str]]:
    """Return what the Pythons of contenders are that have one of their own."""
    return [
        (f"Python of {contender.name}", _interpreter(found))
        for contender in manifest.contenders
        if (found := manifest.interpreters.get(contender.interpreter))
    ]


def _interpreter(found: Interpreter) -> str:
    culprits = fmt.listed([*found.gil_turned_on_by])
    gil = "GIL off" if not found.gil_enabled else "GIL on"
    said = f"{gil}, turned on by {culprits}" if culprits else gil
    packages = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    return f"{found.python}, {said}; {packages}; {found.path}"


def _each_per_s(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {_per_s(per_s)}" for name, per_s in found.items() if per_s)


def _per_s(value: float | None) -> str:
    return f"{fmt.number(value)}/s" if value else ""
