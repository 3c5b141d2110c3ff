"""Small apps of users as tests try them, and a Python with the wheel's package added."""

from __future__ import annotations

import sys
from pathlib import Path

from collector.run_manifest import App
from lab.system.paths import ROOT


def user_python(folder: Path) -> str:
    """Return a Python in ``folder`` that imports this checkout's ``poolbench``, like the wheel."""
    packages = folder / "packages"
    packages.mkdir(exist_ok=True)
    (packages / "poolbench").symlink_to(ROOT / "poolbench")
    path = folder / "python"
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{packages}" exec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return str(path)


def user_app(folder: Path, *, python: str, module: str = "shop", **files: str) -> App:
    """Return the app of a folder with these modules, ``package__module`` for one in a package."""
    for name, text in files.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return App(module=module, python=python, directory=str(folder))
