"""Renders the page of a run that has lanes only."""

from __future__ import annotations

from collections.abc import Sequence

from collector.run_manifest import Manifest
from report import format as fmt
from report.lanes import WorkloadLanes
from report.page.document import environment, frame


def build_lane_page(manifest: Manifest, *, found: Sequence[WorkloadLanes]) -> str:
    """Return the HTML page of a run that has lanes only, at least one."""
    paragraphs = [" ".join(text.split()) for text in manifest.experiment.question.split("\n\n")]
    names = [one.name for one in found[0].lanes]
    return (
        environment(names)
        .get_template("lanes.html.j2")
        .render(
            page_title=manifest.experiment.title,
            run=manifest.run,
            created=fmt.moment(manifest.created_ns),
            about=[text for text in paragraphs if text and text != manifest.experiment.title],
            found=found,
            machine=manifest.machine,
            left_out=(),
            **frame(),
        )
    )
