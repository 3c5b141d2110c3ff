"""Writes the documents that follow from types: docs/schemas and docs/experiment.md."""

from __future__ import annotations

import json
from pathlib import Path

from collector.run_manifest import manifest_schema
from lab.experiment_file.reference import reference_page
from report.profile.document import profile_schema
from report.result import summary_schema

SCHEMAS = {
    "manifest.schema.json": manifest_schema,
    "profile.schema.json": profile_schema,
    "summary.schema.json": summary_schema,
}

if __name__ == "__main__":
    folder = Path(__file__).parent
    (folder / "experiment.md").write_text(reference_page(), encoding="utf-8")
    for name, schema_of in SCHEMAS.items():
        text = json.dumps(schema_of(), indent=1, ensure_ascii=False) + "\n"
        (folder / "schemas" / name).write_text(text, encoding="utf-8")
