"""The parts a picture file is made of, read without decoding a pixel: what kind it is, how large, what lies beside the pixels.

Walks are lazy, bounded and total: on damaged bytes they end early, they never raise. Sources: ITU-T T.81 annex B (JPEG),
PNG third edition, RFC 9649 (WebP), GIF89a, ISO/IEC 23008-12 (HEIF, AVIF).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

MAX_PARTS = 4096
MAX_CHUNKS = 1 << 16
MAX_SUB_BLOCKS = 1 << 18
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
SOS, EOI, SOI = 0xDA, 0xD9, 0xD8

_REFUSED_BY_START = {
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
    b"8BPS": "Photoshop",
    b"\0\0\1\0": "ICO",
    b"%PDF": "PDF",
    b"<svg": "SVG",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"qoif": "QOI",
}
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_VIDEO_BRANDS = (b"isom", b"mp41", b"mp42", b"qt  ", b"M4V ", b"iso5", b"iso6", b"avc1", b"3gp4", b"3gp5")
_ISPE = re.compile(rb"ispe\0\0\0\0(.{4})(.{4})", re.DOTALL)
# What follows the marker byte of a JPEG that is neither stuffing, fill nor restart.
_FILL = re.compile(rb"\xff+")
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")


@dataclass(frozen=True)
class Part:
    """One part of a file: `name` is a PNG or RIFF chunk's, or the hex digits of a JPEG marker or GIF block."""

    name: str
    source: bytes
    start: int
    end: int
    body_start: int
    body_end: int

    @property
    def payload(self) -> bytes:
        """Without length, name and checksum; a copy, so ask only for what is needed."""
        return self.source[self.body_start : self.body_end]

    @property
    def whole(self) -> bytes:
        return self.source[self.start : self.end]


def accepted_format(data: bytes) -> str | None:
    """The accepted format that the first bytes name, by PIL's names, or None."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(PNG_SIGNATURE):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    return "AVIF" if _brands(data) & {b"avif", b"avis"} else None


def refused_format(data: bytes) -> str | None:
    """The name of a picture or video format that is known here and not accepted, or None."""
    brands = _brands(data)
    if brands & set(_HEIC_BRANDS):
        return "HEIC"
    if brands & set(_VIDEO_BRANDS):
        return "a video"
    start = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<?xml") and b"<svg" in data[:4096]:
        return "SVG"
    return next((name for magic, name in _REFUSED_BY_START.items() if data.startswith(magic) or start.startswith(magic)), None)


def claimed_size(data: bytes, picture_format: str) -> tuple[int, int] | None:
    """(width, height) in pixels as the header claims, None where it cannot be read. For AVIF the largest of all its items."""
    if picture_format == "PNG" and len(data) >= 24:
        return _pair(">II", data[16:24])
    if picture_format == "GIF" and len(data) >= 10:
        return _gif_size(data)
    if picture_format == "JPEG":
        frames = (part.payload[:5] for part in jpeg_parts(data) if int(part.name, 16) in JPEG_SOF)
        sizes = [_pair(">HH", payload[1:5])[::-1] for payload in frames if len(payload) == 5]
        return (sizes[0][0], sizes[0][1]) if sizes else None
    if picture_format == "WEBP":
        return _webp_size(data)
    if picture_format == "AVIF":
        items = [_pair(">II", b"".join(found.groups())) for found in islice(_ISPE.finditer(data), MAX_PARTS)]
        return max(items, key=lambda size: size[0] * size[1], default=None)
    return None


def jpeg_parts(data: bytes) -> Iterator[Part]:
    """The segments before the first scan, that scan's header last."""
    at = 2
    for _ in range(MAX_PARTS):
        fill = _FILL.match(data, at)
        if not fill or len(data) < fill.end() + 3:
            return
        start, marker = fill.end() - 1, data[fill.end()]
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        if marker in (0x00, 0x01, SOI, EOI) or 0xD0 <= marker <= 0xD7 or end < start + 4 or end > len(data):
            return
        yield Part(f"{marker:02x}", data, start, end, start + 4, end)
        if marker == SOS:
            return
        at = end


def jpeg_scans(data: bytes, start: int, at_most: int) -> tuple[int, int]:
    """(scans, end): the scans from the scan header at `start` on, counted to one over `at_most`, and where the picture ends."""
    scans, at = 0, start
    for _ in range(MAX_PARTS):
        found = _MARKER.search(data, at)
        if not found:
            return scans, len(data)
        if found[1][0] == EOI:
            return scans, found.end()
        scans += found[1][0] == SOS
        if scans > at_most:
            break
        at = found.end() + max(int.from_bytes(data[found.end() : found.end() + 2], "big"), 2)
    return at_most + 1, len(data)


def png_parts(data: bytes) -> Iterator[Part]:
    """The chunks, their checksums unread."""
    at = len(PNG_SIGNATURE)
    for _ in range(MAX_CHUNKS):
        if at + 12 > len(data):
            return
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data) or not name.isalpha():
            return
        yield Part(name.decode("ascii"), data, at, end, at + 8, end - 4)
        if name == b"IEND":
            return
        at = end


def webp_parts(data: bytes) -> Iterator[Part]:
    """The RIFF chunks of a WebP, as far as its RIFF header says that it goes."""
    at, file_end = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    for _ in range(MAX_PARTS):
        if at + 8 > file_end:
            return
        name, length = struct.unpack_from("<4sI", data, at)
        body_end = at + 8 + length
        if body_end > file_end:
            return
        yield Part(name.decode("latin-1"), data, at, body_end + length % 2, at + 8, body_end)
        at = body_end + length % 2


def gif_parts(data: bytes) -> Iterator[Part]:
    """The blocks after the palette: `21f9` and the like for extensions, `2c` for a frame. Bodies keep their sub-block lengths."""
    at, blocks_left = 13 + gif_palette_bytes(data[10:11]), MAX_SUB_BLOCKS
    while blocks_left > 0 and at + 3 <= len(data):
        extension = data[at] == 0x21
        if not extension and data[at] != 0x2C:
            return
        body_start = at + 2 if extension else at + 11 + gif_palette_bytes(data[at + 9 : at + 10])
        end = body_start
        while blocks_left > 0 and end < len(data) and data[end]:
            end += 1 + data[end]
            blocks_left -= 1
        blocks_left -= 1
        if end >= len(data) or blocks_left <= 0:
            return
        yield Part(data[at : at + 2].hex() if extension else "2c", data, at, end + 1, body_start, end)
        at = end + 1


def gif_palette_bytes(flags: bytes) -> int:
    """Bytes of the palette that these flags of a screen or a frame announce."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _brands(data: bytes) -> set[bytes]:
    """Major and compatible brands of an ISO base media file."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), 256, len(data))
    return {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}


def _gif_size(data: bytes) -> tuple[int, int]:
    """The screen, or more where the first frame reaches beyond it, as viewers show it."""
    width, height = _pair("<HH", data[6:10])
    frame = next((part for part in gif_parts(data) if part.name == "2c"), None)
    if frame is None:
        return width, height
    left, top, across, down = struct.unpack_from("<HHHH", data, frame.start + 1)
    return max(width, left + across), max(height, top + down)


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        return None
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = _pair("<HH", body[6:10])
    return (width & 0x3FFF, height & 0x3FFF) if kind == b"VP8 " else None


def _pair(layout: str, raw: bytes) -> tuple[int, int]:
    first, second = struct.unpack(layout, raw)
    return first, second
