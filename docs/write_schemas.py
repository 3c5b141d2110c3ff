"""Writes the JSON Schemas that follow from types into docs/schemas: `make schemas`."""

from __future__ import annotations

import json
from pathlib import Path

from collector.run_manifest import manifest_schema
from report.result import summary_schema

SCHEMAS = {"manifest.schema.json": manifest_schema, "summary.schema.json": summary_schema}

if __name__ == "__main__":
    for name, schema_of in SCHEMAS.items():
        text = json.dumps(schema_of(), indent=1, ensure_ascii=False) + "\n"
        (Path(__file__).parent / "schemas" / name).write_text(text, encoding="utf-8")
