"""The charts of a profile: states by task, waits by cause, and busy slots over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from report import format as fmt
from report.charts import lanes
from report.charts.chart import Chart, Panel, Spec
from report.charts.style import linear, tooltip
from report.legend import CAUSES
from report.profile.model import Profile, TaskProfile
from report.profile.wording import STATE_WORDS
from report.trials.wait_causes import Cause

#: Most tasks in a chart: the busiest.
_TASKS = 20

#: Names of what a chart shows of tasks whose slots share a thread: their shades are of states.
_LOOP_WORDS: Mapping[str, tuple[str, str]] = {
    "core": ("its slot ran", "it ran, of the time that its slot was busy"),
    "io_wait": ("another slot ran, or none", "it waited, for anything or for its turn"),
}

#: Name of the share that no sample shows, which is drawn like an unreadable state.
_UNSAMPLED = "not sampled"

#: Height of the chart of slots, pixels.
_HEIGHT = 150


def charts_of(profile: Profile) -> dict[str, Chart]:
    """Return the charts that the recording has figures for, by name."""
    found = (states_chart(profile), causes_chart(profile), slots_chart(profile))
    return {chart.name: chart for chart in found if chart}


def states_chart(profile: Profile) -> Chart | None:
    """Return the chart of what slots were doing, by task; None if nothing is known."""
    rows = [row for task in profile.tasks[:_TASKS] for row in _state_rows(task)]
    if not rows:
        return None
    are_loops = all(task.running_share is not None for task in profile.tasks if not task.states)
    words = dict(STATE_WORDS)
    if not any(task.states for task in profile.tasks) and are_loops:
        words = dict(_LOOP_WORDS)
    shown = [state for state in words if any(row["key"] == state for row in rows)]
    colours = {words[state][0]: _state_colour(state) for state in shown}
    meanings = [f"{words[state][0]}: {words[state][1]}" for state in shown]
    if any(row["state"] == _UNSAMPLED for row in rows):
        colours[_UNSAMPLED] = _state_colour("unknown")
    return lanes.lane_chart(
        rows,
        name="states",
        title="What slots were doing",
        caption=(
            "Shares of the time that slots were busy with a task; figure: the task's share of all "
            f"busy time.{_left_out(profile)} {'; '.join(meanings)}."
        ),
        titles={"state": "state", "share": "share"},
        x=_share_axis("share of the duration"),
        layers=[lanes.segments("x", "x2", by="state", colours=colours)],
        of="task",
    )


def causes_chart(profile: Profile) -> Chart | None:
    """Return the chart of the shares of waits by cause, by task; None without waits."""
    waiting = [task for task in profile.tasks[:_TASKS] if task.waits and task.waits.causes]
    causes = [
        cause
        for cause in Cause
        if any(task.waits and cause in task.waits.causes for task in waiting)
    ]
    if not causes:
        return None
    names = {cause: CAUSES[cause][0] for cause in causes}
    rows = [row for task in waiting for row in _cause_rows(task, names=names)]
    colours = {name: f"var(--cause-{cause.replace('_', '-')})" for cause, name in names.items()}
    return lanes.lane_chart(
        rows,
        name="causes",
        title="Why do jobs wait?",
        caption=(
            f"Shares of the waiting time of a task's jobs; figure: mean wait.{_left_out(profile)} "
            f"{'; '.join(f'{name}: {CAUSES[cause][1]}' for cause, name in names.items())}."
        ),
        titles={"cause": "cause", "share": "share", "mean": "mean"},
        x=_share_axis("share of the wait"),
        layers=[lanes.segments("x", "x2", by="cause", colours=colours)],
        of="task",
    )


def slots_chart(profile: Profile) -> Chart | None:
    """Return the chart of busy and available slots over time; None without points."""
    points = profile.slots.points
    if not points:
        return None
    pool = next((worker.pool for worker in profile.workers), "other")
    rows: list[Spec] = [
        {
            "series": "all workers",
            "shade": pool,
            "x": point.at_s,
            "x2": point.at_s + point.width_s,
            "busy": point.busy,
            "slots": point.slots,
            "at": fmt.duration(point.at_s),
            "busy_text": fmt.number(point.busy),
            "slots_text": fmt.number(point.slots),
        }
        for point in points
    ]
    titles = {"at": "after", "busy_text": "busy", "slots_text": "available"}
    colour = {"value": f"var(--pool-{pool})"}
    x = {**linear("seconds", rows=rows, fields=["x2"]), "field": "x"}
    y = linear("slots", rows=rows, fields=["busy", "slots"])
    shape = {"interpolate": "step-after"}
    spec: Spec = {
        "height": _HEIGHT,
        "encoding": {"x": x},
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.35, **shape},
                "encoding": {"y": {**y, "field": "busy"}, "color": colour},
            },
            {
                "mark": {"type": "line", "strokeWidth": 1.5, **shape},
                "encoding": {
                    "y": {**y, "field": "slots"},
                    "color": {"value": "var(--muted)"},
                },
            },
            {
                "mark": {"type": "bar", "fillOpacity": 0.02},
                "encoding": {
                    "x2": {"field": "x2"},
                    "y": {**y, "field": "slots"},
                    "color": colour,
                    "tooltip": tooltip(titles, of="workers"),
                },
            },
        ],
    }
    return Chart(
        name="slots",
        title="Busy slots over time",
        caption=(
            f"Area: slots that ran a job, means of {fmt.duration(points[0].width_s)}. Line: slots "
            "available."
        ),
        rows=rows,
        titles=titles,
        panels=[Panel(spec=spec)],
        of="workers",
    )


def _left_out(profile: Profile) -> str:
    return f" The {_TASKS} busiest tasks." if len(profile.tasks) > _TASKS else ""


def _state_rows(task: TaskProfile) -> Iterator[Spec]:
    """Yield a row for each state: where its share begins and ends."""
    if task.states:
        shares = [(state, STATE_WORDS[state][0], share) for state, share in task.states.items()]
        if (rest := 1 - task.sampled_share) > 0.005:
            shares.append(("unsampled", _UNSAMPLED, rest))
    elif task.running_share is not None:
        shares = [
            ("core", _LOOP_WORDS["core"][0], task.running_share),
            ("io_wait", _LOOP_WORDS["io_wait"][0], 1 - task.running_share),
        ]
    else:
        return
    end = 0.0
    for key, name, share in shares:
        start, end = end, min(1.0, end + share)
        row = {
            "series": task.name,
            "shade": "other",
            "key": key,
            "state": name,
            "x": start,
            "x2": end,
            "share": fmt.percent(share),
        }
        # once for each lane
        yield row if start else {**row, "figure": fmt.percent(task.busy_share)}


def _cause_rows(task: TaskProfile, *, names: Mapping[Cause, str]) -> Iterator[Spec]:
    if task.waits is None:
        return
    end = 0.0
    for cause, times in task.waits.causes.items():
        start, end = end, end + times.share
        row = {
            "series": task.name,
            "shade": "other",
            "cause": names[cause],
            "x": start,
            "x2": end,
            "share": fmt.percent(times.share),
            "mean": fmt.duration(times.mean_s),
        }
        yield row if start else {**row, "figure": fmt.duration(task.waits.mean_s)}


def _share_axis(title: str) -> Spec:
    return {
        "type": "quantitative",
        "title": title,
        "scale": {"domain": [0, 1]},
        "axis": {"format": "%", "tickCount": 5},
    }


def _state_colour(state: str) -> str:
    return f"var(--state-{state.replace('_', '-')})"
