"""What a file says about itself, unsigned: listed as claims with their source, proving nothing (design section 5).

Anyone can write these marks, so they never touch the inference. Only structure counts: the fields and phrases that
generators write, never a brand's name in a caption, for the news write those too. docs/claims.md lists every mark.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Iterator
from itertools import islice

from pellucid.analyse import claims_text, claims_xmp
from pellucid.analyse.claims_text import Claim
from pellucid.base import containers, exif
from pellucid.records.report import Evidence

NOT_CHECKED: tuple[str, ...] = (
    "SynthID and other proprietary watermarks: they cannot be read outside their makers' services",
    "open pixel watermarks (invisible-watermark, stealth data in alpha)",
    "C2PA signatures: a manifest is noticed, its signature is not verified",
    "credentials held elsewhere (remote manifests, fingerprint look-ups): nothing is fetched",
)

MAX_CLAIMS = 20
MAX_DETAIL = 200
MAX_TEXT_BYTES = 1 << 20

_EXIF, _IIM = b"Exif\0\0", b"Photoshop 3.0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_KEYWORD = "XML:com.adobe.xmp"
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_TIFF_STARTS = (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08")


def read_claims(data: bytes, picture_format: str) -> list[Evidence]:
    """The claims in `data`, a file of PIL's `picture_format`, in the file's order, each once; never raises, opens no address."""
    walk = {"JPEG": _jpeg, "MPO": _jpeg, "PNG": _png, "WEBP": _webp}.get(picture_format, _by_scanning)
    claims = dict.fromkeys(islice(walk(data), MAX_CLAIMS))
    return [_evidence(claim) for claim in claims]


def _evidence(claim: Claim) -> Evidence:
    return Evidence(kind="claim", source=claim.source, says=claim.says, state=claim.state, detail=_excerpt(claim.detail) or None)


def _excerpt(text: str) -> str:
    """One line of at most `MAX_DETAIL` characters without control and direction marks: a moderator's page shows it."""
    flat = " ".join(text[: 8 * MAX_DETAIL].split())
    return "".join(sign for sign in flat if unicodedata.category(sign)[0] != "C")[:MAX_DETAIL]


def _jpeg(data: bytes) -> Iterator[Claim]:
    manifest = False
    for part in containers.jpeg_parts(data):
        start = data[part.body_start : part.body_start + 32]
        if part.name == "e1" and start.startswith(_EXIF):
            yield from _exif(part.payload)
        elif part.name == "e1" and start.startswith(_XMP):
            yield from claims_xmp.claims(part.payload[len(_XMP) :])
        elif part.name == "ed" and start.startswith(_IIM):
            yield from claims_text.of_iim(part.payload[len(_IIM) :])
        elif part.name == "fe":
            yield from claims_text.of_comment("jpeg-comment", part.payload[:MAX_TEXT_BYTES].decode("utf-8", "replace"))
        elif part.name == "eb" and start.startswith(b"JP") and not manifest and b"c2pa" in part.payload:
            manifest = True
            yield _manifest("JPEG APP11")


def _png(data: bytes) -> Iterator[Claim]:
    texts: dict[str, str] = {}
    for part in containers.png_parts(data):
        if part.name in ("tEXt", "zTXt", "iTXt"):
            keyword, text = _png_text(part.name, part.payload)
            if keyword == _XMP_KEYWORD:
                yield from claims_xmp.claims(text.encode())
            elif keyword:
                texts.setdefault(keyword, text)
        elif part.name == "eXIf":
            yield from _exif(part.payload)
        elif part.name == "caBX":
            yield _manifest("PNG caBX")
    yield from claims_text.of_png(texts)


def _png_text(kind: str, payload: bytes) -> tuple[str, str]:
    """(keyword, text) of a text chunk, at most `MAX_TEXT_BYTES` of it unpacked; two empty strings where it is damaged."""
    name, _, rest = payload.partition(b"\0")
    keyword = name[:79].decode("latin-1")
    if kind == "tEXt":
        return keyword, _utf8_or_latin1(rest[:MAX_TEXT_BYTES])
    packed = kind == "zTXt"
    if kind == "iTXt":
        packed, fields = rest[:1] == b"\1", rest[2:].split(b"\0", 2)
        rest = b"\0" + fields[2] if len(fields) == 3 else b""
    try:
        body = zlib.decompressobj().decompress(rest[1:], MAX_TEXT_BYTES) if packed else rest[1 : 1 + MAX_TEXT_BYTES]
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
    for part in containers.webp_parts(data):
        if part.name == "EXIF":
            yield from _exif(part.payload)
        elif part.name == "XMP ":
            yield from claims_xmp.claims(part.payload)
        elif part.name == "C2PA":
            yield _manifest("WebP C2PA")


def _by_scanning(data: bytes) -> Iterator[Claim]:
    """GIF and AVIF: look for the packets themselves, as XMP was made to be found (XMP part 3, "packet scanning")."""
    packet = claims_xmp.find_packet(data)
    if packet:
        yield from claims_xmp.claims(packet)
    start = min((place for place in map(data.find, _TIFF_STARTS) if place >= 0), default=-1)
    if start >= 0:
        yield from _exif(data[start : start + MAX_TEXT_BYTES])
    if _C2PA_UUID in data[: 64 << 10] or b"C2PA_GIF" in data:
        yield _manifest("C2PA box")


def _exif(block: bytes) -> Iterator[Claim]:
    yield from claims_text.of_exif(exif.read_tags(block, claims_text.EXIF_TAGS))


def _manifest(where: str) -> Claim:
    return Claim("c2pa", "has_manifest", f"{where}: present, signature not checked here", "unchecked")
