"""The documented JSON Schemas are those of the types."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector.run_manifest import manifest_schema
from report.profile.document import profile_schema
from report.result import summary_schema

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"


@pytest.mark.parametrize(
    ("name", "schema_of"),
    [("manifest", manifest_schema), ("profile", profile_schema), ("summary", summary_schema)],
)
def test_the_documented_schema_is_that_of_the_types(
    name: str, schema_of: Callable[[], dict[str, Any]]
) -> None:
    """`make schemas` writes it anew."""
    documented = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))

    assert documented == schema_of()
