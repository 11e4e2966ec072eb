"""Untrusted bytes → pixels, or an `ImageError`; never another exception, never unbounded memory.

The header is judged before a pixel is decoded: a 30,000 x 30,000 picture costs nothing. What a viewer would show is what is
judged, so the EXIF orientation and an embedded ICC profile are applied and transparency is laid on a ground. Everything else
in the file (metadata, appended bytes, the container's order) is dropped here and cannot reach a model.
"""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from pellucid.base.errors import BrokenImage, EmptyBody, ImageTooSmall, NotAnImage, TooManyPixels, UnsupportedFormat

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
WHITE = (255, 255, 255)

# What PIL raises on hostile bytes, over all its decoders; anything else is a bug of ours that fuzzing must show.
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, struct.error, zlib.error, OverflowError)


@dataclass(frozen=True)
class Limits:
    """What is decoded at all. Sides and areas in pixels."""

    max_pixels: int = 64_000_000
    max_side: int = 20_000
    min_side: int = 16


@dataclass(frozen=True)
class Picture:
    """A decoded picture: `image` is 8-bit RGB as a viewer would show it; width and height are those of `image`."""

    image: Image.Image
    sha256: str
    format: str
    bytes: int
    notes: tuple[str, ...]

    @property
    def width(self) -> int:
        return self.image.width

    @property
    def height(self) -> int:
        return self.image.height


def decode(data: bytes, limits: Limits | None = None, ground: tuple[int, int, int] = WHITE) -> Picture:
    """The picture in `data`; transparency is laid on `ground`.

    Raises `EmptyBody`, `NotAnImage`, `UnsupportedFormat`, `BrokenImage`, `TooManyPixels` or `ImageTooSmall`.
    """
    limits = limits or Limits()
    if not data:
        raise EmptyBody("the file holds no bytes; send a picture")
    with warnings.catch_warnings():
        # PIL warns of odd EXIF and of large pictures; both are judged below.
        warnings.simplefilter("ignore")
        opened = _open(data)
        _check_size(opened, limits)
        notes = _frame_notes(opened)
        image, more = _to_rgb(opened, ground)
    return Picture(image, hashlib.sha256(data).hexdigest(), str(opened.format), len(data), tuple(notes + more))


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise TooManyPixels(str(error)) from error
    except UnidentifiedImageError as error:
        raise _why_not(data) from error
    except _DECODER_ERRORS as error:
        raise BrokenImage(f"the header is damaged: {error}") from error


def _why_not(data: bytes) -> NotAnImage | UnsupportedFormat | BrokenImage:
    """Tell a picture of a kind we refuse, or a damaged one, from something that is no picture."""
    accepted = "send " + ", ".join(FORMATS)
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1"):
        return UnsupportedFormat(f"HEIC is not accepted (its decoders are not permissively licensed); {accepted}")
    if data.startswith((b"II*\0", b"MM\0*", b"BM", b"8BPS", b"<svg", b"\0\0\1\0", b"%PDF")):
        return UnsupportedFormat(f"this format is not accepted; {accepted}")
    if data.startswith((b"\xff\xd8", b"\x89PNG", b"GIF8")) or data[8:12] in (b"WEBP", b"avif"):
        return BrokenImage("the file begins like a picture but its header cannot be read")
    return NotAnImage(f"the bytes are not a picture; {accepted}")


def _check_size(opened: Image.Image, limits: Limits) -> None:
    width, height = opened.size
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise TooManyPixels(
            f"the picture is {width} x {height}; allowed are {limits.max_pixels} pixels and {limits.max_side} a side; send a smaller one"
        )
    if min(width, height) < limits.min_side:
        raise ImageTooSmall(f"the picture is {width} x {height}; at least {limits.min_side} pixels a side are needed")


def _frame_notes(opened: Image.Image) -> list[str]:
    frames = getattr(opened, "n_frames", 1)
    return [f"animated: the first of {frames} frames was judged"] if frames > 1 else []


def _to_rgb(opened: Image.Image, ground: tuple[int, int, int]) -> tuple[Image.Image, list[str]]:
    notes: list[str] = []
    try:
        opened.load()
        profile = opened.info.get("icc_profile")
        image = ImageOps.exif_transpose(opened)
        if image.size != opened.size or image is not opened and opened.getexif().get(0x0112, 1) != 1:
            notes.append("EXIF orientation applied")
        image, more = _eight_bit(image)
        notes += more
        image, more = _on_ground(image, ground)
        notes += more
        if profile:
            image, more = _to_srgb(image, profile)
            notes += more
        return image.convert("RGB"), notes
    except Image.DecompressionBombError as error:
        raise TooManyPixels(str(error)) from error
    except MemoryError as error:
        raise TooManyPixels("the picture needs more memory than there is") from error
    except _DECODER_ERRORS as error:
        raise BrokenImage(f"the picture cannot be decoded: {error}") from error


def _eight_bit(image: Image.Image) -> tuple[Image.Image, list[str]]:
    if not image.mode.startswith(("I", "F")):
        return image, []
    values = np.asarray(image, dtype=np.float32)
    top = 65535.0 if image.mode.startswith("I") else max(float(values.max(initial=1.0)), 1.0)
    scaled = np.clip(values * (255.0 / top), 0, 255).astype(np.uint8)
    return Image.fromarray(scaled), ["16 bits a channel reduced to 8"]


def _on_ground(image: Image.Image, ground: tuple[int, int, int]) -> tuple[Image.Image, list[str]]:
    if not image.has_transparency_data:
        return image, []
    layer = image.convert("RGBA")
    canvas = Image.new("RGBA", layer.size, (*ground, 255))
    name = "white" if ground == WHITE else "a plain ground"
    return Image.alpha_composite(canvas, layer).convert("RGB"), [f"transparency laid on {name}"]


def _to_srgb(image: Image.Image, profile: bytes) -> tuple[Image.Image, list[str]]:
    """Apply the embedded profile; one that cannot be used is ignored and said so, as viewers do."""
    if image.mode not in ("RGB", "CMYK", "L"):
        image = image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image, ["embedded colour profile could not be used"]
    return converted or image, ["embedded colour profile applied"]
