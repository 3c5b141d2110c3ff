"""The path of this checkout."""

from __future__ import annotations

from pathlib import Path

#: The checkout that this code runs from, with its experiments, stack and results.
ROOT = Path(__file__).resolve().parents[2]
