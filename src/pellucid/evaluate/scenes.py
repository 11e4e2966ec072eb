"""Simple scenes made by code: "a red ball on grass". Their words are known exactly, and one of them can be changed alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE_PX = 320
COLOURS = {
    "red": (205, 30, 35), "blue": (30, 70, 200), "yellow": (240, 210, 30), "green": (30, 140, 50), "orange": (240, 125, 20),
    "white": (240, 240, 240), "black": (25, 25, 25), "purple": (120, 40, 150),
}  # fmt: skip
# The words that would be right for each thing and ground.
THINGS = {"ball": ("ball", "balls", "balloon"), "frisbee": ("frisbee", "disc", "disk"), "kite": ("kite", "kites")}
GROUNDS = {
    "grass": ("grass", "field", "lawn", "grassy", "green", "yard"), "sand": ("sand", "beach", "sandy", "dirt"),
    "snow": ("snow", "snowy"), "water": ("water", "ocean", "lake", "sea", "pool", "waves"),
}  # fmt: skip
GROUND_COLOURS = {"grass": (70, 120, 45), "sand": (205, 180, 130), "snow": (236, 240, 246), "water": (50, 105, 150)}


@dataclass(frozen=True)
class Scene:
    """A `thing` of a `colour` on a `ground`; without a thing the ground alone."""

    colour: str
    thing: str | None
    ground: str
    seed: int

    def without_thing(self) -> Scene:
        return replace(self, thing=None)

    def picture(self) -> Image.Image:
        """RGB; the same for the same scene, and the ground the same whatever lies on it."""
        image = _ground(self.ground, self.seed)
        return _with_thing(image, self.thing, COLOURS[self.colour], self.seed) if self.thing else image


def scenes(count: int, seed: int) -> Iterator[Scene]:
    """`count` scenes whose thing differs from its ground in colour, in an order that covers all things and grounds early."""
    draw = np.random.default_rng(seed)
    usual = {"grass": "green", "snow": "white", "water": "blue", "sand": "yellow"}
    pairs = [(thing, ground) for ground in GROUNDS for thing in THINGS]
    for number in range(count):
        thing, ground = pairs[number % len(pairs)]
        colours = [colour for colour in COLOURS if colour != usual[ground]]
        yield Scene(str(draw.choice(colours)), thing, ground, int(draw.integers(1 << 31)))


def other_colour(scene: Scene) -> Scene:
    """The same scene, its thing in the colour that is farthest from its own and not the ground's."""
    own, ground = np.array(COLOURS[scene.colour]), np.array(GROUND_COLOURS[scene.ground])

    def distance(colour: str) -> float:
        value = np.array(COLOURS[colour])
        return float(np.linalg.norm(value - own) + np.linalg.norm(value - ground))

    return replace(scene, colour=max((colour for colour in COLOURS if colour != scene.colour), key=distance))


def _ground(ground: str, seed: int) -> Image.Image:
    """Noise of three grains in the ground's colour, lighter at the far end."""
    draw = np.random.default_rng([seed, len(ground)])
    stretch = 6 if ground == "water" else 1
    rough = np.zeros((SIDE_PX, SIDE_PX))
    for grain, strength in ((2, 12.0), (8, 14.0), (40, 10.0)):
        cells = (max(2, SIDE_PX // grain), max(2, SIDE_PX // grain // stretch))
        noise = Image.fromarray(draw.normal(0, 1, cells).astype(np.float32)).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
        rough += strength * np.asarray(noise)
    if ground == "snow":
        rough *= 0.3
    far = np.linspace(22, -22, SIDE_PX)[:, None]
    pixels = np.array(GROUND_COLOURS[ground]) + (rough + far)[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))


def _with_thing(image: Image.Image, thing: str, colour: tuple[int, int, int], seed: int) -> Image.Image:
    draw = np.random.default_rng([seed, 1])
    x, y = draw.uniform(0.42, 0.58, 2) * SIDE_PX
    radius = draw.uniform(0.17, 0.24) * SIDE_PX
    shape = Image.new("L", image.size, 0)
    shadow = Image.new("L", image.size, 0)
    ImageDraw.Draw(shadow).ellipse((x - radius, y + 0.7 * radius, x + 1.2 * radius, y + 1.2 * radius), fill=120)
    pen = ImageDraw.Draw(shape)
    if thing == "ball":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    elif thing == "frisbee":
        pen.ellipse((x - 1.3 * radius, y - 0.5 * radius, x + 1.3 * radius, y + 0.5 * radius), fill=255)
    else:
        pen.polygon([(x, y - 1.3 * radius), (x + radius, y), (x, y + 1.3 * radius), (x - radius, y)], fill=255)
        pen.line([(x, y + 1.3 * radius), (x - radius, y + 2 * radius)], fill=255, width=4)
    dark = Image.new("RGB", image.size, (20, 20, 20))
    image = Image.composite(dark, image, shadow.filter(ImageFilter.GaussianBlur(radius / 6)))
    return Image.composite(_shaded(colour, x, y, radius), image, shape.filter(ImageFilter.GaussianBlur(0.8)))


def _shaded(colour: tuple[int, int, int], x: float, y: float, radius: float) -> Image.Image:
    """The colour lit from the upper left, with a highlight."""
    down, across = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32)
    away = np.hypot(across - (x - 0.4 * radius), down - (y - 0.4 * radius)) / radius
    light = np.clip(1.12 - 0.38 * away, 0.35, 1.12)[..., None]
    shine = 110 * np.exp(-((away / 0.28) ** 2))[..., None]
    return Image.fromarray(np.clip(np.array(colour) * light + shine, 0, 255).astype(np.uint8))
