"""The path of this checkout."""

from __future__ import annotations

from pathlib import Path

#: The checkout that runs, with its experiments, its stack and its results.
ROOT = Path(__file__).resolve().parents[2]
