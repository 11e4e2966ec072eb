"""What happens to pictures on their way through the world: the twelve re-encodings, the tiers, and random ones for training."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from pellucid.runtime.views import through

# Of the random changes, those that write words over the picture.
MEMES = 0.12
LETTERS = "ABCDEFGHIJKLMNOPRSTUVWY"

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
    """A crop, a flip, sometimes words as on a meme, a smaller size and none to two lossy saves, drawn from `seed`.

    The same for both labels, so that neither words over a picture nor its saves are a sign of AI.
    """
    draw = random.Random(seed)
    image = _random_square(image, draw)
    if draw.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if draw.random() < MEMES:
        image = _with_words(image, draw)
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


def _with_words(image: Image.Image, draw: random.Random) -> Image.Image:
    """One or two lines of letters at the top, the bottom or both: white with a dark edge, or dark on a light band."""
    image = image.copy()
    size = max(10, round(image.height * draw.uniform(0.06, 0.12)))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    banded = draw.random() < 0.3
    for top in draw.choice([(True,), (False,), (True, False)]):
        lines = [_line(draw) for _ in range(draw.randint(1, 2))]
        first = size // 4 if top else image.height - len(lines) * size * 5 // 4
        if banded:
            pen.rectangle((0, first - size // 4, image.width, first + len(lines) * size * 5 // 4), fill="white")
        for row, line in enumerate(lines):
            place = (image.width // 2, first + row * size * 5 // 4)
            style = {"fill": "black"} if banded else {"fill": "white", "stroke_fill": "black", "stroke_width": max(1, size // 14)}
            pen.text(place, line, font=font, anchor="ma", **style)
    return image


def _line(draw: random.Random) -> str:
    return " ".join("".join(draw.choices(LETTERS, k=draw.randint(2, 7))) for _ in range(draw.randint(2, 4)))
