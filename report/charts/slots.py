"""The chart of what each slot did when: a panel for each worker, all with one time axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from report import format as fmt
from report.analyses.slot_lanes import LaneJob, Segment, SlotLanes, State
from report.charts.chart import Chart, Key, Panel, Spec
from report.charts.style import SECONDS, tooltip


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown, and what it means."""

    name: str
    #: In tables.
    short: str
    meaning: str
    #: Name in `report.palette.STATE_SHADES`.
    shade: str
    #: States in which a slot needs neither a core nor the GIL are pale.
    opacity: float = 1.0


LOOKS: Mapping[State, Look] = {
    State.CORE: Look("on a core", "core", "its thread computes", "core"),
    State.RUNS: Look(
        "runs", "runs", "it has its turn in the one thread of all slots", "core-released"
    ),
    State.RUNNABLE: Look("no core free", "no core", "its thread could compute", "runnable"),
    State.GIL_WAIT: Look("waits for the GIL", "GIL", "another thread holds it", "gil-wait"),
    State.BLOCKED: Look(
        "blocked", "blocked", "another job has the thread for 50 ms or more", "core-held"
    ),
    State.WAITS: Look(
        "waits", "waits", "for network, disk, a timer or another lock", "io-wait", 0.4
    ),
    State.ANY_LOCK: Look("waits for a lock", "lock", "which may be the GIL", "any-lock", 0.6),
    State.PAUSES: Look(
        "doesn't run", "paused", "it waits for anything, or its turn", "unknown", 0.35
    ),
    State.BUSY: Look("runs a job", "job", "what it does isn't known", "unknown", 0.6),
    State.UNSEEN: Look(
        "not seen", "unseen", "between two samples, or before the first", "unknown", 0.15
    ),
}

#: Name of the lane of jobs that no slot has started, and of its state.
_QUEUE, _QUEUED = "queue", "in the queue"

_QUEUE_COLOUR = "var(--muted)"

#: Smallest wait that is drawn, as a share of the whole time.
_SEEN_WAIT = 0.01

#: Height of a lane and of a lane in a panel with many, pixels; from how many lanes on.
_LANE, _DENSE, _MANY = 20, 12, 12

#: Width of the names of lanes, pixels: all panels have one time axis.
_NAMES = 76

#: Most lanes of slots in a panel.
_MOST_LANES = 32

#: Smallest share that a panel's title names.
_NAMED_SHARE = 0.02


def slot_chart(lanes: Sequence[SlotLanes], *, name: str, title: str) -> Chart:
    """Return the chart of some workers that ran the same jobs."""
    span_s = max(one.span_s for one in lanes)
    rows = [row for one in lanes for row in _rows(one)]
    seen = [state for state in LOOKS if any(row.get("state") == LOOKS[state].name for row in rows)]
    return Chart(
        name=name,
        title=title,
        caption=(
            "One lane a slot, one time axis. Point at a job for its times; drag to move; "
            "zoom with the buttons, or with Ctrl and the wheel."
        ),
        rows=rows,
        titles=_titles(lanes),
        panels=[_panel(one, seen=seen, span_s=span_s) for one in lanes],
        keys=tuple(_keys(seen, has_queue=any(row.get("lane") == _QUEUE for row in rows))),
        notes=tuple(_notes(lanes)),
        is_zoomable=True,
    )


def finding(lanes: SlotLanes) -> str:
    """Return how long a worker's jobs took, and what its slots mostly did."""
    shares = {state: lanes.share(state) for state in LOOKS}
    named = [
        f"{fmt.percent(share)} {LOOKS[state].name}"
        for state, share in sorted(shares.items(), key=lambda one: -one[1])
        if share >= _NAMED_SHARE
    ]
    jobs = fmt.counted(len(lanes.jobs), noun="job")
    return f"{jobs} in {fmt.duration(lanes.span_s)} · {' · '.join(named)}"


def _rows(lanes: SlotLanes) -> Iterator[Spec]:
    states = _states([lanes])
    own: Spec = {"series": lanes.name, "shade": lanes.pool, "panel": _title(lanes)}
    most = max((count for _, count in lanes.waiting), default=0)
    ends = [*(at_s for at_s, _ in lanes.waiting[1:]), lanes.span_s]
    for (at_s, count), end_s in zip(lanes.waiting, ends, strict=True):
        if count and _has_queue(lanes):
            yield {
                **own, "lane": _QUEUE, "state": _QUEUED, "x": at_s, "x2": end_s,
                "opacity": 0.15 + 0.6 * count / most,
            }  # fmt: skip
    for lane in (*lanes.slots[:_MOST_LANES], *lanes.threads):
        for segment in lane.segments:
            yield {**own, "lane": lane.name, **_segment(segment)}
    for job in lanes.jobs:
        if job.lane < _MOST_LANES:
            yield {**own, "lane": lanes.slots[job.lane].name, **_job(job, states=states)}


def _has_queue(lanes: SlotLanes) -> bool:
    return any(job.waited_s > _SEEN_WAIT * lanes.span_s for job in lanes.jobs)


def _segment(segment: Segment) -> Spec:
    look = LOOKS[segment.state]
    return {
        "state": look.name, "x": segment.begin_s, "x2": segment.end_s, "opacity": look.opacity
    }  # fmt: skip


