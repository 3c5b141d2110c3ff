"""Writes a run's result beside its records: `summary.json` and `report.html`."""

from __future__ import annotations

from pathlib import Path

from collector.files import write_atomically
from collector.store import RunFolder
from report.page.page import build_page
from report.result import Summary, to_json
from report.summary import summarize


def write_reports(path: Path) -> Summary:
    """Write ``summary.json`` and ``report.html`` into a run's folder; return the result.

    Both come from the manifest, the records and the samples alone.

    Raises:
        StorageError: if the folder can't be read or written, or is not that of a lab run.
    """
    folder = RunFolder(path)
    summary = summarize(folder)
    page = build_page(summary)
    _write(path / "summary.json", text=to_json(summary))
    _write(path / "report.html", text=page)
    return summary


def _write(path: Path, *, text: str) -> None:
    write_atomically(path, write=lambda file: file.write(text.encode()))
