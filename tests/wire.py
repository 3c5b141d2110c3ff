"""Lines as they travel, and a run's lines as they are stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from collector.schema import LINE_SCHEMA
from collector.store import RunFolder


def encode_line(line: Mapping[str, Any]) -> bytes:
    """Return a line in its wire form, with its newline."""
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def stored_lines(folder: RunFolder) -> pl.DataFrame:
    """Return all lines of a run's folder, in order."""
    return pl.concat([LINE_SCHEMA.to_frame(), *folder.iter_lines()])
