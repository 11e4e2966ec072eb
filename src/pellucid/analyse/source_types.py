"""What the codes of IPTC's vocabulary `digitalsourcetype` say on the question of AI (cv.iptc.org/newscodes/digitalsourcetype)."""

from __future__ import annotations

_SAYS = {
    "trainedalgorithmicmedia": "generated",
    "compositewithtrainedalgorithmicmedia": "edited",
    "compositesynthetic": "edited",
    "digitalcapture": "captured",
    "computationalcapture": "captured",
    "compositecapture": "captured",
    "negativefilm": "captured",
    "positivefilm": "captured",
    "print": "captured",
    "algorithmicmedia": "not_ai",
    "algorithmicallyenhanced": "not_ai",
    "composite": "not_ai",
    "datadrivenmedia": "not_ai",
    "digitalart": "not_ai",
    "digitalcreation": "not_ai",
    "humanedits": "not_ai",
    "minorhumanedits": "not_ai",
    "screencapture": "not_ai",
    "softwareimage": "not_ai",
    "virtualrecording": "not_ai",
}


def says_of(source_type: str) -> str | None:
    """`generated`, `edited`, `captured` or `not_ai` for a code or its address; None for one that is unknown."""
    return _SAYS.get(source_type.strip().rstrip("/").rpartition("/")[2].lower())
