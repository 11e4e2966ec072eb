"""A site's label as files carry it: IPTC's DigitalSourceType and the `AIGC` label of GB 45438 in XMP, and a C2PA assertion.

| what is known                            | signed source type | XMP source type | GB 45438 `Label`               |
|------------------------------------------|--------------------|-----------------|--------------------------------|
| somebody said so: record, claim, ruling  | yes                | yes             | 1, or 2 if it was the uploader |
| the site infers it from the pixels       | no                 | no              | 3, "suspected"                 |
| a mark was found in the original         | no                 | yes             | 1, or what stood there         |

A source type states a fact about the making, and outlives a won appeal: an inference is no such fact, so it is signed as what it
is, in an assertion of its own. Sources: IPTC Photo Metadata 2025.1, GB 45438-2025 annex E, C2PA 2.2 section 18.15.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from pellucid.analyse.claims_text import Claim, is_aigc
from pellucid.records.derivative import Label, Says
from pellucid.records.report import Evidence

ASSERTION = "org.pellucid.label"
AIGC_FIELDS = (
    "Label", "ContentProducer", "ProduceID", "ReservedCode1", "ContentPropagator", "PropagateID", "ReservedCode2",
)  # fmt: skip
MOST_FIELD = 256
SOURCE_TYPES: Mapping[Says, str] = {
    "generated": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    "edited": "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
}
_CERTAIN, _DECLARED, _SUSPECTED = "1", "2", "3"
_ALIVE = ("trusted", "untrusted", "unsigned")


def marked(evidence: Sequence[Evidence]) -> Says | None:
    """What an original is marked as, by anybody: such marks are carried over, whatever the site says itself."""
    said = {piece.says for piece in evidence if piece.state in _ALIVE}
    return "generated" if "generated" in said else "edited" if "edited" in said else None


def xmp_packet(label: Label | None, mark: Says | None, original: Sequence[Claim], propagator: str, name: str) -> bytes:
    """The XMP that a derivative carries; empty where there is nothing to say. `name` is the derivative's for the propagator."""
    stated = label.says if label and not label.is_inferred else mark
    aigc = _aigc(label, mark, original, propagator, name)
    if not stated and not aigc:
        return b""
    source = f"<Iptc4xmpExt:DigitalSourceType>{SOURCE_TYPES[stated]}</Iptc4xmpExt:DigitalSourceType>" if stated else ""
    gb45438 = f"<TC260:AIGC>{escape(json.dumps(aigc))}</TC260:AIGC>" if aigc else ""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/">'
        f'{source}{gb45438}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def _aigc(label: Label | None, mark: Says | None, original: Sequence[Claim], propagator: str, name: str) -> dict[str, str]:
    """The label of GB 45438: what the producer wrote stays; who passes the picture on stands beside it."""
    fields = dict.fromkeys(AIGC_FIELDS, "") | _found(original)
    if not fields["Label"]:
        if label is None and mark is None:
            return {}
        fields["Label"] = _SUSPECTED if label and label.is_inferred else _DECLARED if label and label.declared else _CERTAIN
    return fields | {"ContentPropagator": propagator, "PropagateID": name}


def _found(original: Sequence[Claim]) -> dict[str, str]:
    """The fields of the first such label in the original."""
    for claim in original:
        if is_aigc(claim.detail):
            try:
                found = json.loads(claim.detail.replace('\\"', '"'))
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                return {key: str(found[key])[:MOST_FIELD] for key in AIGC_FIELDS if isinstance(found.get(key), str | int)}
    return {}
