"""Random changes for training: a crop, a flip, sometimes words as on a meme, a smaller size, and none to two lossy saves.

Everything is drawn first, from the picture's size and a seed, and then done; so the size that comes out is known without the
picture. The same for both labels, so that neither words over a picture nor its saves are a sign of AI.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from pellucid.runtime.reencode import Size, jpeg, webp

# Of the changes, those that write words over the picture.
MEMES = 0.12
LETTERS = "ABCDEFGHIJKLMNOPRSTUVWY"
FILTERS = (Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BOX)


@dataclass(frozen=True)
class Words:
    """Lines at the top (True) or the bottom, white with a dark edge or dark on a light band; `height`: share of the picture's."""

    height: float
    banded: bool
    blocks: tuple[tuple[bool, tuple[str, ...]], ...]


@dataclass(frozen=True)
class RandomChange:
    """What will be done, in this order. `smaller` is None where the square is small enough; a save is a format and a quality."""

    box: tuple[int, int, int, int]
    flipped: bool
    words: Words | None
    smaller: tuple[int, Image.Resampling] | None
    blur: float | None
    saves: tuple[tuple[str, int], ...]

    @property
    def side_px(self) -> int:
        """Of the square that comes out."""
        return self.smaller[0] if self.smaller else self.box[2] - self.box[0]

    def of(self, image: Image.Image) -> Image.Image:
        image = image.crop(self.box)
        if self.flipped:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.words:
            image = _written(image, self.words)
        if self.smaller:
            side_px, resampling = self.smaller
            image.thumbnail((side_px, side_px), resampling)
        if self.blur:
            image = image.filter(ImageFilter.GaussianBlur(self.blur))
        for file_format, quality in self.saves:
            image = jpeg(image, quality) if file_format == "JPEG" else webp(image, quality)
        return image


def random_change(image: Image.Image, seed: str) -> Image.Image:
    """`image` after the change drawn from `seed`."""
    return drawn_change(image.size, seed).of(image)


def drawn_change(size: Size, seed: str) -> RandomChange:
    """For a picture of `size` in pixels; the same for the same two."""
    draw = random.Random(seed)
    box = _square(size, draw)
    flipped = draw.random() < 0.5
    words = _words(draw) if draw.random() < MEMES else None
    side_px = int(2 ** draw.uniform(7.6, 10))
    smaller = (side_px, draw.choice(FILTERS)) if box[2] - box[0] > side_px else None
    blur = draw.uniform(0.3, 1.2) if draw.random() < 0.1 else None
    count = draw.choices([0, 1, 2], [0.2, 0.5, 0.3])[0]
    saves = [("JPEG", draw.randint(40, 95)) if draw.random() < 0.75 else ("WEBP", draw.randint(50, 95)) for _ in range(count)]
    return RandomChange(box, flipped, words, smaller, blur, tuple(saves))


def _square(size: Size, draw: random.Random) -> tuple[int, int, int, int]:
    side = max(16, round(min(size) * draw.uniform(0.65, 1.0)))
    left, top = draw.randint(0, size[0] - side), draw.randint(0, size[1] - side)
    return (left, top, left + side, top + side)


def _words(draw: random.Random) -> Words:
    height, banded = draw.uniform(0.06, 0.12), draw.random() < 0.3
    places = draw.choice([(True,), (False,), (True, False)])
    return Words(height, banded, tuple((top, tuple(_line(draw) for _ in range(draw.randint(1, 2)))) for top in places))


def _line(draw: random.Random) -> str:
    return " ".join("".join(draw.choices(LETTERS, k=draw.randint(2, 7))) for _ in range(draw.randint(2, 4)))


def _written(image: Image.Image, words: Words) -> Image.Image:
    size = max(10, round(image.height * words.height))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    for top, lines in words.blocks:
        first = size // 4 if top else image.height - len(lines) * size * 5 // 4
        if words.banded:
            pen.rectangle((0, first - size // 4, image.width, first + len(lines) * size * 5 // 4), fill="white")
        for row, line in enumerate(lines):
            place = (image.width // 2, first + row * size * 5 // 4)
            style = (
                {"fill": "black"}
                if words.banded
                else {"fill": "white", "stroke_fill": "black", "stroke_width": max(1, size // 14)}
            )
            pen.text(place, line, font=font, anchor="ma", **style)
    return image
