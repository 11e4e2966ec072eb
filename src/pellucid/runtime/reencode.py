"""What happens to pictures on their way through the world: the twelve re-encodings, and the tiers among them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PIL import Image

from pellucid.runtime.views import through

Change = Callable[[Image.Image], Image.Image]
Size = tuple[int, int]


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    return through(image, "JPEG", quality=quality)


def webp(image: Image.Image, quality: int) -> Image.Image:
    return through(image, "WEBP", quality=quality)


def _png(image: Image.Image) -> Image.Image:
    return image


def _resize(image: Image.Image, factor: float, quality: int) -> Image.Image:
    size = (max(16, round(image.width * factor)), max(16, round(image.height * factor)))
    return jpeg(image.resize(size, Image.Resampling.LANCZOS), quality)


def _crop(image: Image.Image, share: float, quality: int) -> Image.Image:
    width, height = round(image.width * share), round(image.height * share)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return jpeg(image.crop((left, top, left + width, top + height)), quality)


def _longest(image: Image.Image, side_px: int, quality: int) -> Image.Image:
    smaller = image.copy()
    smaller.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return jpeg(smaller, quality)


# The design's section 9, in its order.
RE_ENCODINGS: dict[str, Change] = {
    "jpeg95": partial(jpeg, quality=95),
    "jpeg80": partial(jpeg, quality=80),
    "jpeg60": partial(jpeg, quality=60),
    "jpeg40": partial(jpeg, quality=40),
    "webp80": partial(webp, quality=80),
    "png": _png,
    "resize75": partial(_resize, factor=0.75, quality=85),
    "resize50": partial(_resize, factor=0.5, quality=85),
    "crop90": partial(_crop, share=0.9, quality=85),
    "web": partial(_longest, side_px=768, quality=60),
    "hard": partial(_longest, side_px=512, quality=40),
    "screenshot": partial(_resize, factor=1.5, quality=75),
}


def size_after(view: str, size: Size) -> Size:
    """(width, height) in pixels of a picture of `size` after the re-encodings of `view` (`web`, `hard+jpeg60`), to a pixel."""
    for change in view.split("+"):
        known = getattr(RE_ENCODINGS.get(change), "keywords", {})
        factor = known.get("factor", known.get("share", 1.0))
        if longest := known.get("side_px"):
            factor = min(1.0, longest / max(size))
        size = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
    return size
