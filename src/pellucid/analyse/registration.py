"""Lays one picture over another and measures where they differ: is this the same picture, saved again and nothing more?

A re-encoding changes a picture everywhere a little; an edit changes a part of it much. So the two are registered (which box of
the first became the second, to a fraction of a pixel) and compared window by window: the worst window counts, never the mean,
in which one exchanged face would drown. Registration is Gauss-Newton on the box (Lucas and Kanade, 1981), from coarse to fine;
the comparison is the contrast-and-structure term of SSIM (Wang and others, IEEE TIP 2004) beside the difference of the means.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]

COARSE_PX, FINE_PX = 64, 256
SHARES = (1.0, 0.95, 0.9, 0.85)
STEPS = 5
WINDOW = 8
# SSIM's second constant for grey levels of 0 to 255, (0.03 * 255)^2: contrast below it is noise.
NOISE = 58.5


@dataclass(frozen=True)
class Overlay:
    """`box` of the earlier picture is what the later one shows. `structure` (1: the same, 0 or less: something else) and
    `tone` (grey levels of 255) are those of the worst window."""

    box: Box
    share: float
    structure: float
    tone: float


def overlay(earlier: Image.Image, later: Image.Image) -> Overlay:
    """Both RGB. Total: pictures that have nothing in common come out as different everywhere."""
    first, second = compared_size(earlier), compared_size(later)
    small, target = _at_most(first, 2 * COARSE_PX), _rendered(second, _whole(second), _size(second, COARSE_PX))
    starts = [_refined(small, target, _centred(small, share)) for share in SHARES]
    rough = min(starts, key=lambda box: float(np.abs(_rendered(small, box, _shape(target)) - target).mean()))
    side_px = min(FINE_PX, max(COARSE_PX, min(max(second.size), max(first.size)) // 2))
    target = _rendered(second, _whole(second), _size(second, side_px))
    box = _refined(first, target, _scaled(rough, small, first))
    share = (box[2] - box[0]) * (box[3] - box[1]) / (first.width * first.height)
    return Overlay(_scaled(box, first, earlier), round(share, 4), *_worst(_rendered(first, box, _shape(target)), target))


def _worst(ours: Floats, theirs: Floats) -> tuple[float, float]:
    """(structure, tone) of the worst window."""
    first, second = ours.mean(axis=2), theirs.mean(axis=2)
    mean_1, mean_2 = _windowed(first), _windowed(second)
    variance_1, variance_2 = _windowed(first**2) - mean_1**2, _windowed(second**2) - mean_2**2
    covariance = _windowed(first * second) - mean_1 * mean_2
    structure = (2 * covariance + NOISE) / (variance_1 + variance_2 + NOISE)
    tone = max(float(np.abs(_windowed(ours[..., channel] - theirs[..., channel])).max()) for channel in range(3))
    return round(float(structure.min()), 4), round(tone, 2)


def _windowed(values: Floats) -> Floats:
    """The mean of every window of `WINDOW` pixels a side, by sums of a running table."""
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    table[1:, 1:] = values.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    high, wide = (min(WINDOW, side) for side in values.shape)
    sums = table[high:, wide:] - table[:-high, wide:] - table[high:, :-wide] + table[:-high, :-wide]
    return np.asarray(sums / (high * wide))


def _refined(earlier: Image.Image, target_hwc: Floats, box: Box) -> Box:
    """The box near `box` whose rendering is nearest to the target, up to one gain and one offset of light."""
    size, target = _shape(target_hwc), target_hwc.mean(axis=2)
    across, down = np.linspace(-0.5, 0.5, size[0])[None, :], np.linspace(-0.5, 0.5, size[1])[:, None]
    for _ in range(STEPS):
        shown = _rendered(earlier, box, size).mean(axis=2)
        slope_y, slope_x = np.gradient(shown)
        unknowns = np.stack([slope_x, slope_x * across, slope_y, slope_y * down, shown, np.ones_like(shown)]).reshape(6, -1)
        found = np.linalg.solve(unknowns @ unknowns.T + 1e-3 * np.eye(6), unknowns @ (target - shown).ravel())
        box = _moved(box, found[:4], size, earlier.size)
    return box


def _moved(box: Box, found: NDArray[np.float64], size: tuple[int, int], within: tuple[int, int]) -> Box:
    """The box after a step of (shift, growth) across and down, in pixels of the rendered picture; never outside the picture."""
    sides: list[tuple[float, float]] = []
    for axis in (0, 1):
        low, high = box[axis], box[axis + 2]
        unit = (high - low) / size[axis]
        shift, growth = (float(np.clip(step, -4, 4)) * unit for step in found[2 * axis : 2 * axis + 2])
        middle, half = (low + high) / 2 + shift, (high - low + growth) / 2
        sides.append((max(0.0, middle - half), min(float(within[axis]), middle + half)))
    (left, right), (top, bottom) = sides
    if right - left < within[0] / 4 or bottom - top < within[1] / 4:
        return box
    return left, top, right, bottom


def _rendered(image: Image.Image, box: Box, size: tuple[int, int]) -> Floats:
    """`box` of the picture at `size` [H, W, 3], averaged so that neither blocks of a JPEG nor jagged edges are left."""
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=box), dtype=np.float32)


def compared_size(image: Image.Image) -> Image.Image:
    """All that `overlay` looks at: who has this need not hold the whole picture."""
    return _at_most(image, 2 * FINE_PX)


def _at_most(image: Image.Image, side_px: int) -> Image.Image:
    if max(image.size) <= side_px:
        return image
    return image.resize(_size(image, side_px), Image.Resampling.BICUBIC, reducing_gap=2.0)


def _whole(image: Image.Image) -> Box:
    return 0.0, 0.0, float(image.width), float(image.height)


def _shape(pixels_hwc: Floats) -> tuple[int, int]:
    return pixels_hwc.shape[1], pixels_hwc.shape[0]


def _scaled(box: Box, of: Image.Image, to: Image.Image) -> Box:
    wide, high = to.width / of.width, to.height / of.height
    return box[0] * wide, box[1] * high, box[2] * wide, box[3] * high


def _size(image: Image.Image, side_px: int) -> tuple[int, int]:
    scale = side_px / max(image.size)
    return max(WINDOW, round(image.width * scale)), max(WINDOW, round(image.height * scale))


def _centred(image: Image.Image, share: float) -> Box:
    wide, high = image.width * share, image.height * share
    left, top = (image.width - wide) / 2, (image.height - high) / 2
    return left, top, left + wide, top + high
