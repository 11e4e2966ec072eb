"""What happens to real pictures that detectors are known to mistake for AI, made by code: night, HDR, filters, memes …

Each change takes an RGB picture and a seed, and gives the same picture for the same two. They imitate; a real night photograph
has more to it. What they share with the real thing is what misleads: noise and lost detail, halos, flat or missing colour.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Change = Callable[[Image.Image, int], Image.Image]
Floats = NDArray[np.float32]

# Rec. 709 luma of linear RGB.
LUMA = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
SENTENCE = "when you finally find the one thing that everybody said could not be found on a monday morning"


def plain(image: Image.Image, _seed: int) -> Image.Image:
    """Nothing: the control that a change is compared with."""
    return image


def night(image: Image.Image, seed: int, exposure: float = 0.06, gain: float = 3.0) -> Image.Image:
    """Little light, amplified: shot and read noise in linear light, warm lamps, the shadows crushed."""
    draw = np.random.default_rng(seed)
    light = _linear(image) * exposure * np.array([1.15, 1.0, 0.7], dtype=np.float32)
    noisy = light + draw.normal(0, 1, light.shape).astype(np.float32) * np.sqrt(light * 0.002 + 0.004**2)
    return _picture(np.clip(noisy, 0, 1) * gain)


def hdr(image: Image.Image, _seed: int, flatten: float = 0.55, detail: float = 1.8) -> Image.Image:
    """Tone mapping as phones and "HDR look" presets do: large contrasts flattened, small ones raised, colours deeper."""
    light = _linear(image) + 1e-4
    luma = np.log(light @ LUMA)
    base = _blurred(luma, max(image.size) / 40)
    wanted = base * flatten + (luma - base) * detail
    wanted -= np.percentile(wanted, 98)
    mapped = light * np.exp(wanted - luma)[..., None]
    return ImageEnhance.Color(_picture(mapped)).enhance(1.35)


def black_and_white(image: Image.Image, _seed: int) -> Image.Image:
    """Grey with its contrast stretched."""
    return ImageOps.autocontrast(image.convert("L"), cutoff=1).convert("RGB")


def blurred(image: Image.Image, _seed: int, share: float = 0.006) -> Image.Image:
    """Out of focus: a Gaussian of `share` of the longest side."""
    return image.filter(ImageFilter.GaussianBlur(max(image.size) * share))


def upscaled(image: Image.Image, _seed: int, factor: int) -> Image.Image:
    """A picture that was `factor` times smaller, sharpened after it was made large again."""
    small = image.resize((max(16, image.width // factor), max(16, image.height // factor)), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.BICUBIC).filter(ImageFilter.UnsharpMask(2, 80, 2))


def strong_filter(image: Image.Image, _seed: int) -> Image.Image:
    """A preset of photo apps: contrast, deep colours, a warm cast, smooth skin, dark corners."""
    smooth = image.filter(ImageFilter.SMOOTH_MORE)
    strong = ImageEnhance.Color(ImageEnhance.Contrast(smooth).enhance(1.35)).enhance(1.7)
    down, across = np.mgrid[-1 : 1 : image.height * 1j, -1 : 1 : image.width * 1j].astype(np.float32)
    shade = 1 - 0.45 * np.clip(down**2 + across**2 - 0.4, 0, 1)
    pixels = np.asarray(strong, dtype=np.float32) * np.array([1.08, 1.0, 0.86], dtype=np.float32) * shade[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def screenshot(image: Image.Image, seed: int) -> Image.Image:
    """The picture as an app shows it on a phone: status bar, a name, the picture, buttons and a comment."""
    draw = random.Random(seed)
    width, height = 540, 1080
    dark = draw.random() < 0.5
    ground, ink = ((18, 18, 20), (235, 235, 235)) if dark else ((255, 255, 255), (20, 20, 20))
    screen = Image.new("RGB", (width, height), ground)
    shown = ImageOps.contain(image, (width, 780))
    screen.paste(shown, ((width - shown.width) // 2, 130))
    pen = ImageDraw.Draw(screen)
    pen.text((18, 10), f"{draw.randrange(24):02d}:{draw.randrange(60):02d}", ink, ImageFont.load_default(22))
    pen.rectangle((470, 14, 515, 32), outline=ink, width=2)
    pen.ellipse((18, 62, 70, 114), fill=(draw.randrange(256), draw.randrange(256), draw.randrange(256)))
    pen.text((84, 74), f"{_sentence(draw, 1)}_{draw.randrange(1000)}", ink, ImageFont.load_default(24))
    below = 130 + shown.height + 16
    for place in range(3):
        pen.ellipse((18 + 56 * place, below, 56 + 56 * place, below + 38), outline=ink, width=3)
    pen.text((18, below + 54), _sentence(draw, 6), ink, ImageFont.load_default(22))
    return screen


def meme(image: Image.Image, seed: int) -> Image.Image:
    """Large white words with a black edge at the top and the bottom."""
    draw = random.Random(seed)
    out = image.copy()
    pen = ImageDraw.Draw(out)
    size = max(10, image.width // 14)
    font = ImageFont.load_default(size)
    for down in (0.02, 0.98 - 1.2 * size / image.height):
        text = _sentence(draw, 3).upper()
        left = max(0, round((image.width - pen.textlength(text, font)) / 2))
        pen.text((left, round(image.height * down)), text, "white", font, stroke_width=max(1, size // 14), stroke_fill="black")
    return out


CHANGES: dict[str, Change] = {
    "plain": plain,
    "night": night,
    "hdr": hdr,
    "black_and_white": black_and_white,
    "blurred": blurred,
    "upscaled2": partial(upscaled, factor=2),
    "upscaled4": partial(upscaled, factor=4),
    "strong_filter": strong_filter,
    "screenshot": screenshot,
    "meme": meme,
}


def _linear(image: Image.Image) -> Floats:
    """sRGB picture → linear light [H, W, 3] of 0 to 1 (IEC 61966-2-1)."""
    values = np.asarray(image, dtype=np.float32) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _picture(linear: Floats) -> Image.Image:
    light = np.clip(linear, 0, 1)
    values = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return Image.fromarray(np.rint(values * 255).astype(np.uint8))


def _blurred(values: Floats, radius_px: float) -> Floats:
    """[H, W] without what is smaller than `radius_px`: made small and large again."""
    height, width = values.shape
    small = (max(2, round(width / radius_px)), max(2, round(height / radius_px)))
    coarse = Image.fromarray(values).resize(small, Image.Resampling.BOX)
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)


def _sentence(draw: random.Random, words: int) -> str:
    all_words = SENTENCE.split()
    start = draw.randrange(len(all_words) - words)
    return " ".join(all_words[start : start + words])
