"""Untrusted bytes → pixels, or an `ImageError`; never another exception, never unbounded memory.

The header is judged before a pixel is decoded: a 30,000 x 30,000 picture costs nothing. What a viewer would show is what is
judged, so the EXIF orientation and an embedded ICC profile are applied and transparency is laid on a ground. Everything else
in the file (metadata, appended bytes, the container's order) is dropped before decoding and cannot reach a model. No warning
filter is touched: `warnings.catch_warnings` is not safe in threads, and of what is left nothing warns below PIL's own limit.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from pellucid.base import exif
from pellucid.base.containers import accepted_format, claimed_size, refused_format
from pellucid.base.errors import BrokenImage, EmptyBody, ImageError, ImageTooSmall, NotAnImage, TooManyPixels, UnsupportedFormat
from pellucid.base.essentials import FIRST_FRAME, MAX_PROFILE_BYTES, essentials

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
WHITE = (255, 255, 255)

# EXIF 3.0, tag 0x0112: what must be done to the stored pixels so that they stand upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Limits:
    """What is decoded at all. Sides and areas in pixels; above 178,956,970 pixels PIL itself refuses, whatever stands here."""

    max_pixels: int = 64_000_000
    max_side: int = 20_000
    min_side: int = 16


@dataclass(frozen=True)
class Picture:
    """A decoded picture: `image` is 8-bit RGB as a viewer would show it; width and height are those of `image`.

    `alpha` is the transparency of a file with four channels, as stored: some programs write into its lowest bits.
    `pdq` is (hash, quality) where it was asked for before (`analyse/facts.py`).
    """

    image: Image.Image
    sha256: str
    format: str
    bytes: int
    notes: tuple[str, ...]
    alpha: Image.Image | None = None
    pdq: tuple[str, int] | None = None

    @property
    def width(self) -> int:
        return self.image.width

    @property
    def height(self) -> int:
        return self.image.height


# `decode`, or one that has it done elsewhere (`analyse/fenced.py`).
Decode = Callable[[bytes, Limits], Picture]


def decode(data: bytes, limits: Limits | None = None, ground: tuple[int, int, int] = WHITE) -> Picture:
    """The picture in `data`; transparency is laid on `ground`. Safe to call from threads.

    Raises `EmptyBody`, `NotAnImage`, `UnsupportedFormat`, `BrokenImage`, `TooManyPixels` or `ImageTooSmall`.
    """
    limits = limits or Limits()
    picture_format = check(data, limits)
    image, alpha, notes = decode_pixels(data, picture_format, limits, ground)
    return Picture(image, hashlib.sha256(data).hexdigest(), picture_format, len(data), tuple(notes), alpha)


def check(data: bytes, limits: Limits) -> str:
    """The format that the first bytes name, if it is one we take and of a size we take; nothing is decoded.

    Raises `EmptyBody`, `NotAnImage`, `UnsupportedFormat`, `TooManyPixels` or `ImageTooSmall`.
    """
    return _header(data, limits)[0]


def claimed_pixels(data: bytes, limits: Limits) -> int:
    """How many pixels `decode` may come to hold; as many as are allowed where the header does not say. Raises as `check`."""
    _, size = _header(data, limits)
    return size[0] * size[1] if size else limits.max_pixels


def _header(data: bytes, limits: Limits) -> tuple[str, tuple[int, int] | None]:
    """(format, claimed width and height) of a picture that may be decoded."""
    if not data:
        raise EmptyBody("the file holds no bytes; send a picture")
    picture_format = accepted_format(data)
    if picture_format is None:
        raise _why_not(data)
    size = claimed_size(data, picture_format)
    if size:
        _check_size(size, limits)
    return picture_format, size


def _why_not(data: bytes) -> NotAnImage | UnsupportedFormat:
    """Tell a picture of a kind we refuse from something that is no picture."""
    accepted = "send " + ", ".join(FORMATS)
    refused = refused_format(data)
    if refused == "HEIC":
        return UnsupportedFormat(f"HEIC is not accepted (its decoders are not permissively licensed); {accepted}")
    if refused:
        return UnsupportedFormat(f"{refused} is not accepted; {accepted}")
    return NotAnImage(f"the bytes are not a picture; {accepted}")


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        allowed = f"allowed are {limits.max_pixels} pixels and {limits.max_side} a side"
        raise TooManyPixels(f"the picture is {width} x {height}; {allowed}; send a smaller one")
    if min(width, height) < limits.min_side:
        raise ImageTooSmall(f"the picture is {width} x {height}; at least {limits.min_side} pixels a side are needed")


def _check_claim(size: tuple[int, int], claimed: tuple[int, int] | None) -> None:
    """A second header may name another size, and room was asked for the first."""
    if claimed and size[0] * size[1] > claimed[0] * claimed[1]:
        raise BrokenImage(f"the picture is {size[0]} x {size[1]}, and its header says {claimed[0]} x {claimed[1]}; save it anew")


def decode_pixels(
    data: bytes, picture_format: str, limits: Limits, ground: tuple[int, int, int] = WHITE
) -> tuple[Image.Image, Image.Image | None, list[str]]:
    """(8-bit RGB, alpha as stored, notes) of what `check` has let pass. Raises `ImageError`.

    PIL does not say what its decoders raise on hostile bytes: here, and only here, every exception is the file's fault.
    """
    try:
        needed = essentials(data, picture_format)
        with Image.open(io.BytesIO(needed.data), formats=(picture_format,)) as opened:
            _check_size(opened.size, limits)
            _check_claim(opened.size, claimed_size(data, picture_format))
            notes = [*needed.notes, *_animation(opened)]
            opened.load()
            turn = needed.orientation if needed.orientation is not None else exif.orientation(opened.info.get("exif", b""))
            profile = needed.profile if needed.profile is not None else opened.info.get("icc_profile", b"")
            alpha = opened.getchannel("A") if opened.mode == "RGBA" else None
            return _to_rgb(opened, turn, profile, ground, notes), alpha, notes
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels("a frame of the picture has more pixels than can be decoded; send a smaller picture") from error
    except MemoryError as error:
        raise TooManyPixels("the picture needs more memory than there is; send a smaller one") from error
    except UnidentifiedImageError as error:
        raise BrokenImage(f"the file begins like {picture_format} but its header cannot be read; send the whole file") from error
    except Exception as error:
        raise BrokenImage(f"the picture cannot be decoded: {error}") from error


def _animation(opened: Image.Image) -> list[str]:
    """WebP and AVIF know their frames from the header; PNG and GIF come here with one."""
    return [FIRST_FRAME] if getattr(opened, "n_frames", 1) > 1 else []


def _to_rgb(image: Image.Image, turn: int, profile: bytes, ground: tuple[int, int, int], notes: list[str]) -> Image.Image:
    """8-bit RGB as a viewer shows it; what was done is added to `notes`."""
    if image.mode.startswith("I"):
        image = _eight_bit(image)
    if image.has_transparency_data:
        image = _on_ground(image, ground)
        notes.append("transparency laid on white" if ground == WHITE else "transparency laid on a plain ground")
    if profile:
        image, applied = _to_srgb(image, profile)
        notes.append("embedded colour profile applied" if applied else "embedded colour profile could not be used")
    image = image.convert("RGB")
    if turn in _UPRIGHT:
        image = image.transpose(_UPRIGHT[turn])
        notes.append("EXIF orientation applied")
    return image


def _eight_bit(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, the only such mode PIL keeps; of 16-bit colour it already took the high bytes."""
    values = np.asarray(image, dtype=np.float32)
    return Image.fromarray(np.clip(values * (255.0 / 65535.0), 0, 255).astype(np.uint8))


def _on_ground(image: Image.Image, ground: tuple[int, int, int]) -> Image.Image:
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (*ground, 255)), layer).convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes) -> tuple[Image.Image, bool]:
    """Apply the embedded profile; one that cannot be used is ignored, as viewers do."""
    if image.mode not in ("RGB", "CMYK", "L"):
        image = image.convert("RGB")
    if len(profile) > MAX_PROFILE_BYTES:
        return image, False
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image, False
    return converted or image, True
