"""Pictures worth looking at, drawn by code: hills, a harbour, fruit, a street at night, a poster, a page. No people."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tests.pictures import saved

WIDTH, HEIGHT, OVER = 960, 720, 2
Draw = np.random.Generator
Colour = tuple[int, ...]


def hills(draw: Draw) -> Image.Image:
    image = _sky((250, 214, 176), (122, 162, 196))
    pen = ImageDraw.Draw(image)
    _disc(pen, draw.uniform(0.2, 0.8), 0.3, 0.05, (255, 244, 214))
    for depth in range(6):
        base, phase = 0.42 + 0.1 * depth, draw.uniform(0, 6, 3)
        across = np.linspace(0, 1, 200)
        waves = sum(np.sin(across * (5 + 4 * k) + phase[k]) * 0.05 / (k + 1) for k in range(3))
        shade = tuple(int(value) for value in np.array((120, 146, 150)) * (1 - 0.15 * depth))
        _below(pen, across, base + waves, shade)
    return _grain(image, draw)


def harbour(draw: Draw) -> Image.Image:
    image = _sky((222, 234, 238), (92, 138, 160))
    pen = ImageDraw.Draw(image)
    _box(pen, 0, 0.55, 1, 1, (52, 96, 112))
    for _ in range(90):
        x, y = draw.uniform(0, 1), draw.uniform(0.57, 0.98)
        _box(pen, x, y, x + draw.uniform(0.02, 0.1), y + 0.004, (110, 150, 162))
    for x in np.sort(draw.uniform(0.1, 0.9, 4)):
        size, hull = draw.uniform(0.06, 0.12), tuple(int(value) for value in draw.integers(60, 200, 3))
        y = 0.55 + size * 0.6
        _shape(pen, [(x - size, y), (x + size, y), (x + size * 0.7, y + size * 0.5), (x - size * 0.7, y + size * 0.5)], hull)
        _shape(pen, [(x, y - size * 2), (x, y - 0.01), (x + size * 0.9, y - 0.01)], (240, 236, 224))
        _shape(pen, [(x - 0.008, y - size * 1.7), (x - 0.008, y - 0.01), (x - size * 0.7, y - 0.01)], (226, 216, 196))
    return _grain(image, draw)


def fruit(draw: Draw) -> Image.Image:
    image = _sky((84, 74, 70), (128, 112, 100))
    pen = ImageDraw.Draw(image)
    _box(pen, 0, 0.68, 1, 1, (150, 106, 70))
    for x in np.linspace(0.22, 0.78, 6) + draw.uniform(-0.03, 0.03, 6):
        radius, colour = draw.uniform(0.08, 0.12), ((196, 62, 48), (222, 158, 52), (150, 172, 70))[int(draw.integers(3))]
        y = 0.72 - radius * 0.6
        _disc(pen, x + 0.02, y + radius * 1.05, radius * 0.8, (104, 72, 48))
        for ring in range(14):
            light = tuple(min(255, int(value * (0.7 + 0.04 * ring))) for value in colour)
            _disc(pen, x - 0.002 * ring, y - 0.003 * ring, radius * (1 - ring / 15), light)
    return _grain(image, draw)


def street(draw: Draw) -> Image.Image:
    image = _sky((24, 28, 48), (70, 66, 92))
    pen = ImageDraw.Draw(image)
    left = 0.0
    while left < 1:
        width, top = draw.uniform(0.08, 0.16), draw.uniform(0.2, 0.5)
        _box(pen, left, top, left + width, 0.86, (34, 36, 52))
        for x in np.arange(left + 0.015, left + width - 0.02, 0.028):
            for y in np.arange(top + 0.03, 0.8, 0.05):
                if draw.uniform() < 0.45:
                    _box(pen, x, y, x + 0.014, y + 0.024, (244, 206, 122))
        left += width + 0.006
    _box(pen, 0, 0.86, 1, 1, (44, 46, 58))
    return _grain(image, draw)


def poster(draw: Draw) -> Image.Image:
    image = Image.new("RGB", (WIDTH * OVER, HEIGHT * OVER), tuple(int(value) for value in draw.integers(200, 245, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(7):
        colour = tuple(int(value) for value in draw.integers(30, 220, 3))
        x, y, size = draw.uniform(0, 0.9), draw.uniform(0, 0.8), draw.uniform(0.08, 0.3)
        if draw.uniform() < 0.5:
            _disc(pen, x, y, size * 0.6, colour)
        else:
            _box(pen, x, y, x + size, y + size * draw.uniform(0.2, 1.2), colour)
    return image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def page(draw: Draw) -> Image.Image:
    image = Image.new("RGB", (WIDTH * OVER, HEIGHT * OVER), (252, 251, 248))
    pen = ImageDraw.Draw(image)
    _box(pen, 0.1, 0.08, 0.55, 0.12, (40, 44, 52))
    for y in np.arange(0.18, 0.9, 0.035):
        right = draw.uniform(0.7, 0.9)
        for x in np.arange(0.1, right, 0.06):
            _box(pen, x, y, x + draw.uniform(0.02, 0.052), y + 0.012, (96, 100, 108))
    return image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


KINDS: tuple[Callable[[Draw], Image.Image], ...] = (hills, harbour, fruit, street, poster, page)


def drawn(number: int) -> Image.Image:
    """The same picture for the same number, each of another kind than its neighbours."""
    return KINDS[number % len(KINDS)](np.random.default_rng(number))


def as_jpeg(number: int, quality: int = 88) -> bytes:
    return saved(drawn(number), "JPEG", quality=quality)


def _sky(top: Colour, bottom: Colour) -> Image.Image:
    down = np.linspace(0, 1, HEIGHT * OVER)[:, None, None]
    pixels = np.array(top) * (1 - down) + np.array(bottom) * down
    return Image.fromarray(np.broadcast_to(pixels, (HEIGHT * OVER, WIDTH * OVER, 3)).astype(np.uint8))


def _grain(image: Image.Image, draw: Draw) -> Image.Image:
    small = image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(0.6))
    noisy = np.asarray(small, dtype=np.float32) + draw.normal(0, 4, (HEIGHT, WIDTH, 1))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def _at(*places: float) -> list[float]:
    return [place * side * OVER for place, side in zip(places, (WIDTH, HEIGHT) * (len(places) // 2), strict=True)]


def _box(pen: ImageDraw.ImageDraw, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
    pen.rectangle(_at(left, top, right, bottom), fill=colour)


def _disc(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: Colour) -> None:
    across, down = _at(x, y)
    reach = radius * HEIGHT * OVER
    pen.ellipse((across - reach, down - reach, across + reach, down + reach), fill=colour)


def _shape(pen: ImageDraw.ImageDraw, corners: list[tuple[float, float]], colour: Colour) -> None:
    pen.polygon([tuple(_at(x, y)) for x, y in corners], fill=colour)


def _below(pen: ImageDraw.ImageDraw, across: np.ndarray, heights: np.ndarray, colour: Colour) -> None:
    _shape(pen, [(0, 1), *zip(across.tolist(), heights.tolist(), strict=True), (1, 1)], colour)
