"""The colours of the pools: told apart by any eye, on paper and on a dark screen."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from report.palette import (
    CAUSE_SHADES,
    INK_SHADES,
    OTHER_SHADE,
    POOL_SHADES,
    STATE_SHADES,
    Shade,
)

#: The least distance of two pools' colours, in CIELAB (CIE 1976); about 2 is just seen, side by
#: side, and dots in a chart lie apart and are small.
APART = 15.0

#: How a missing sort of cone changes linear RGB: G. M. Machado, M. M. Oliveira and L. A. F.
#: Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE
#: Transactions on Visualization and Computer Graphics 15, 2009, severity 1.
EYES = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}

#: Linear sRGB → CIE XYZ, and the white of it (IEC 61966-2-1, D65).
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = _TO_XYZ @ np.ones(3)

_SHADES = {**POOL_SHADES, "other": OTHER_SHADE}


@pytest.mark.parametrize(
    "shades", [_SHADES, CAUSE_SHADES, STATE_SHADES], ids=["pools", "causes", "states"]
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("eye", EYES)
def test_no_two_of_a_chart_look_alike_to_any_eye(
    eye: str, scheme: str, shades: dict[str, Shade]
) -> None:
    """Without red or green cones too, each pair lies `APART`."""
    seen = {
        name: _lab(np.clip(EYES[eye] @ _linear(getattr(shade, scheme)), 0, 1))
        for name, shade in shades.items()
    }
    distances = {
        (one, other): float(np.linalg.norm(seen[one] - seen[other]))
        for one, other in combinations(seen, 2)
    }

    assert {pair: apart for pair, apart in distances.items() if apart < APART} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_graphics_and_words_stand_out_and_mean_one_thing(scheme: str) -> None:
    """WCAG asks a contrast of 3 of graphics and 4.5 of text; no two meanings share a colour."""
    inks = {name: getattr(shade, scheme) for name, shade in INK_SHADES.items()}
    shades = [*_SHADES.items(), *CAUSE_SHADES.items(), *STATE_SHADES.items()]
    # two sets have a colour for the unknown
    drawn = [(name, getattr(shade, scheme)) for name, shade in shades]
    colours = [*inks.values(), *(colour for _, colour in drawn)]
    words = {name: inks[name] for name in ("ink", "muted", "bad")}

    assert [name for name, one in drawn if _contrast(one, inks["ground"]) < 3] == []
    assert {ink: one for ink, one in words.items() if _contrast(one, inks["ground"]) < 4.5} == {}
    assert len(set(colours)) == len(colours)


def test_distances_are_those_of_the_definition() -> None:
    """Black and white lie 100 apart; a red that lost its red cones is near a dark yellow."""
    black, white = _lab(_linear("#000000")), _lab(_linear("#ffffff"))
    red = _lab(np.clip(EYES["protanopia"] @ _linear("#ff0000"), 0, 1))

    assert np.linalg.norm(white - black) == pytest.approx(100, abs=0.01)
    assert red[0] < _lab(_linear("#ff0000"))[0]
    assert red[2] > 0


def _linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    """Return CIELAB's L*, a* and b* (ISO/CIE 11664-4)."""
    share = _TO_XYZ @ linear / _WHITE
    x, y, z = np.where(share > (6 / 29) ** 3, np.cbrt(share), share * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, as WCAG 2.2 defines it."""
    lights = sorted((float(_TO_XYZ[1] @ _linear(colour)) for colour in (one, other)), reverse=True)
    return (lights[0] + 0.05) / (lights[1] + 0.05)
