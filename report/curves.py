"""Draws throughput over an axis as lines, one a contender, with their names at their ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from report.charts import FONT_SIZE, INK, LETTER, colour, log_ticks, to_svg, widest

Values = Sequence[Mapping[str, Any]]

#: Height of the plot, pixels, and the least distance of two names at the lines' ends.
HEIGHT, APART = 330, 16

#: Room before a name: a gap, a sample of its line, a gap.
_SAMPLE = (8, 26, 31)

#: Room at the left for the axis with its title, pixels.
_AXIS = 58

#: How the first, second, … contender of one colour is drawn.
_DASHES = ([1, 0], [6, 3], [2, 3], [9, 3, 2, 3])

#: Room that the label of an x needs, pixels.
_LABEL = 24

#: Distance between the notes at the top of two marked places, pixels.
_NOTE = 17


def draw_curves(values: Values, *, marks: Values, x_title: str, y_title: str, width: int) -> str:
    """Draw ``median`` with ``low`` to ``high`` over ``x``, on a logarithmic axis.

    Args:
        values: points, with ``contender``, ``shade`` and ``turn``: which of its colour's
            contenders it is, from 0.
        marks: places on the x axis, ``x`` with a ``text``, drawn as upright lines.
        x_title: what x is.
        y_title: what median, low and high are.
        width: of the whole drawing, pixels.
    """
    plot = round(width - _AXIS - _SAMPLE[2] - widest(values))
    low = min((value["low"] for value in values), default=1.0) / 1.25
    high = max((value["high"] for value in values), default=10.0) * 1.25
    # the notes stand above the lines
    high *= (high / low) ** (len(marks) * _NOTE / HEIGHT)
    y_scale = alt.Scale(type="log", domain=[low, high], nice=False)
    xs = sorted({float(value["x"]) for value in values})
    x_scale = alt.Scale(domain=[xs[0], xs[-1]] if xs else [0, 1], nice=False)
    x_axis = alt.Axis(
        title=x_title,
        values=_apart(xs, plot=plot),
        labelExpr="format(datum.value, '~g')",
        grid=False,
        labelFlush=False,
        labelOverlap=False,
    )
    y_axis = alt.Axis(
        title=y_title,
        values=log_ticks(low, high=high, plot=HEIGHT),
        grid=True,
        labelColor=INK["muted"],
        format="~s",
    )
    x = alt.X("x:Q", scale=x_scale, axis=x_axis)
    y = alt.Y("median:Q", scale=y_scale, axis=y_axis)
    layers = [
        *_marked(marks, x=x, xs=xs, plot=plot, room=width - _AXIS),
        *_lines(values, x=x, y=y, y_scale=y_scale),
        *_names(_ends(values, low=low, high=high), y_scale=y_scale, plot=plot),
    ]
    return to_svg(alt.LayerChart(layer=layers, width=plot, height=HEIGHT))


def _lines(values: Values, *, x: alt.X, y: alt.Y, y_scale: alt.Scale) -> list[alt.Chart]:
    base = alt.Chart(alt.InlineData(values=[dict(value) for value in values])).encode(
        x=x, color=colour(), detail="contender:N"
    )
    lines = [
        base.transform_filter(f"datum.turn == {turn}")
        .mark_line(strokeWidth=2, strokeDash=_DASHES[turn % len(_DASHES)])
        .encode(y=y)
        for turn in sorted({value["turn"] for value in values})
    ]
    reach = base.mark_rule(strokeWidth=1.5, opacity=0.6).encode(
        y=alt.Y("low:Q", scale=y_scale), y2=alt.Y2("high:Q")
    )
    dots = base.mark_circle(size=52, opacity=1, stroke=INK["ground"], strokeWidth=1.4).encode(y=y)
    return [*lines, reach, dots]


def _names(ends: Values, *, y_scale: alt.Scale, plot: int) -> list[alt.Chart]:
    """Write each line's name at its end, behind a sample of it."""
    begin, until, text = (plot + place for place in _SAMPLE)
    base = alt.Chart(alt.InlineData(values=[dict(end) for end in ends])).encode(
        y=alt.Y("place:Q", scale=y_scale)
    )
    samples = [
        base.transform_filter(f"datum.turn == {turn}")
        .mark_rule(strokeWidth=2.5, strokeDash=_DASHES[turn % len(_DASHES)])
        .encode(x=alt.value(begin), x2=alt.value(until), color=colour())
        for turn in sorted({end["turn"] for end in ends})
    ]
    names = base.mark_text(align="left", fontSize=FONT_SIZE, color=INK["ink"]).encode(
        x=alt.value(text), text=alt.Text("contender:N")
    )
    return [*samples, names]


def _marked(
    marks: Values, *, x: alt.X, xs: Sequence[float], plot: int, room: int
) -> list[alt.Chart]:
    """Draw an upright line at each place, its note at the top, each one below the one before.

    The line begins at its note, so that it crosses none of those that begin further left. A note
    stands at its line's right, above the names, unless ``room`` ends before it does.
    """
    rules, notes = [], []
    for row, mark in enumerate(sorted(marks, key=lambda mark: float(mark["x"]))):
        top = row * _NOTE
        base = alt.Chart(alt.InlineData(values=[dict(mark)])).encode(x=x)
        rule = base.mark_rule(strokeWidth=1.2, strokeDash=[3, 3], color=INK["muted"])
        rules.append(rule.encode(y=alt.value(top), y2=alt.value(HEIGHT)))
        side: dict[str, Any] = {"align": "left", "dx": 6}
        begins = plot * (mark["x"] - xs[0]) / (xs[-1] - xs[0])
        if begins + len(mark["text"]) * LETTER > room:
            side = {"align": "right", "dx": -6}
        place = {"y": alt.value(top + 8), "text": alt.Text("text:N")}
        halo = base.mark_text(**side, fontSize=FONT_SIZE, stroke=INK["ground"], strokeWidth=5)
        note = base.mark_text(**side, fontSize=FONT_SIZE, color=INK["ink"])
        notes += [halo.encode(**place), note.encode(**place)]
    return [*rules, *notes]


def _ends(values: Values, *, low: float, high: float) -> list[dict[str, Any]]:
    """Return each contender's last point, moved apart so that no two names overlap."""
    last = {value["contender"]: value for value in sorted(values, key=lambda value: value["x"])}
    pixels = HEIGHT / math.log(high / low)
    ends = sorted(last.values(), key=lambda end: -end["median"])
    wanted = [math.log(high / end["median"]) * pixels for end in ends]
    return [
        dict(end) | {"place": high * math.exp(-place / pixels)}
        for end, place in zip(ends, spread_out(wanted, apart=APART, most=HEIGHT), strict=True)
    ]


def spread_out(wanted: Sequence[float], *, apart: float, most: float) -> list[float]:
    """Return places near the wanted ones, in their order and ``apart`` from each other.

    ``wanted`` ascends. None lies above ``most``; where not all have room, the first are negative.
    """
    placed: list[float] = []
    for place in wanted:
        placed.append(max(place, placed[-1] + apart) if placed else place)
    limit = most
    for index in reversed(range(len(placed))):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - apart
    return placed


def _apart(xs: Sequence[float], *, plot: int) -> list[float]:
    """Return those of the x that have room for a label, the first and the last among them."""
    if len(xs) < 2:
        return list(xs)
    pixels = plot / (xs[-1] - xs[0])
    kept = [xs[0]]
    for x in xs[1:-1]:
        if (x - kept[-1]) * pixels >= _LABEL and (xs[-1] - x) * pixels >= _LABEL:
            kept.append(x)
    return [*kept, xs[-1]]
