"""Writes `summary.json` and `report.html` into a run's folder, and charts as images."""

from __future__ import annotations

from pathlib import Path

from collector.files import write_whole
from collector.store import RunFolder
from poolbench.errors import Fault, UsageError
from report.charts.render import to_image
from report.lanes import WorkloadLanes, read_lanes
from report.page.lane_page import build_lane_page
from report.page.page import build_page
from report.page.sections import charts_of
from report.result import Summary, to_json
from report.summary import summarize


def has_lanes_only(path: Path) -> bool:
    """Return whether a run's folder has lanes and nothing else.

    Raises:
        StorageError: if it can't be read, or is not that of a lab run.
    """
    return not RunFolder(path).read_manifest().workloads


def write_lanes(path: Path) -> list[WorkloadLanes]:
    """Write ``report.html`` into the folder of a run that has lanes only; return them.

    There are none, and no page, if the run was interrupted before.

    Raises:
        StorageError: if the folder can't be read or written.
    """
    folder = RunFolder(path)
    manifest = folder.read_manifest()
    found = read_lanes(folder, manifest=manifest)
    if found:
        _write(path / "report.html", text=build_lane_page(manifest, found=found))
    return found


def write_reports(path: Path, *, is_every_pair: bool = False) -> Summary:
    """Write ``summary.json`` and ``report.html`` into a run's folder; return the result.

    Both depend only on the manifest, the records and the samples, and on whether every pair of
    contenders is to be compared.

    Raises:
        StorageError: if the folder can't be read or written, or is not that of a lab run.
    """
    folder = RunFolder(path)
    summary = summarize(folder, is_every_pair=is_every_pair)
    lanes = read_lanes(folder, manifest=folder.read_manifest())
    page = build_page(summary, lanes=[one.chart for one in lanes])
    _write(path / "summary.json", text=to_json(summary))
    _write(path / "report.html", text=page)
    return summary


def write_chart(path: Path, *, name: str, output: Path) -> None:
    """Write one chart of a run's page as an image; the suffix of ``output`` selects SVG or PNG.

    Raises:
        UsageError: if the page has no such chart; the message lists the charts.
        StorageError: if the folder can't be read, or the file can't be written.
    """
    folder = RunFolder(path)
    manifest = folder.read_manifest()
    charts = {one.chart.name: one.chart for one in read_lanes(folder, manifest=manifest)}
    if manifest.workloads:
        charts = charts_of(summarize(folder)) | charts
    if name not in charts:
        remedy = f"use one of {', '.join(charts)}"
        raise UsageError(Fault(field="--chart", seen=name, problem="unknown chart", remedy=remedy))
    image = to_image(charts[name], suffix=output.suffix)
    write_whole(output, image)


def _write(path: Path, *, text: str) -> None:
    write_whole(path, text)
