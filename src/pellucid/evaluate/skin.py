"""Apparent skin tone of a portrait: the individual typology angle of its skin-coloured pixels, in the groups of Chardon (1991).

A property of the picture, not of a person: light, exposure, make-up and white balance move it by whole groups. It is used to
count errors by group and for nothing else; no angle is stored beside a picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float64]

# Chardon, Cretois, Hourseau: Skin colour typology and suntanning pathways, 1991; lower bounds of the angle in degrees.
GROUPS = {"very light": 55.0, "light": 41.0, "intermediate": 28.0, "tan": 10.0, "brown": -30.0, "dark": -90.0}
# Chai and Ngan (IEEE TCSVT 1999): chroma of skin in YCbCr, whatever its lightness.
CB, CR = (77, 127), (133, 173)
# Portraits show the face in the middle; less skin than this share of the middle is no face that could be measured.
CENTRE, FEWEST_SKIN = 0.5, 0.15
SIDE_PX = 128
# Pixels under or over this Y are shadow or highlight, which say nothing of colour.
SHADOW, HIGHLIGHT = 30, 245

# Linear sRGB → XYZ over the D65 white (IEC 61966-2-1).
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) / [[0.9505], [1.0], [1.089]]


def skin_group(image: Image.Image) -> str | None:
    """The group of a portrait; None where its middle shows too little that has the colour of skin."""
    angle = typology_angle(image)
    return None if angle is None else next(name for name, lowest in GROUPS.items() if angle >= lowest)


def typology_angle(image: Image.Image) -> float | None:
    """atan2(L* - 50, b*) in degrees of the median skin pixel in the picture's middle."""
    middle = _middle(image).convert("RGB").resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
    luma, blue, red = np.moveaxis(np.asarray(middle.convert("YCbCr"), dtype=int), 2, 0)
    skin = (blue >= CB[0]) & (blue <= CB[1]) & (red >= CR[0]) & (red <= CR[1]) & (luma > SHADOW) & (luma < HIGHLIGHT)
    if skin.mean() < FEWEST_SKIN:
        return None
    lightness, yellow = _lightness_and_yellow(np.asarray(middle, dtype=float)[skin] / 255)
    return float(np.degrees(np.arctan2(np.median(lightness) - 50, max(np.median(yellow), 1e-6))))


def _middle(image: Image.Image) -> Image.Image:
    width, height = image.size
    side = round(min(width, height) * CENTRE)
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _lightness_and_yellow(rgb: Floats) -> tuple[Floats, Floats]:
    """L* and b* (CIE 1976) of sRGB pixels [n, 3] of 0 to 1."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    _, y, z = (linear @ XYZ.T).T
    return 116 * _cube_root(y) - 16, 200 * (_cube_root(y) - _cube_root(z))


def _cube_root(values: Floats) -> Floats:
    return np.where(values > (6 / 29) ** 3, np.cbrt(values), values / (3 * (6 / 29) ** 2) + 4 / 29)
