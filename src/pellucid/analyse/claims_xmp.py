"""Claims in an XMP packet: where the picture came from, by IPTC's words, and which program made it.

The packet is read as a stream by expat with every declaration refused: no entity is expanded, no address opened, no tree
built. Sources: XMP part 1 (ISO 16684-1), IPTC Photo Metadata 2025.1, IPTC `digitalsourcetype` vocabulary, GB 45438-2025.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from pellucid.analyse.claims_text import Claim, is_generator, of_aigc, of_comment, of_credit
from pellucid.analyse.source_types import says_of

MAX_PACKET_BYTES = 1 << 20
MAX_ELEMENTS = 20_000
MAX_VALUE = 10_000

_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_TC260 = "http://www.tc260.org.cn/ns/AIGC/1.0/"
_FIELDS = {
    f"{_IPTC} DigitalSourceType": "DigitalSourceType",
    f"{_IPTC} DigitalSourcetype": "DigitalSourceType",
    f"{_IPTC} AISystemUsed": "AISystemUsed",
    f"{_IPTC} AISystemVersionUsed": "AISystemVersionUsed",
    f"{_IPTC} AIPromptInformation": "AIPromptInformation",
    f"{_IPTC} AIPromptWriterName": "AIPromptWriterName",
    "http://ns.adobe.com/photoshop/1.0/ Credit": "Credit",
    "http://ns.adobe.com/xap/1.0/ CreatorTool": "CreatorTool",
    "http://ns.adobe.com/exif/1.0/ UserComment": "UserComment",
    "http://purl.org/dc/terms/ provenance": "provenance",
    f"{_TC260} AIGC": "AIGC",
}
_RESOURCE = "http://www.w3.org/1999/02/22-rdf-syntax-ns# resource"


def claims(packet: bytes) -> Iterator[Claim]:
    """The claims of one packet; what is read before its first damage counts."""
    found = _fields(packet)
    says = "generated"
    for value in found.get("DigitalSourceType", ()):
        if source_says := says_of(value):
            says = "edited" if source_says == "edited" else says
            yield Claim("xmp:DigitalSourceType", source_says, value.strip().rstrip("/").rpartition("/")[2])
    for name in ("AISystemUsed", "AISystemVersionUsed", "AIPromptInformation", "AIPromptWriterName"):
        yield from (Claim(f"xmp:{name}", says, value) for value in found.get(name, ()) if value.strip())
    for value in found.get("Credit", ()):
        yield from of_credit("xmp:Credit", value)
    yield from (Claim("xmp:CreatorTool", "generated", value) for value in found.get("CreatorTool", ()) if is_generator(value))
    for value in found.get("UserComment", ()):
        yield from of_comment("xmp:UserComment", value)
    for value in found.get("AIGC", ()):
        yield from of_aigc("xmp:AIGC", value)
    for value in found.get("provenance", ()):
        yield Claim("xmp:provenance", "has_manifest", f"{value} (not fetched)", "unchecked")


def find_packet(data: bytes) -> bytes:
    """The first XMP packet in bytes of any kind, or none."""
    start = data.find(b"<x:xmpmeta")
    end = data.find(b"</x:xmpmeta>", start, start + MAX_PACKET_BYTES) if start >= 0 else -1
    return data[start : end + len(b"</x:xmpmeta>")] if end >= 0 else b""


def _fields(packet: bytes) -> dict[str, list[str]]:
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = lambda *_: 0
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(packet[:MAX_PACKET_BYTES].strip(b"\0 \t\r\n"), True)
    except (expat.ExpatError, ValueError, LookupError):
        return reader.found
    return reader.found


def _refuse(*_: object) -> None:
    raise ValueError("an XMP packet has no declarations")


@dataclass
class _Reader:
    """Collects the wanted properties, written as attributes, as elements, or as the items of a list."""

    found: dict[str, list[str]] = field(default_factory=dict)
    inside: str | None = None
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    elements: int = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            raise ValueError(f"an XMP packet of more than {MAX_ELEMENTS} elements")
        for attribute, value in attributes.items():
            if attribute in _FIELDS:
                self._keep(_FIELDS[attribute], value)
        if name in _FIELDS:
            self.inside, self.name, self.pieces = _FIELDS[name], name, []
            if _RESOURCE in attributes:
                self._keep(self.inside, attributes[_RESOURCE])

    def end(self, name: str) -> None:
        if self.inside and name == self.name:
            self._keep(self.inside, "".join(self.pieces).strip())
            self.inside = None

    def text(self, text: str) -> None:
        if self.inside and len(self.pieces) < MAX_VALUE:
            self.pieces.append(text)

    def _keep(self, name: str, value: str) -> None:
        kept = self.found.setdefault(name, [])
        if value and len(kept) < 4:
            kept.append(value[:MAX_VALUE])
