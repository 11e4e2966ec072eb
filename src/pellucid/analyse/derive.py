"""A smaller picture, or one of another format, that keeps its provenance and loses what is nobody's business.

    original ─ decode, turn upright, sRGB ─ resize ─ write with label and marks, nothing else ─ sign
        └───────────── manifests, marks of AI ────────────────────┘

Made from the pixels, so that no EXIF, GPS place, comment or appended byte comes along: what is kept is written anew. Labels come
before the signature, which covers them. Transparency is laid on white and of an animation the first frame is taken, as in what
was judged.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, field
from typing import Any, get_args

from PIL import Image, PngImagePlugin

from pellucid.analyse.claims import claims_in
from pellucid.analyse.credentials import Credentials, Records
from pellucid.analyse.evidence import evidence_in, marks_in
from pellucid.analyse.labels import marked, xmp_packet
from pellucid.analyse.signer import Signer
from pellucid.base.errors import SigningFailed
from pellucid.base.essentials import essentials
from pellucid.base.ids import new_id
from pellucid.base.pixels import Limits, Picture, decode
from pellucid.records.derivative import Derivative, Format, Label, Wanted

# The encoders' own middle ground: on the drawn scenes of the tests none is told from the original by eye.
_OPTIONS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 85}, "PNG": {}, "WEBP": {"quality": 82}, "AVIF": {"quality": 70}}
_XMP_IN_PNG = "XML:com.adobe.xmp"
SIGNED, UNSIGNED = "signed", "unsigned; no signing key is set"
UNREADABLE = "the original's own credentials could not be read and are not carried on"
SIGNED_ANEW, NOT_SIGNED = f"{SIGNED}; {UNREADABLE}", f"unsigned; {UNREADABLE}"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deriver:
    """Safe to use from several threads. Without `signer` derivatives are unsigned and say so; marks of AI are kept."""

    credentials: Credentials | Records
    signer: Signer | None = None
    limits: Limits = field(default_factory=Limits)
    propagator: str = ""

    def derive(self, data: bytes, wanted: Wanted, label: Label | None = None) -> Derivative:
        """Raises `ImageError` where `data` is no picture, `SigningFailed` where the key there is cannot sign."""
        picture = decode(data, self.limits)
        image = _resized(picture.image, wanted.size)
        target = wanted.format or _own_format(picture)
        mark = marked([*evidence_in(data, picture.format, self.credentials), *marks_in(picture)])
        packet = xmp_packet(label, mark, claims_in(data, picture.format), self.propagator, new_id())
        plain = _written(image, target, packet)
        made, credentials = self._signed(plain, target, (data, picture.format), label, image.size != picture.image.size)
        says = label.says if label else mark
        return Derivative(made, target, image.width, image.height, made is not plain, credentials, says)

    def _signed(
        self, plain: bytes, target: Format, original: tuple[bytes, str], label: Label | None, resized: bool
    ) -> tuple[bytes, str]:
        """The file and what became of its credentials."""
        if self.signer is None:
            return plain, UNSIGNED
        context = self.credentials.context()
        try:
            return self.signer.sign(plain, target, original, label, resized, context), SIGNED
        except SigningFailed:
            self.signer.try_out(context)
        # The fault is the original's: a damaged manifest, or one kept elsewhere. A new chain begins with the bare picture.
        bare = essentials(*original).data
        try:
            if bare != original[0]:
                return self.signer.sign(plain, target, (bare, original[1]), label, resized, context), SIGNED_ANEW
        except SigningFailed as error:
            log.info("the bare original cannot be signed for either: %s", error)
        return plain, NOT_SIGNED


def _resized(image: Image.Image, size: int | None) -> Image.Image:
    """The longest side brought down to `size`."""
    if size is None or max(image.size) <= size:
        return image
    scale = size / max(image.size)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.LANCZOS)


def _own_format(picture: Picture) -> Format:
    return next((known for known in get_args(Format) if known == picture.format), "PNG")


def _written(image: Image.Image, target: Format, packet: bytes) -> bytes:
    """Pixels and an XMP packet; sRGB is what a viewer assumes where there is no profile."""
    # PIL would write the profile, comment and EXIF block that it has found.
    image.info = {}
    options = dict(_OPTIONS[target])
    if packet and target == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt(_XMP_IN_PNG, packet.decode())
    elif packet:
        options["xmp"] = packet
    out = io.BytesIO()
    image.save(out, target, **options)
    return out.getvalue()
