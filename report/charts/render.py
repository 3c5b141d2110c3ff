"""Renders charts: as JSON for a page's script, and as SVG or PNG without a browser."""

from __future__ import annotations

import gzip
import json
import re
import struct
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate

import vl_convert

from report.charts.chart import Chart, Key, Spec
from report.charts.style import CONFIG
from report.palette import (
    CAUSE_SHADES,
    INK_SHADES,
    OTHER_SHADE,
    POOL_SHADES,
    STATE_SHADES,
    Shade,
)

#: The palette, by the names of its CSS variables.
VARIABLES: Mapping[str, Shade] = {
    **{f"pool-{pool}": shade for pool, shade in POOL_SHADES.items()},
    "pool-other": OTHER_SHADE,
    **{f"cause-{cause}": shade for cause, shade in CAUSE_SHADES.items()},
    **{f"state-{state}": shade for state, shade in STATE_SHADES.items()},
    **INK_SHADES,
}

#: Width of an image, space between its panels and at its edges, pixels.
_WIDTH, _SPACING, _PADDING = 960, 28, 14

#: Width of a key's colour with its margins, and of a letter of its name, pixels.
_KEY, _LETTER = 40, 7

#: Pixels of a PNG for each pixel of a screen.
_SCALE = 2

#: How a PNG begins.
_PNG = b"\x89PNG\r\n\x1a\n"

#: Matches numbers with invisible digits.
_LONG_NUMBER = re.compile(r"(\d+\.\d{2})\d+")

_VARIABLE = re.compile(r"var\(--([a-z-]+)\)")


@lru_cache(maxsize=1)
def vega_script() -> str:
    """Return the script that defines ``vegaEmbed``: Vega-Embed, Vega-Lite and Vega, 0.9 MB."""
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def packed(script: str) -> str:
    """Return a script compressed by gzip, in Base64: Vega is less than half as large so."""
    return b64encode(gzip.compress(script.encode(), mtime=0)).decode()


def to_json(value: object) -> str:
    """Return JSON for a script element, escaped so that it can't end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def figure_json(chart: Chart) -> str:
    """Return a chart for the page's script: fields, rows, and the specification of each panel.

    Rows are lists, numbers have the digits that a drawing can show, and equal specs are there
    once, since the page should be small.
    """
    # the colours of the specifications already contain the shade
    fields = list(dict.fromkeys(name for row in chart.rows for name in row if name != "shade"))
    rows = [[_drawn(row.get(name)) for name in fields] for row in chart.rows]
    specs: list[Spec] = []
    panels: list[Spec] = []
    for panel in chart.panels:
        if panel.spec not in specs:
            specs.append(panel.spec)
        panels.append({"title": panel.title, "spec": specs.index(panel.spec)})
    return to_json({"fields": fields, "rows": rows, "specs": specs, "panels": panels})


def to_svg(chart: Chart) -> str:
    """Return a chart as SVG whose colours are variables of the page."""
    drawn = str(vl_convert.vegalite_to_svg(_standalone(chart), allowed_base_urls=[]))
    return _LONG_NUMBER.sub(r"\1", drawn)


def to_image(chart: Chart, *, suffix: str) -> bytes:
    """Return a chart as an image with a light background; the suffix is ``.svg`` or ``.png``."""
    spec = json.loads(_VARIABLE.sub(_light, json.dumps(_standalone(chart, has_title=True))))
    spec["config"]["background"] = INK_SHADES["ground"].light
    if suffix == ".svg":
        return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])).encode()
    image = vl_convert.vegalite_to_png(spec, scale=_SCALE, allowed_base_urls=[])
    return _compressed(bytes(image))


def _compressed(png: bytes) -> bytes:
    """Return the image with its data compressed well, a fifth of the size (RFC 2083, 3.2)."""
    chunks: list[tuple[bytes, bytes]] = []
    at = len(_PNG)
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        chunks.append((kind, png[at + 8 : at + 8 + length]))
        # after the content, its checksum
        at += 12 + length
    data = zlib.decompress(b"".join(content for kind, content in chunks if kind == b"IDAT"))
    first, *others = [chunk for chunk in chunks if chunk[0] != b"IDAT"]
    whole = [first, *others[:-1], (b"IDAT", zlib.compress(data, 9)), others[-1]]
    return _PNG + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in whole
    )


def _standalone(chart: Chart, *, has_title: bool = False) -> Spec:
    """Return one specification with all panels and the data, of a fixed width."""
    columns = min(chart.columns, len(chart.panels))
    width = (_WIDTH - _SPACING * (columns - 1)) // columns - _beside(chart)
    return {
        "config": CONFIG,
        "padding": _PADDING,
        **({"title": {"text": chart.title, "fontSize": 17, "offset": 16}} if has_title else {}),
        "concat": [
            *([_key_panel(chart.keys)] if chart.keys else []),
            *(
                {
                    **({"title": panel.title} if panel.title else {}),
                    "data": {"values": chart.rows_of(panel)},
                    "width": width,
                    **panel.spec,
                }
                for panel in chart.panels
            ),
        ],
        "columns": columns,
        "spacing": _SPACING,
        "resolve": {"scale": {"yOffset": "independent"}},
    }


def _key_panel(keys: Sequence[Key]) -> Spec:
    """Return a line of colours with their names."""
    starts = accumulate((_KEY + _LETTER * len(one.name) for one in keys), initial=0)
    values = [
        {"x": x, "name": one.name, "colour": one.colour, "opacity": one.opacity}
        for x, one in zip(starts, keys, strict=False)
    ]
    x = {"field": "x", "type": "quantitative", "scale": None, "axis": None}
    fill = {"field": "colour", "type": "nominal", "scale": None}
    opacity = {"field": "opacity", "type": "quantitative", "scale": None}
    return {
        "data": {"values": values},
        "height": 16,
        "encoding": {"x": x, "y": {"value": 8}},
        "layer": [
            {
                "mark": {
                    "type": "square",
                    "size": 130,
                    "xOffset": 8,
                    "filled": True,
                    "opacity": 1,
                },
                "encoding": {"fill": fill, "fillOpacity": opacity},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 20},
                "encoding": {"text": {"field": "name"}},
            },
        ],
    }


def _beside(chart: Chart) -> int:
    """Return the approximate width of the names and figures next to a plot, pixels."""
    names = max((len(one.name) for one in chart.series), default=0)
    figures = max((len(str(row.get("figure", ""))) for row in chart.rows), default=0)
    return 7 * (names + figures) + 24


def _drawn(value: object) -> object:
    """Return a value of a row as a drawing needs it: six significant digits."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _light(match: re.Match[str]) -> str:
    return VARIABLES[match[1]].light
