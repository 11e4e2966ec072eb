"""Which regions the detector's score leans on, by hiding one after the other (occlusion; Zeiler and Fergus, arXiv 1311.2901).

An aid to a moderator's eye and not proof: it says where the score comes from, not where the picture was made up. Its worth
is measured: hiding its hottest fifth must move the score more than hiding a random fifth (`evaluate/heatmap.py`).
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from pellucid.records.bundle import ViewSpec
from pellucid.runtime.views import detection_view, to_tensor

Floats = NDArray[np.float32]
# [n, 3, H, W] of the encoder's input → logits [n].
Scorer = Callable[[Floats], Floats]

CELLS = 7
BLUR_PX = 24
STRONGEST_TINT = 0.6


def attribution(view: Image.Image, spec: ViewSpec, score: Scorer) -> Floats:
    """How far the logit falls when each of 7 x 7 cells of `view` is hidden: [7, 7], positive where the cell spoke for AI."""
    grid = np.arange(CELLS * CELLS).reshape(CELLS, CELLS)
    hidden = hidden_scores(view, [grid == cell for cell in grid.flat], spec, score)
    falls: Floats = score(to_tensor(view, spec)[None])[0] - hidden
    return falls.reshape(grid.shape)


def hidden_scores(view: Image.Image, masks: list[NDArray[np.bool_]], spec: ViewSpec, score: Scorer) -> Floats:
    """Logits [n] of `view` with the cells of each mask [7, 7] replaced by the picture's own blur, which adds no new edges."""
    blurred = view.filter(ImageFilter.GaussianBlur(BLUR_PX))
    hidden = [Image.composite(blurred, view, _enlarged(mask, view.size)) for mask in masks]
    return score(np.stack([to_tensor(image, spec) for image in hidden]))


def heatmap_png(image: Image.Image, spec: ViewSpec, score: Scorer) -> bytes:
    """The square that was judged, tinted red where the score leans on it, as PNG."""
    view = detection_view(image, spec)
    grid = np.clip(attribution(view, spec, score), 0, None)
    strength = Image.fromarray((255 * STRONGEST_TINT * grid / max(float(grid.max()), 1e-6)).astype(np.uint8))
    mask = strength.resize(view.size, Image.Resampling.BICUBIC)
    tinted = Image.composite(Image.new("RGB", view.size, (220, 30, 30)), view.convert("L").convert("RGB"), mask)
    file = io.BytesIO()
    tinted.save(file, "PNG")
    return file.getvalue()


def _enlarged(mask: NDArray[np.bool_], size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.NEAREST)
