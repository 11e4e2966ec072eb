import io

import numpy as np
from PIL import Image

from pellucid.analyse.heatmap import attribution, heatmap_png
from pellucid.records.bundle import ViewSpec
from tests.pictures import scene

SPEC = ViewSpec()


def brightness_of_a_corner(pixels):
    """A detector that looks at the upper left 32 x 32 pixels only: how much they vary."""
    return pixels[:, :, :32, :32].std(axis=(1, 2, 3))


def test_finds_the_region_that_the_score_comes_from():
    view = Image.effect_noise((SPEC.encoder_px, SPEC.encoder_px), 60).convert("RGB")
    grid = attribution(view, SPEC, brightness_of_a_corner)
    assert np.unravel_index(grid.argmax(), grid.shape) == (0, 0)
    assert np.abs(grid[2:, 2:]).max() < 0.01


def test_is_a_picture_of_the_square_that_was_judged():
    drawn = Image.open(io.BytesIO(heatmap_png(scene(160, 120), SPEC, brightness_of_a_corner)))
    assert drawn.size == (SPEC.encoder_px, SPEC.encoder_px)
    red, green, _ = (np.asarray(band, dtype=int) for band in drawn.split())
    tint = red - green
    assert tint[:24, :24].mean() > 4 * max(float(tint[112:, 112:].mean()), 1.0)
