"""Writes what a run's records say beside them: `summary.json` and `report.html`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from collector.files import write_atomically
from collector.store import RunFolder
from report.charts.convert import Converter
from report.summary import summarize, to_json


def write_reports(path: Path) -> dict[str, Any]:
    """Write ``summary.json`` and ``report.html`` into a run's folder; return the summary.

    Both come from the manifest, the records and the samples alone.

    Raises:
        StorageError: if the folder can't be read or written, or is not that of a lab run.
    """
    folder = RunFolder(path)
    manifest = folder.read_manifest()
    with Converter() as converter:
        from report.page.page import build_page  # noqa: PLC0415 -- no other command waits for altair

        summary = summarize(folder)
        page = build_page(summary, manifest=manifest, converter=converter)
    _write(path / "summary.json", text=to_json(summary))
    _write(path / "report.html", text=page)
    return summary


def _write(path: Path, *, text: str) -> None:
    write_atomically(path, write=lambda file: file.write(text.encode()))
