"""Files made to say something about themselves, true or not, each with the verdict that must come of it.

The pixels of all are one drawn scene in which the (stand-in) detector finds nothing, so every label here comes from what is said.
`crafted()` gives the whole table; `tests/analyse/test_evidence.py` goes through it row by row.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from pellucid.analyse.evidence import Declared
from tests.marks import SAMPLED, hidden, watermarked
from tests.pictures import XMP_HEADER, camera_exif, exif, jpeg, jpeg_with, png, png_with, saved, scene, text_chunk, webp_with, xmp
from tests.signing import TYPES, Authority, created, edited, opened, signed, signed_by_one_who_has_expired

PARAMETERS = "a dog\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x512"
GRAPH = json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 42, "steps": 20}}})
AI, PART, CAMERA, DRAWN = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "digitalCapture", "digitalArt"


@dataclass(frozen=True)
class Crafted:
    """A file with its format, what its uploader declares, and what must come of it."""

    name: str
    data: bytes
    file_format: str
    label: str
    basis: tuple[str, ...]
    declared: Declared | None = None


@cache
def authorities() -> tuple[Authority, Authority]:
    """One on the trust list, one that anybody could have made."""
    return Authority("Trusted Root"), Authority("Nobody")


@cache
def crafted() -> tuple[Crafted, ...]:
    return (*_signed(), *_marked(), *_unmarked(), *_contradicting())


CAPTURED = ("captured", ("record",))
RETOUCHED = ("edited", ("record",))
NOTHING = ("no_ai_found", ("inference",))
CLAIMED = ("generated", ("claim",))
PARTLY = ("edited", ("claim",))
RECORDED = ("generated", ("record",))


def _signed() -> Iterator[Crafted]:
    root, nobody = authorities()
    camera, tool, stranger = root.signer("Camera"), root.signer("Tool"), nobody.signer("Stranger")
    made, taken = signed(tool, created(AI)), signed(camera, created(CAMERA))
    for file_format in ("JPEG", "PNG", "WEBP", "AVIF", "GIF"):
        yield Crafted(f"trusted, generated, {file_format}", signed(tool, created(AI), file_format), file_format, *RECORDED)
    yield Crafted("trusted capture", taken, "JPEG", *CAPTURED)
    yield Crafted("trusted computational capture", signed(camera, created("computationalCapture")), "JPEG", *CAPTURED)
    yield Crafted("trusted composite with AI", signed(tool, created(PART)), "JPEG", *RETOUCHED)
    yield Crafted("trusted drawing", signed(tool, created(DRAWN)), "JPEG", *NOTHING)
    yield Crafted("trusted, resized after AI", signed(tool, opened({"action": "c2pa.resized"}), parent=made), "JPEG", *RECORDED)
    yield Crafted(
        "trusted, cropped after capture", signed(tool, opened({"action": "c2pa.cropped"}), parent=taken), "JPEG",
        *CAPTURED,
    )  # fmt: skip
    yield Crafted("trusted, one stroke of AI on a capture", signed(tool, opened(edited(AI)), parent=taken), "JPEG", *RETOUCHED)
    yield Crafted(
        "trusted, AI laid into a capture",
        signed(tool, opened(), parent=taken, laid_in=made),
        "JPEG",
        "edited",
        ("record",),
    )
    borrowed = signed(tool, opened({"action": "c2pa.resized"}), parent=signed(stranger, created(CAMERA)))
    yield Crafted("trusted signer on an untrusted capture", borrowed, "JPEG", *NOTHING)
    yield Crafted("valid but untrusted, generated", signed(stranger, created(AI)), "JPEG", *CLAIMED)
    yield Crafted("valid but untrusted composite", signed(stranger, created(PART)), "JPEG", *PARTLY)
    yield Crafted("valid but untrusted capture: a self-signed lie", signed(stranger, created(CAMERA)), "JPEG", *NOTHING)
    yield Crafted("expired signer, generated", signed_by_one_who_has_expired(root, created(AI)), "JPEG", *NOTHING)
    yield Crafted("appended bytes after a trusted record", made + b"thirteen more", "JPEG", *NOTHING)
    yield Crafted("appended bytes after a trusted capture", taken + b"thirteen more", "JPEG", *NOTHING)
    yield Crafted("pixels changed under a trusted capture", _changed(taken), "JPEG", *NOTHING)
    yield Crafted("manifest of one picture in another", moved(made), "JPEG", *NOTHING)
    yield Crafted("damaged manifest", damaged(made), "JPEG", *NOTHING)
    resized = opened({"action": "c2pa.resized"})
    anchors = root.pem
    yield Crafted("trusted, on a capture checked then", signed(tool, resized, parent=taken, anchors=anchors), "JPEG", *CAPTURED)
    for name, other in (("capture", taken), ("AI picture", made)):
        laundered = signed(tool, resized, parent=moved(other), anchors=anchors)
        yield Crafted(f"trusted, on the moved manifest of a {name}", laundered, "JPEG", *NOTHING)
    hearsay = signed(tool, resized, parent=signed(stranger, created(AI)), anchors=anchors)
    yield Crafted("trusted, on a stranger's AI", hearsay, "JPEG", *CLAIMED)


def _marked() -> Iterator[Crafted]:
    yield Crafted("A1111", png_with(text_chunk("parameters", PARAMETERS)), "PNG", *CLAIMED)
    yield Crafted("A1111 in EXIF", saved(scene(), "JPEG", exif=exif(UserComment=PARAMETERS)), "JPEG", *CLAIMED)
    yield Crafted("ComfyUI", png_with(text_chunk("prompt", GRAPH)), "PNG", *CLAIMED)
    yield Crafted("InvokeAI", png_with(text_chunk("invokeai_metadata", '{"positive_prompt": "a dog"}')), "PNG", *CLAIMED)
    yield Crafted("NovelAI", png_with(text_chunk("Software", "NovelAI"), text_chunk("Source", "NovelAI Diffusion V4 37442FCA")),
                  "PNG", *CLAIMED)  # fmt: skip
    yield Crafted("NovelAI, stealth alpha", hidden(b"stealth_pngcomp", gzip.compress(SAMPLED.encode())), "PNG", *CLAIMED)
    yield Crafted("Stable Diffusion 2 watermark", watermarked("Stable Diffusion 2"), "WEBP", *CLAIMED)
    yield Crafted("Stable Diffusion XL watermark", watermarked("Stable Diffusion XL"), "WEBP", *CLAIMED)
    yield Crafted("XMP source type, AI", _xmp(Iptc4xmpExt__DigitalSourceType=TYPES + AI), "JPEG", *CLAIMED)
    yield Crafted("XMP source type, part AI", _xmp(Iptc4xmpExt__DigitalSourceType=TYPES + PART), "JPEG", *PARTLY)
    yield Crafted("XMP source type in WebP", webp_with(xmp(Iptc4xmpExt__DigitalSourceType=TYPES + AI)), "WEBP", *CLAIMED)
    yield Crafted("IPTC 2025.1, system used", _xmp(Iptc4xmpExt__AISystemUsed="Some model 3"), "JPEG", *CLAIMED)
    yield Crafted("IPTC 2025.1, prompt", _xmp(Iptc4xmpExt__AIPromptInformation="a dog"), "JPEG", *CLAIMED)
    yield Crafted("credit line", _xmp(photoshop__Credit="Made with Google AI"), "JPEG", *CLAIMED)
    yield Crafted("GB 45438, certain", _aigc("1"), "PNG", *CLAIMED)
    yield Crafted("GB 45438, likely", _aigc("2"), "PNG", *CLAIMED)
    yield Crafted("spoofed text chunk on a drawing", png_with(text_chunk("parameters", PARAMETERS)), "PNG", *CLAIMED)
    yield Crafted("declared generated", jpeg(), "JPEG", *CLAIMED, "generated")
    yield Crafted("declared edited", jpeg(), "JPEG", *PARTLY, "edited")


def _unmarked() -> Iterator[Crafted]:
    yield Crafted("nothing said", jpeg(), "JPEG", *NOTHING)
    yield Crafted("stripped", saved(scene(64, 64), "JPEG"), "JPEG", *NOTHING)
    yield Crafted("appended bytes", jpeg() + b"thirteen more", "JPEG", *NOTHING)
    yield Crafted("camera EXIF", saved(scene(), "JPEG", exif=camera_exif()), "JPEG", *NOTHING)
    yield Crafted("XMP says capture", _xmp(Iptc4xmpExt__DigitalSourceType=TYPES + CAMERA), "JPEG", *NOTHING)
    yield Crafted("XMP says art", _xmp(Iptc4xmpExt__DigitalSourceType=TYPES + DRAWN), "JPEG", *NOTHING)
    yield Crafted("GB 45438, suspected elsewhere", _aigc("3"), "PNG", *NOTHING)
    yield Crafted("news about a generator", _xmp(photoshop__Credit="Photo: the founder of Midjourney"), "JPEG", *NOTHING)
    remote = (
        '<dcterms:provenance xmlns:dcterms="http://purl.org/dc/terms/">https://example.com/manifest.c2pa</dcterms:provenance>'
    )
    yield Crafted("address of a remote manifest", jpeg_with((0xE1, XMP_HEADER + xmp(remote))), "JPEG", *NOTHING)
    yield Crafted("declared none", png(), "PNG", *NOTHING, "none")


def _contradicting() -> Iterator[Crafted]:
    root, nobody = authorities()
    camera, tool, stranger = root.signer("Camera"), root.signer("Tool"), nobody.signer("Stranger")
    taken, made = signed(camera, created(CAMERA)), signed(tool, created(AI))
    yield Crafted(
        "camera EXIF and A1111", saved(scene(), "JPEG", exif=exif(Make="Acme", UserComment=PARAMETERS)), "JPEG", *CLAIMED
    )
    both = _xmp(Iptc4xmpExt__DigitalSourceType=TYPES + CAMERA, Iptc4xmpExt__AISystemUsed="Some model")
    yield Crafted("XMP says capture and names an AI system", both, "JPEG", *CLAIMED)
    yield Crafted("trusted capture, uploader says AI", taken, "JPEG", *CLAIMED, "generated")
    yield Crafted("trusted capture, uploader says none", taken, "JPEG", *CAPTURED, "none")
    yield Crafted("trusted AI, uploader says none", made, "JPEG", *RECORDED, "none")
    yield Crafted("trusted AI, uploader says edited", made, "JPEG", *RECORDED, "edited")
    lie = signed(stranger, created(CAMERA))
    yield Crafted("untrusted capture, uploader says AI", lie, "JPEG", *CLAIMED, "generated")
    yield Crafted("invalid AI record, uploader says none", made + b"!", "JPEG", *NOTHING, "none")


def _xmp(**fields: str) -> bytes:
    return jpeg_with((0xE1, XMP_HEADER + xmp(**fields)))


def _aigc(label: str) -> bytes:
    return png_with(text_chunk("AIGC", json.dumps({"Label": label, "ContentProducer": "0001", "ProduceID": "x"})))


def _changed(data: bytes) -> bytes:
    """One bit of the compressed pixels, near the end."""
    at = data.rindex(b"\xff\xd9") - 20
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def moved(data: bytes) -> bytes:
    """The manifest of `data` in front of another picture's segments."""
    start = data.index(b"\xff\xeb")
    end = start
    while data[end : end + 2] == b"\xff\xeb":
        end += 2 + int.from_bytes(data[end + 2 : end + 4], "big")
    other = jpeg(64, 64, seed=9)
    return other[:2] + data[start:end] + other[2:]


def damaged(data: bytes) -> bytes:
    """Eight bytes of the manifest wiped out."""
    at = data.index(b"c2pa.actions") + 40
    return data[:at] + bytes(8) + data[at + 8 :]
