"""Renders a profile as one HTML page, which works offline and makes no request."""

from __future__ import annotations

from report.analyses.slot_lanes import SlotLanes
from report.charts.chart import Chart
from report.charts.slots import slot_chart
from report.page.document import environment, frame
from report.profile.charts import charts_of
from report.profile.model import Profile
from report.profile.wording import (
    conditions,
    keys,
    settings_lines,
    task_columns,
    task_lines,
    title,
)


def build_page(profile: Profile, *, lanes: SlotLanes | None = None) -> str:
    """Return the HTML page of a profile; with lanes, if they were recorded."""
    names = [task.name for task in profile.tasks]
    return (
        environment(names)
        .get_template("profile.html.j2")
        .render(
            profile=profile,
            page_title=title(profile),
            conditions=conditions(profile),
            charts=charts_of(profile) | _lane_chart(lanes),
            columns=task_columns(profile),
            keys=keys(profile),
            settings=settings_lines(profile),
            pools=list(dict.fromkeys(pool for one in profile.relied_on for pool in one.pools)),
            own_pools={worker.pool for worker in profile.workers},
            task_lines=task_lines,
            left_out=(),
            **frame(),
        )
    )


def _lane_chart(lanes: SlotLanes | None) -> dict[str, Chart]:
    if lanes is None:
        return {}
    return {"lanes": slot_chart([lanes], name="lanes", title="What each slot did")}
