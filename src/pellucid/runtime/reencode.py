"""What happens to pictures on their way through the world: the twelve re-encodings, the tiers, and random ones for training."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from PIL import Image, ImageFilter

from pellucid.runtime.views import through

Change = Callable[[Image.Image], Image.Image]
Size = tuple[int, int]


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    return through(image, "JPEG", quality=quality)


def _webp(image: Image.Image, quality: int) -> Image.Image:
    return through(image, "WEBP", quality=quality)


def _png(image: Image.Image) -> Image.Image:
    return image


def _resize(image: Image.Image, factor: float, quality: int) -> Image.Image:
    size = (max(16, round(image.width * factor)), max(16, round(image.height * factor)))
    return _jpeg(image.resize(size, Image.Resampling.LANCZOS), quality)


def _crop(image: Image.Image, share: float, quality: int) -> Image.Image:
    width, height = round(image.width * share), round(image.height * share)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return _jpeg(image.crop((left, top, left + width, top + height)), quality)


def _longest(image: Image.Image, side_px: int, quality: int) -> Image.Image:
    smaller = image.copy()
    smaller.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return _jpeg(smaller, quality)


# The design's section 9, in its order.
RE_ENCODINGS: dict[str, Change] = {
    "jpeg95": partial(_jpeg, quality=95),
    "jpeg80": partial(_jpeg, quality=80),
    "jpeg60": partial(_jpeg, quality=60),
    "jpeg40": partial(_jpeg, quality=40),
    "webp80": partial(_webp, quality=80),
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


def random_change(image: Image.Image, seed: str) -> Image.Image:
    """A crop, a flip, a smaller size and none, one or two lossy saves, drawn from `seed`; the same for both labels."""
    draw = random.Random(seed)
    image = _random_square(image, draw)
    if draw.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    side_px = int(2 ** draw.uniform(7.6, 10))
    if max(image.size) > side_px:
        image.thumbnail(
            (side_px, side_px), draw.choice([Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BOX])
        )
    if draw.random() < 0.1:
        image = image.filter(ImageFilter.GaussianBlur(draw.uniform(0.3, 1.2)))
    for _ in range(draw.choices([0, 1, 2], [0.2, 0.5, 0.3])[0]):
        if draw.random() < 0.75:
            image = _jpeg(image, draw.randint(40, 95))
        else:
            image = _webp(image, draw.randint(50, 95))
    return image


def _random_square(image: Image.Image, draw: random.Random) -> Image.Image:
    side = max(16, round(min(image.size) * draw.uniform(0.65, 1.0)))
    left, top = draw.randint(0, image.width - side), draw.randint(0, image.height - side)
    return image.crop((left, top, left + side, top + side))
