"""Pictures for the demo, made by code: landscapes, fractals, patterns, charts, text; and some that installed packages bring.

No picture of a person. The same seed gives the same picture.
"""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.float32]
WIDTH, HEIGHT = 768, 512
# Sample data of packages of the extras, where they are installed: a pagoda, a flower, a parcel, a logo.
BROUGHT = (
    ("sklearn", "datasets/images/china.jpg"), ("sklearn", "datasets/images/flower.jpg"),
    ("matplotlib", "mpl-data/sample_data/Minduka_Present_Blue_Pack.png"), ("matplotlib", "mpl-data/sample_data/logo2.png"),
)  # fmt: skip
WORDS = ("the", "harbour", "is", "open", "from", "may", "to", "september", "and", "boats", "wait", "at", "a", "northern", "quay")


def landscape(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """A sky with a sun, ridges that fade into the distance, and grain, as film has."""
    draw = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    sky, glow = draw.uniform((60, 90, 140), (140, 170, 235)), draw.uniform((210, 140, 90), (255, 215, 170))
    share = (down / height)[..., None] ** 0.8
    pixels_hwc: Pixels = (sky * (1 - share) + glow * share).astype(np.float32)
    x, y, radius = draw.uniform(0.15, 0.85) * width, draw.uniform(0.15, 0.4) * height, draw.uniform(0.04, 0.07) * height
    distance = np.hypot(across - x, down - y)
    pixels_hwc += (np.exp(-distance / (radius * 4)) * 60 + (distance < radius) * 70)[..., None]
    near = draw.uniform((10, 30, 20), (60, 80, 60))
    for layer in range(5):
        fade = layer / 4
        top = height * (0.42 + 0.11 * layer) + ridge(draw, width) * height * (0.05 + 0.03 * layer)
        colour = glow * (1 - fade) * 0.7 + near * fade
        rough = 1 + 0.18 * fade * (smooth_noise(draw, width, height, 24 + 40 * layer) - 0.5)
        below = (down > top[None, :])[..., None]
        pixels_hwc = np.where(below, colour * rough[..., None], pixels_hwc)
    return finished(pixels_hwc + draw.normal(0, 4, (height, width, 1)))


def julia(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """A Julia set, coloured by how fast its points flee."""
    draw = np.random.default_rng(seed)
    angle = draw.uniform(0, 2 * np.pi)
    constant = np.complex64(0.7885 * np.exp(1j * angle))
    y, x = np.mgrid[-1.1 : 1.1 : height * 1j, -1.65 : 1.65 : width * 1j]
    point, fled = (x + 1j * y).astype(np.complex64).ravel(), np.zeros(height * width, dtype=np.float32)
    left = np.arange(height * width)
    for step in range(40):
        point = point * point + constant
        inside = np.abs(point) < 4
        point, left = point[inside], left[inside]
        fled[left] = step
    fled = fled.reshape(height, width)
    phase = fled[..., None] / 9 + draw.uniform(0, 6, 3)
    return finished(127 + 120 * np.sin(phase))


def pattern(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Cells around random points, in flat colours, as in a window of a church."""
    draw = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    points, colours = draw.uniform((0, 0), (width, height), (40, 2)), draw.uniform(40, 245, (40, 3))
    first, second = np.full((2, height, width), np.inf, dtype=np.float32)
    cell = np.zeros((height, width), dtype=np.intp)
    for number, (x, y) in enumerate(points):
        distance = np.hypot(across - x, down - y)
        nearer = distance < first
        second = np.where(nearer, first, np.minimum(second, distance))
        first, cell = np.where(nearer, distance, first), np.where(nearer, number, cell)
    return finished(np.where((second - first < 7)[..., None], 25.0, colours[cell]))


def chart(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    draw, image = np.random.default_rng(seed), Image.new("RGB", (width, height), (255, 255, 255))
    pencil, font = ImageDraw.Draw(image), ImageFont.load_default(24)
    pencil.text((60, 30), "Boats in the harbour", fill=(20, 20, 20), font=font)
    for number, value in enumerate(draw.uniform(0.2, 1, 10)):
        left, top = 70 + number * 67, height - 70 - value * (height - 190)
        pencil.rectangle((left, top, left + 45, height - 70), fill=(60, 110, 170))
        pencil.text((left + 3, height - 58), str(2016 + number), fill=(20, 20, 20), font=ImageFont.load_default(16))
    pencil.line((50, height - 70, width - 40, height - 70), fill=(20, 20, 20), width=2)
    return image


def page(seed: int, width: int = 620, height: int = 800) -> Image.Image:
    draw, image = np.random.default_rng(seed), Image.new("RGB", (width, height), (250, 249, 245))
    pencil, font = ImageDraw.Draw(image), ImageFont.load_default(18)
    for row in range(70, height - 70, 30):
        line = " ".join(draw.choice(WORDS) for _ in range(9))
        pencil.text((60, row), line, fill=(35, 35, 35), font=font)
    return image


def brought() -> list[tuple[str, Image.Image]]:
    """(name, picture) of those that are installed; packages are looked up and not imported."""
    found = []
    for package, inside in BROUGHT:
        spec = find_spec(package)
        path = Path(spec.origin).parent / inside if spec and spec.origin else Path("not-installed")
        if path.is_file():
            with Image.open(path) as image:
                # What is transparent lies on white.
                laid = Image.new("RGBA", image.size, (255, 255, 255, 255))
                laid.alpha_composite(image.convert("RGBA"))
                found.append((f"{path.stem.lower()}.jpg", laid.convert("RGB")))
    return found


def saved(image: Image.Image, file_format: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **({"quality": 90} if file_format in ("JPEG", "WEBP") else {}) | options)
    return file.getvalue()


def ridge(draw: np.random.Generator, width: int) -> Pixels:
    """Heights of a mountain line, -1 to 1: waves of halved size and doubled number."""
    at, heights = np.linspace(0, 1, width), np.zeros(width)
    for octave in range(1, 8):
        heights += np.sin(2 * np.pi * (2**octave * at * draw.uniform(0.6, 1.2) + draw.uniform())) / 2**octave
    return heights.astype(np.float32)


def smooth_noise(draw: np.random.Generator, width: int, height: int, cells: int) -> Pixels:
    small = Image.fromarray(draw.integers(0, 256, (cells, cells), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32) / 255


def finished(pixels_hwc: NDArray[Any]) -> Image.Image:
    return Image.fromarray(np.clip(pixels_hwc, 0, 255).astype(np.uint8))
