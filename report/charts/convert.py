"""Converts charts to SVG; a page runs it meanwhile, as `python -m report.charts.convert`.

A thread would not do: vl-convert holds the GIL from a chart's beginning to its end. The process
reads charts as JSON, one a line, and answers each with its SVG as a line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import vl_convert

from report.palette import INK_SHADES, OTHER_SHADE, POOL_SHADES

_TOP = Path(__file__).resolve().parents[2]

#: Colour in a drawing → CSS variable on the page.
VARIABLES: dict[str, str] = {
    **{shade.light: f"--pool-{pool}" for pool, shade in POOL_SHADES.items()},
    OTHER_SHADE.light: "--pool-other",
    **{shade.light: f"--{name}" for name, shade in INK_SHADES.items()},
}

#: What the figure around a drawing says already, or nobody sees.
_NOISE = re.compile(
    r" (?:(?:aria-[a-z]+|role|class|pointer-events|stroke-miterlimit|xmlns:xlink|version"
    r'|font-family)="[^"]*"|opacity="1"|font-size="-12px"|fill="none"(?= stroke="none"))'
)
_HIDDEN = re.compile(r'<path d="(?:M0,0h0v0h0Z)?"(?: display="none")?/>')
_UNMEASURED = re.compile(r'(?<=font-size=")-')
_COLOUR = re.compile(r'(fill|stroke)="(#[0-9a-f]{6})"')
_LONG_NUMBER = re.compile(r"(\d+\.\d{2})\d+")

#: Stands in a page for a drawing that is still being made.
_PLACE = '<svg data-drawing="{}"/>'
_PLACES = re.compile(_PLACE.format(r"(\d+)"))

#: Drawn before the first chart is asked for: the engine takes most of a second to start.
_NOTHING = json.dumps({"data": {"values": []}, "mark": "point"})


@lru_cache(maxsize=64)
def to_svg(spec: str) -> str:
    """Return a Vega-Lite chart as SVG, lean, its colours as variables of the page.

    Raises:
        ValueError: if Vega-Lite can't draw it.
    """
    drawn = str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))
    lean = _LONG_NUMBER.sub(r"\1", _HIDDEN.sub("", _NOISE.sub("", drawn)))
    return _COLOUR.sub(_variable, _UNMEASURED.sub("", lean))


class Converter:
    """A process that converts the charts of one page while the page is being put together."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "report.charts.convert"],
            # -m looks there first: where the reader is, something else may be called report
            cwd=_TOP,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Ctrl-C is for those who asked for the page; this one ends with its pipe
            start_new_session=True,
        )
        self._asking = ThreadPoolExecutor(1)
        self._drawings: dict[str, tuple[str, Future[str]]] = {}
        self._is_over = False

    @property
    def pid(self) -> int:
        """The process that draws."""
        return self._process.pid

    def later(self, spec: str) -> str:
        """Have a chart drawn; return what stands for it until `fill`."""
        if spec not in self._drawings:
            place = _PLACE.format(len(self._drawings))
            self._drawings[spec] = (place, self._asking.submit(self._ask, spec))
        return self._drawings[spec][0]

    def fill(self, page: str) -> str:
        """Return a page with its drawings in their places.

        Raises:
            ValueError: if Vega-Lite can't draw one of them.
        """
        drawings = [drawn for _, drawn in self._drawings.values()]
        return _PLACES.sub(lambda place: drawings[int(place[1])].result(), page)

    def _ask(self, spec: str) -> str:
        answer = b""
        if self._process.stdin and self._process.stdout:
            try:
                self._process.stdin.write(spec.encode() + b"\n")
                self._process.stdin.flush()
                answer = self._process.stdout.readline()
            except OSError:
                answer = b""
        if answer.endswith(b"\n"):
            return str(json.loads(answer))
        # it ended: of itself, or by an error that is to be seen here; or nobody waits any more
        return "" if self._is_over else to_svg(spec)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over = True
        self._process.kill()
        self._process.wait()
        self._asking.shutdown(cancel_futures=True)
        for pipe in (self._process.stdin, self._process.stdout):
            # what a dead process did not read can't be flushed
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


def answer(charts: BinaryIO, *, drawings: BinaryIO) -> None:
    """Answer each chart with its drawing until there are no more."""
    to_svg(_NOTHING)
    for chart in charts:
        drawings.write(json.dumps(to_svg(chart.decode())).encode() + b"\n")
        drawings.flush()


def _variable(match: re.Match[str]) -> str:
    attribute, colour = match.groups()
    name = VARIABLES.get(colour)
    return f'{attribute}="var({name})"' if name else match.group()


if __name__ == "__main__":
    answer(sys.stdin.buffer, drawings=sys.stdout.buffer)
