"""Pictures with marks in their pixels: such as the real library wrote, and parameters hidden in the lowest bits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.pictures import saved, scene

# Drawn scenes of 256 x 256, marked by `invisible-watermark` 0.2.0 (OpenCV 5.0.0, PyWavelets 1.9.0) and saved as lossless WebP.
WATERMARKED = Path(__file__).parent / "analyse" / "watermarked"
SAMPLED = json.dumps({"prompt": "a dog", "steps": 28, "sampler": "k_euler", "seed": 1})


def watermarked(name: str) -> bytes:
    return (WATERMARKED / f"{name.lower().replace(' ', '-')}.webp").read_bytes()


def hidden(signature: bytes, body: bytes, where: str = "alpha") -> bytes:
    """A PNG with `body` in the lowest bits of alpha or of colour, down the columns."""
    bits = np.unpackbits(np.frombuffer(signature + (len(body) * 8).to_bytes(4, "big") + body, dtype=np.uint8))
    pixels = np.array(scene(96, 64).convert("RGBA" if where == "alpha" else "RGB"))
    part = (pixels[..., 3:] if where == "alpha" else pixels).swapaxes(0, 1)
    flat = part.reshape(-1) & 0xFE
    flat[: len(bits)] |= bits[: len(flat)]
    part[...] = flat.reshape(part.shape)
    return saved(Image.fromarray(pixels), "PNG")
