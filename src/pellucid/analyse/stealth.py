"""Parameters that generators hide in the lowest bits of a picture ("stealth PNG info"): NovelAI in alpha, others also in colour.

    column by column, a bit a value:  signature of 15 letters ─ length in bits (32, big-endian) ─ text, plain or gzip

Source: the formats `stealth_pnginfo`, `stealth_pngcomp`, `stealth_rgbinfo` and `stealth_rgbcomp` as NovelAI and extensions of
AUTOMATIC1111 write them. The signature is 120 bits, so none is met by chance; anyone can write it, so it is a claim.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pellucid.analyse.claims_text import Claim
from pellucid.base.pixels import Picture

MAX_TEXT_BYTES = 256 << 10
_SIGNATURE_BYTES, _LENGTH_BYTES = 15, 4
_GZIP = 31
# The formats that keep the lowest bits; a lossy WebP keeps those of alpha.
_EXACT = ("PNG", "WEBP")


def stealth_claims(picture: Picture) -> Iterator[Claim]:
    """What is hidden in alpha or in colour, if anything."""
    if picture.format not in _EXACT:
        return
    hidden = [("alpha", picture.alpha), ("rgb", picture.image)]
    for where, image in hidden:
        if image is not None and (text := _text(image, b"stealth_png" if where == "alpha" else b"stealth_rgb")) is not None:
            yield Claim(f"{where}:stealth", "generated", text)


def _text(image: Image.Image, start: bytes) -> str | None:
    """The hidden text, empty where it is damaged; None where there is no signature."""
    head = _low_bits(image, _SIGNATURE_BYTES + _LENGTH_BYTES)
    signature, length = head[:_SIGNATURE_BYTES], int.from_bytes(head[_SIGNATURE_BYTES:], "big") // 8
    if signature not in (start + b"info", start + b"comp"):
        return None
    body = _low_bits(image, len(head) + min(length, MAX_TEXT_BYTES))[len(head) :]
    if signature.endswith(b"comp"):
        try:
            body = zlib.decompressobj(_GZIP).decompress(body, MAX_TEXT_BYTES)
        except zlib.error:
            body = b""
    return body.decode("utf-8", "replace")


def _low_bits(image: Image.Image, count: int) -> bytes:
    """`count` bytes made of the lowest bits, down the columns from the left; fewer where the picture ends."""
    values = image.height * len(image.getbands())
    columns = min(image.width, -(-count * 8 // values))
    pixels: NDArray[np.uint8] = np.asarray(image.crop((0, 0, columns, image.height)))
    return np.packbits(pixels.swapaxes(0, 1).reshape(-1) & 1).tobytes()[:count]
