"""What a file says about itself, unsigned: listed as claims with their source, proving nothing (design section 5).

Anyone can write these marks, so they never touch the inference. Only structure counts: the fields and phrases that
generators write, never a brand's name in a caption, for the news write those too. docs/claims.md lists every mark.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from pellucid.analyse import claims_text, claims_xmp
from pellucid.analyse.claims_text import Claim
from pellucid.base import containers, exif
from pellucid.base.containers import Part
from pellucid.records.report import Evidence

T = TypeVar("T")

NOT_CHECKED: tuple[str, ...] = (
    "SynthID and other proprietary watermarks: they cannot be read outside their makers' services",
    "watermarks of other open methods (TrustMark, Stable Signature, Tree-Ring and their like)",
    "credentials held elsewhere (remote manifests, revocation, fingerprint look-ups): nothing is fetched",
)

MAX_CLAIMS = 20
MAX_DETAIL = 200
MAX_TEXT_BYTES = 256 << 10
# How many parts of a kind are read: honest files have one or two, ImageMagick writes some dozens of text chunks.
MAX_PARTS = {"xmp": 4, "exif": 4, "iim": 4, "c2pa": 1, "text": 64}

_IN_JPEG = {
    ("e1", b"Exif\0\0"): "exif",
    ("e1", b"http://ns.adobe.com/xap/1.0/\0"): "xmp",
    ("ed", b"Photoshop 3.0\0"): "iim",
    ("eb", b"JP"): "c2pa",
    ("fe", b""): "text",
}
_IN_PNG = {"tEXt": "text", "zTXt": "text", "iTXt": "text", "eXIf": "exif", "caBX": "c2pa"}
_IN_WEBP = {"EXIF": "exif", "XMP ": "xmp", "C2PA": "c2pa"}
_PNG_XMP = b"XML:com.adobe.xmp\0"
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def read_claims(data: bytes, picture_format: str) -> list[Evidence]:
    """The claims in `data`, a file of PIL's `picture_format`, in the file's order, each once; never raises, opens no address."""
    return [shown(claim) for claim in claims_in(data, picture_format)]


def claims_in(data: bytes, picture_format: str) -> list[Claim]:
    """The same with the whole of what each field holds."""
    walk = {"JPEG": _jpeg, "MPO": _jpeg, "PNG": _png, "WEBP": _webp}.get(picture_format, _by_scanning)
    return list(dict.fromkeys(islice(walk(data), MAX_CLAIMS)))


def shown(claim: Claim) -> Evidence:
    """As a report shows it."""
    return Evidence(kind="claim", source=claim.source, says=claim.says, state=claim.state, detail=_excerpt(claim.detail) or None)


def _excerpt(text: str) -> str:
    """One line of at most `MAX_DETAIL` characters without control and direction marks: a moderator's page shows it."""
    flat = " ".join(text[: 8 * MAX_DETAIL].split())
    return "".join(sign for sign in flat if unicodedata.category(sign)[0] != "C")[:MAX_DETAIL]


def _jpeg(data: bytes) -> Iterator[Claim]:
    marks = ((kind, part.payload[len(prefix) :]) for part, prefix, kind in _jpeg_marks(data))
    for kind, body in _bounded(marks):
        if kind == "text":
            yield from claims_text.of_comment("jpeg-comment", body[:MAX_TEXT_BYTES].decode("utf-8", "replace"))
        elif kind != "c2pa" or b"c2pa" in body:
            yield from _body(kind, body)


def _jpeg_marks(data: bytes) -> Iterator[tuple[Part, bytes, str]]:
    for part in containers.jpeg_parts(data):
        for (name, prefix), kind in _IN_JPEG.items():
            if part.name == name and data.startswith(prefix, part.body_start):
                yield part, prefix, kind


def _png(data: bytes) -> Iterator[Claim]:
    texts: dict[str, str] = {}
    marks = ((_png_kind(part), part) for part in containers.png_parts(data) if part.name in _IN_PNG)
    for kind, part in _bounded(marks):
        if kind == "xmp":
            yield from claims_xmp.claims(_png_text(part.name, part.payload, claims_xmp.MAX_PACKET_BYTES)[1].encode())
        elif kind == "text":
            keyword, text = _png_text(part.name, part.payload, MAX_TEXT_BYTES)
            texts.setdefault(keyword, text)
        else:
            yield from _body(kind, part.payload)
    yield from claims_text.of_png(texts)


def _png_kind(part: Part) -> str:
    return "xmp" if part.name == "iTXt" and part.source.startswith(_PNG_XMP, part.body_start) else _IN_PNG[part.name]


def _png_text(kind: str, payload: bytes, at_most: int) -> tuple[str, str]:
    """(keyword, text) of a text chunk, `at_most` bytes of it unpacked; two empty strings where it is damaged."""
    name, _, rest = payload.partition(b"\0")
    keyword = name[:79].decode("latin-1")
    if kind == "tEXt":
        return keyword, _utf8_or_latin1(rest[:at_most])
    packed = kind == "zTXt"
    if kind == "iTXt":
        packed, fields = rest[:1] == b"\1", rest[2:].split(b"\0", 2)
        rest = b"\0" + fields[2] if len(fields) == 3 else b""
    try:
        body = zlib.decompressobj().decompress(rest[1:], at_most) if packed else rest[1 : 1 + at_most]
    except zlib.error:
        return "", ""
    return keyword, body.decode("utf-8", "replace") if kind == "iTXt" else _utf8_or_latin1(body)


def _utf8_or_latin1(text: bytes) -> str:
    """The standard says Latin-1, many writers put UTF-8 there."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _webp(data: bytes) -> Iterator[Claim]:
    marks = ((_IN_WEBP[part.name], part) for part in containers.webp_parts(data) if part.name in _IN_WEBP)
    for kind, part in _bounded(marks):
        yield from _body(kind, part.payload)


def _by_scanning(data: bytes) -> Iterator[Claim]:
    """GIF and AVIF: look for the packets themselves, as XMP was made to be found (XMP part 3, "packet scanning")."""
    if packet := claims_xmp.find_packet(data):
        yield from _body("xmp", packet)
    if block := exif.find_block(data):
        yield from _body("exif", block)
    if _C2PA_UUID in data or b"C2PA_GIF" in data:
        yield from _body("c2pa", b"")


def _body(kind: str, body: bytes) -> Iterator[Claim]:
    if kind == "exif":
        yield from claims_text.of_exif(exif.read_tags(body, claims_text.EXIF_TAGS))
    elif kind == "xmp":
        yield from claims_xmp.claims(body)
    elif kind == "iim":
        yield from claims_text.of_iim(body)
    else:
        yield Claim("c2pa", "has_manifest", "a C2PA manifest is present; its signature was not checked", "unchecked")


def _bounded(marks: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """The first `MAX_PARTS` of each kind, so that a file of thousands costs no more than an honest one."""
    counts: Counter[str] = Counter()
    for kind, mark in marks:
        counts[kind] += 1
        if counts[kind] <= MAX_PARTS[kind]:
            yield kind, mark
