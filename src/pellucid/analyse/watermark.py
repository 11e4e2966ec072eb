"""The open watermarks of Stable Diffusion and FLUX, read from the pixels: `invisible-watermark`'s method "dwtDct".

Its encoder (Wang, 2021, MIT) takes the chroma plane U, halves it by a Haar wavelet, and in every block of 4 x 4 values moves the
largest but the first so that it lies in the upper or lower half of a step of 36: one bit a block, the message again and again.

    picture → U → Haar → blocks → bits ─ a column a place in the message ─ places that should be 1 against those of 0

The library's own decoder takes a majority at every place, and where a picture's chroma is smooth that loses bits even of a
clean file. Here all places are judged at once by a t-test, which the message must win by far (docs/claims.md has the figures).
Anyone can write these bits into any picture, so a match is a claim. Resizing, cropping and JPEG below about 98 destroy it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pellucid.records.report import Evidence

Bits = NDArray[np.uint8]

STEP = 36
BLOCK = 4
BLOCK_SIDE_PX = 2 * BLOCK
STRIP_PX = 16 * BLOCK_SIDE_PX
# The encoder refuses less, and this much tells a message for sure: 1 Mpx of the picture's top.
MIN_PIXELS, MAX_BLOCKS = 256 * 256, 1 << 14
# Standard errors between ones and zeros. docs/claims.md: the most that any real picture reached, and what marked ones do.
ENOUGH = 10.0
_LEAST_VARIANCE = 1e-4


def _of_text(text: str) -> Bits:
    return np.unpackbits(np.frombuffer(text.encode(), dtype=np.uint8))


def _of_number(number: int) -> Bits:
    """As the generators' own scripts make it, without leading zeros."""
    return np.array([int(bit) for bit in f"{number:b}"], dtype=np.uint8)


# (source, generator) → message, from the public scripts of CompVis, Stability AI and Black Forest Labs.
MESSAGES: Mapping[tuple[str, str], Bits] = {
    ("watermark:stable-diffusion", "Stable Diffusion 1"): _of_text("StableDiffusionV1"),
    ("watermark:stable-diffusion", "Stable Diffusion 2"): _of_text("SDV2"),
    ("watermark:stable-diffusion", "Stable Diffusion XL"): _of_number(0xB3EC907BB19E),
    ("watermark:flux", "FLUX"): _of_number(0x2AFE879CF52E),
}


def watermarks_in(image: Image.Image) -> Iterator[Evidence]:
    """A claim for each known message that an RGB picture, in its own size, carries."""
    if image.width * image.height < MIN_PIXELS or min(image.size) < BLOCK_SIDE_PX:
        return
    bits = block_bits(image)
    for (source, name), message in MESSAGES.items():
        if (score := agreement(bits, message)) >= ENOUGH:
            detail = f"the message of {name}, {score:.0f} standard errors clear of chance ({ENOUGH:.0f} are asked)"
            yield Evidence(kind="claim", source=source, says="generated", state="unsigned", detail=detail)


def block_bits(image: Image.Image) -> Bits:
    """RGB picture → the bit [n] of every block, by rows; of the top rows only where there are more than `MAX_BLOCKS`."""
    across = image.width // BLOCK_SIDE_PX
    down = min(image.height // BLOCK_SIDE_PX, MAX_BLOCKS // across)
    pixels = np.asarray(image.crop((0, 0, across * BLOCK_SIDE_PX, down * BLOCK_SIDE_PX)))
    strips = range(0, len(pixels), STRIP_PX)  # a strip's arrays stay in the processor's cache
    return np.concatenate([_strip_bits(pixels[top : top + STRIP_PX], across) for top in strips])


def _strip_bits(pixels_hwc: NDArray[np.uint8], across: int) -> Bits:
    chroma = _chroma(pixels_hwc)
    rows = chroma[0::2] + chroma[1::2]
    twice = (rows[:, 0::2] + rows[:, 1::2]).reshape(-1, BLOCK, across, BLOCK)  # Haar's low band is half of this
    largest = np.maximum(twice[:, 0, :, 1:].max(axis=-1), twice[:, 1:].max(axis=(1, 3)))
    return np.asarray(largest % (2 * STEP) > STEP, dtype=np.uint8).reshape(-1)


def agreement(bits: Bits, message: Bits) -> float:
    """How many standard errors the places where `message` [k] has a 1 lie above those where it has a 0 (Student's t).

    Places and not blocks are counted: what a picture itself does to its bits, it does to places of either kind.
    """
    whole = len(bits) // len(message) * len(message)
    shares = bits[:whole].reshape(-1, len(message)).mean(axis=0)
    ones, zeros = shares[message == 1], shares[message == 0]
    variance = (ones.var() * len(ones) + zeros.var() * len(zeros)) / (len(message) - 2)
    error = np.sqrt(max(variance, _LEAST_VARIANCE) * (1 / len(ones) + 1 / len(zeros)))
    return float((ones.mean() - zeros.mean()) / error)


def _chroma(pixels_hwc: NDArray[np.uint8]) -> NDArray[np.int32]:
    """U of YUV in the 14-bit whole numbers of OpenCV, with which these marks are written."""
    red, green, blue = (pixels_hwc[..., channel].astype(np.int32) for channel in range(3))
    luma = (red * 4899 + green * 9617 + blue * 1868 + (1 << 13)) >> 14
    blue -= luma
    blue *= 8061
    blue += (128 << 14) + (1 << 13)
    blue >>= 14
    return np.clip(blue, 0, 255, out=blue)
