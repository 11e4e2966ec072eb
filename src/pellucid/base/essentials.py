"""What of a file its pixels need, and nothing else: no comment, text, EXIF block or second picture reaches the decoder.

PIL reads such parts before it is asked for the pixels. Measured with PIL 13: a text or profile that unpacks to 96 MB refused a
whole PNG, a GIF comment of 1 MB in one-byte blocks took 41 MiB, a hostile EXIF block warned 5,000 times.
Dropping them makes a promise simple: what surrounds the pixels cannot change the answer.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from pellucid.base import containers, exif
from pellucid.base.containers import Part
from pellucid.base.errors import BrokenImage, UnsupportedFormat

# djpeg's own advice is to stop at some hundred scans; encoders write about ten. Each scan costs a pass over all blocks.
MAX_SCANS = 100
MAX_PROFILE_BYTES = 4 << 20
FIRST_FRAME = "animated: the first frame was judged"

_JFIF, _EXIF, _ICC, _MPF, _ADOBE = b"JFIF\0", b"Exif\0\0", b"ICC_PROFILE\0", b"MPF\0", b"Adobe"
_PNG_PIXELS = frozenset(("IHDR", "PLTE", "tRNS", "IDAT", "IEND"))
_AVIF_EXIF_ITEM = re.compile(rb"(infe[\x02\x03].{3}.{4}(?:.{2})?)Exif", re.DOTALL)


@dataclass(frozen=True)
class Essentials:
    """`data` for the decoder; `orientation` as EXIF numbers it; the raw ICC `profile`; `notes` on what was left out.

    None stands for "ask the decoder", which reads these two of WebP and AVIF without unpacking them.
    """

    data: bytes
    orientation: int | None = None
    profile: bytes | None = None
    notes: tuple[str, ...] = ()


def essentials(data: bytes, picture_format: str) -> Essentials:
    """Raises `BrokenImage` where the file's structure ends before its pixels, `UnsupportedFormat` for rare kinds of JPEG."""
    return _BY_FORMAT[picture_format](data)


def _jpeg(data: bytes) -> Essentials:
    parts = list(containers.jpeg_parts(data))
    if not parts or parts[-1].name != "da":
        raise BrokenImage("the JPEG ends or is damaged before its pixels begin; send the whole file")
    scans, end = containers.jpeg_scans(data, parts[-1].start, MAX_SCANS)
    if scans > MAX_SCANS:
        raise BrokenImage(f"the JPEG has more than {MAX_SCANS} scans; save it anew")
    _check_jpeg_kind(parts)
    kept = b"".join(part.whole for part in parts[:-1] if _jpeg_needs(part))
    block = next((part.payload for part in parts if part.name == "e1" and part.payload.startswith(_EXIF)), b"")
    several = any(part.name == "e2" and part.payload.startswith(_MPF) for part in parts)
    return Essentials(
        data=data[:2] + kept + data[parts[-1].start : end],
        orientation=exif.orientation(block),
        profile=_jpeg_profile(parts) or b"",
        notes=("the file holds more than one picture: the first was judged",) if several else (),
    )


def _check_jpeg_kind(parts: list[Part]) -> None:
    frame = next((part for part in parts if int(part.name, 16) in containers.JPEG_SOF), None)
    if frame and frame.payload[:1] not in (b"\x08", b""):
        raise UnsupportedFormat(f"a JPEG of {frame.payload[0]} bits a channel is not accepted; save it with 8")


def _jpeg_needs(part: Part) -> bool:
    """Tables and frame headers; of the application segments those two that tell libjpeg the colour space."""
    if part.name == "e0":
        return part.payload.startswith(_JFIF) and len(part.payload) >= 14
    if part.name == "ee":
        return part.payload.startswith(_ADOBE) and len(part.payload) >= 12
    return not (part.name.startswith("e") or part.name == "fe")


def _jpeg_profile(parts: list[Part]) -> bytes | None:
    """The ICC profile joined from its numbered pieces (ICC.1 annex B.4), None where one is missing."""
    bodies = [part.payload[len(_ICC) :] for part in parts if part.name == "e2" and part.payload.startswith(_ICC)]
    pieces = {body[0]: body[2:] for body in bodies if len(body) > 2}
    if sorted(pieces) != list(range(1, len(pieces) + 1)):
        return None
    profile = b"".join(pieces[number] for number in sorted(pieces))
    return profile if len(profile) <= MAX_PROFILE_BYTES else None


def _png(data: bytes) -> Essentials:
    parts = list(containers.png_parts(data))
    after = parts[-1].end if parts else len(containers.PNG_SIGNATURE)
    cut = data[after:] if data[after + 4 : after + 8] == b"IDAT" else b""
    first = {part.name: part for part in reversed(parts)}
    notes = []
    if "acTL" in first and "IDAT" in first and first["acTL"].start < first["IDAT"].start:
        notes.append(FIRST_FRAME)
    if "IHDR" in first and first["IHDR"].payload[8:9] == b"\x10":
        notes.append("16 bits a channel reduced to 8")
    return Essentials(
        data=containers.PNG_SIGNATURE + b"".join(part.whole for part in parts if part.name in _PNG_PIXELS) + cut,
        orientation=exif.orientation(first["eXIf"].payload) if "eXIf" in first else 1,
        profile=_png_profile(first["iCCP"].payload) if "iCCP" in first else b"",
        notes=tuple(notes),
    )


def _png_profile(payload: bytes) -> bytes:
    """The unpacked profile; bytes that are no profile where it is damaged or too large, so that it is said to be unusable."""
    _, _, packed = payload.partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return b"damaged"
    return profile if unpacker.eof else b"too large"


def _gif(data: bytes) -> Essentials:
    """The screen, the first frame and the control block before it; what follows is only asked whether there is another frame."""
    control, frame, more = b"", None, False
    for part in containers.gif_parts(data):
        if part.name == "2c":
            more = frame is not None
            frame = frame or part
        elif part.name == "21f9" and frame is None:
            control = part.whole
        if more:
            break
    if frame is None:
        raise BrokenImage("the GIF ends or is damaged before its first frame does; send the whole file")
    head = data[: 13 + containers.gif_palette_bytes(data[10:11])]
    return Essentials(head + control + frame.whole + b";", 1, b"", (FIRST_FRAME,) if more else ())


def _avif(data: bytes) -> Essentials:
    """Rename EXIF items so that the decoder passes them over; AVIF's own rotation is a property of the picture and stays."""
    return Essentials(_AVIF_EXIF_ITEM.sub(rb"\1skip", data))


_BY_FORMAT: dict[str, Callable[[bytes], Essentials]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "AVIF": _avif,
    "WEBP": Essentials,
}
