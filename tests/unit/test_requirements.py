"""What the pinned sets of requirements hold, and what they must not."""

from __future__ import annotations

import ast
import re
import sys
from contextlib import suppress
from importlib import metadata

import pytest

from lab.system.paths import ROOT

SETS = ("run", "dev", "free-threaded", "runtime", "collector")

#: The project's own packages.
PROJECT = {"poolbench", "producer", "worker", "upstream", "collector", "report", "lab"}

#: Packages that the lab and the report use, and that no worker needs.
HEAVY = {"polars", "numpy", "scipy", "altair", "vl-convert-python", "pydantic", "rich", "typer"}

_WITH_EXTRAS = re.compile(r"^(?P<name>[\w.-]+)\[(?P<extras>[^]]+)\]")


def text_of(name: str) -> str:
    """Return the text of a file of requirements."""
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def pinned(name: str) -> dict[str, set[str]]:
    """Return package → versions of a file of requirements, extras left out."""
    found: dict[str, set[str]] = {}
    pins = re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", text_of(name), flags=re.MULTILINE)
    for package, version in pins:
        found.setdefault(package, set()).add(version)
    return found


def requires_of(package: str) -> list[str]:
    """Return what an installed package requires; nothing of one that isn't here."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.requires(package) or []
    return []


def normal(name: str) -> str:
    """Return a package's name as requirements spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imports_of(*packages: str) -> set[str]:
    """Return the top-level names that these packages of the project import."""
    nodes = [
        node
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ]
    names = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    names |= {
        node.module
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("name", SETS)
def test_every_pin_has_its_hashes_and_no_file_an_address(name: str) -> None:
    """Pip refuses a set of which one pin has no hash."""
    text = text_of(name)

    assert text.count("--hash=sha256:") >= len(pinned(name)) > 0
    assert "://" not in text


def test_nothing_that_turns_the_gil_on_is_pinned() -> None:
    """Merely installed, greenlet is imported by Celery."""
    free = pinned("free-threaded").keys()

    assert {"celery", "redis", "httpx"} <= free
    assert not free & {"greenlet", "gevent", "hiredis", "orjson", "hdrhistogram", "psutil"}


def test_a_workers_image_has_none_of_what_reports_need() -> None:
    """They made up nine tenths of its size; the collector needs three of them."""
    assert not pinned("runtime").keys() & HEAVY
    assert pinned("collector").keys() & HEAVY == {"polars", "numpy", "pydantic"}


@pytest.mark.parametrize(
    ("name", "packages", "others"),
    [
        ("runtime", ("poolbench", "worker", "upstream"), set()),
        # for workers of gevent and asyncio alone
        ("collector", ("poolbench", "collector"), {"greenlet"}),
    ],
)
def test_an_image_has_what_its_packages_import(
    name: str, packages: tuple[str, ...], others: set[str]
) -> None:
    """An import that no pin provides fails in the container alone."""
    provided_by = metadata.packages_distributions()

    imported = {
        normal(provided_by[module][0])
        for module in imports_of(*packages) - PROJECT - others
        if module not in sys.stdlib_module_names
    }

    assert {"celery", "redis"} <= imported <= pinned(name).keys()


@pytest.mark.parametrize("name", SETS)
def test_an_extra_that_a_package_asks_for_is_pinned_with_it(name: str) -> None:
    """Pip takes a pin without the extra for none, once a newer version is out, and refuses."""
    asked = {
        (normal(found["name"]), extra)
        for package in pinned(name)
        for line in requires_of(package)
        if (found := _WITH_EXTRAS.match(line)) and "extra ==" not in line
        for extra in re.split(r"[,\s]+", found["extras"])
    }
    held = {
        (found["name"], extra)
        for line in text_of(name).splitlines()
        if (found := _WITH_EXTRAS.match(line))
        for extra in re.split(r"[,\s]+", found["extras"])
    }

    assert asked <= held


@pytest.mark.parametrize("name", ["free-threaded", "runtime", "collector"])
def test_all_environments_have_the_same_versions(name: str) -> None:
    """Else a difference between the contenders might be another Celery's."""
    usual = pinned("run")

    assert {package: usual.get(package) for package in pinned(name)} == pinned(name)