def _job(job: LaneJob, *, states: Sequence[State]) -> Spec:
    return {
        "job": job.number,
        "x": job.begin_s,
        "x2": job.end_s,
        "kind": job.kind,
        "waited": fmt.duration(job.waited_s),
        "started": fmt.duration(job.begin_s),
        "took": fmt.duration(job.end_s - job.begin_s),
        "outcome": job.outcome,
        **{state.value: fmt.duration(job.states_s.get(state, 0.0)) for state in states},
    }


def _titles(lanes: Sequence[SlotLanes]) -> dict[str, str]:
    """Return the lines of a job's card."""
    return {
        "job": "job",
        "kind": "kind",
        "lane": "lane",
        "started": "started after",
        "waited": "waited before",
        "took": "took",
        **{state.value: LOOKS[state].name for state in _states(lanes)},
        "outcome": "outcome",
    }


def _states(lanes: Sequence[SlotLanes]) -> list[State]:
    """Return the states that jobs were in."""
    return [
        state for state in LOOKS if any(state in job.states_s for one in lanes for job in one.jobs)
    ]


def _title(lanes: SlotLanes) -> str:
    return f"{lanes.name}: {finding(lanes)}"


def _keys(seen: Sequence[State], *, has_queue: bool) -> Iterator[Key]:
    if has_queue:
        yield Key(name=_QUEUED, meaning="jobs that no slot has started", colour=_QUEUE_COLOUR)
    for state in seen:
        look = LOOKS[state]
        yield Key(name=look.name, meaning=look.meaning, colour=_colour(state), opacity=look.opacity)


def _panel(lanes: SlotLanes, *, seen: Sequence[State], span_s: float) -> Panel:
    names = [
        *([_QUEUE] if _has_queue(lanes) else []),
        *(one.name for one in (*lanes.slots[:_MOST_LANES], *lanes.threads)),
    ]
    colours = {_QUEUED: _QUEUE_COLOUR, **{LOOKS[one].name: _colour(one) for one in seen}}
    x: Spec = {
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [0, span_s], "nice": False},
        "axis": {"labelExpr": f"datum.value ? {SECONDS} : '0'", "tickCount": 8, "grid": True},
    }
    ends: Spec = {"x": {**x, "field": "x"}, "x2": {"field": "x2"}}
    zoom: Spec = {
        "name": "zoom",
        "select": {"type": "interval", "encodings": ["x"], "zoom": "wheel![event.ctrlKey]"},
        "bind": "scales",
    }
    bars: Spec = {
        "params": [zoom],
        "transform": [{"filter": "isValid(datum.state)"}],
        "mark": {"type": "bar", "height": {"band": 0.86}, "clip": True},
        "encoding": {
            **ends,
            "fill": {
                "field": "state",
                "type": "nominal",
                "scale": {"domain": [*colours], "range": [*colours.values()]},
                "legend": None,
            },
            "fillOpacity": {"field": "opacity", "type": "quantitative", "scale": None},
        },
    }
    jobs: Spec = {
        "transform": [{"filter": "isValid(datum.job)"}],
        "mark": {
            "type": "bar",
            "height": {"band": 0.86},
            "fillOpacity": 0,
            "stroke": "var(--ground)",
            "strokeWidth": 1,
            "clip": True,
        },
        "encoding": {**ends, "tooltip": tooltip(_titles([lanes]))},
    }
    height = (_LANE if len(names) <= _MANY else _DENSE) * len(names)
    places: Spec = {"domain": names, "padding": 0.1}
    return Panel(
        title=_title(lanes),
        spec={
            "height": height,
            "encoding": {
                "y": {
                    "field": "lane",
                    "type": "nominal",
                    "title": None,
                    "scale": places,
                    "axis": {"minExtent": _NAMES},
                }
            },
            "layer": [bars, jobs],
        },
    )


def _notes(lanes: Sequence[SlotLanes]) -> Iterator[str]:
    sampled = [one for one in lanes if one.sample_hz]
    shares = [one.sampler_share for one in sampled if one.sampler_share is not None]
    if sampled:
        cost = f" This took {fmt.percent(max(shares))} of a core at most." if shares else ""
        yield (
            f"Threads were sampled from outside, {sampled[0].sample_hz:.0f} times a second; their "
            f"times on a core are the kernel's.{cost} What lasts less than a sample may be missing."
        )
    if len(sampled) < len(lanes):
        yield "States of threads can't be sampled here: those lanes show jobs and turns alone."
    for one in lanes:
        if one.sample_hz and not one.has_steps:
            yield (
                f"{one.name}: its recording has no lanes. If it is a worker of your own app, "
                "install the wheel of this Poolbench in the app's environment."
            )
        if one.gil_reason:
            yield f"{one.name}: the GIL is not distinguished from other locks: {one.gil_reason}."
        if one.left_out:
            yield (
                f"{one.name}: the first {fmt.duration(one.span_s)}; "
                f"{fmt.counted(one.left_out, noun='later job')} left out."
            )
        if len(one.slots) > _MOST_LANES:
            yield f"{one.name}: the first {_MOST_LANES} of {len(one.slots)} slots."


def _colour(state: State) -> str:
    return f"var(--state-{LOOKS[state].shade})"
