"""Everything a file and its uploader say of a picture, apart from the pixels: declaration, claims, signed records."""

from __future__ import annotations

from typing import Literal

from pellucid.analyse.claims import read_claims
from pellucid.analyse.credentials import SOURCE, Credentials
from pellucid.analyse.verdict import DECLARED
from pellucid.records.report import Evidence

Declared = Literal["none", "edited", "generated"]


def evidence_in(data: bytes, picture_format: str, credentials: Credentials | None) -> list[Evidence]:
    """Claims and records of the file. The bytes of a manifest are parsed only where the file shows one."""
    found = read_claims(data, picture_format)
    if credentials is None or not any(claim.source == SOURCE for claim in found):
        return found
    checked = credentials.read(data, picture_format)
    return [*checked, *(claim for claim in found if claim.source != SOURCE)] if checked else found


def declaration(declared: Declared | None) -> list[Evidence]:
    """What the uploader said, as evidence."""
    return [Evidence(kind="claim", source="uploader", says=declared, state=DECLARED)] if declared else []
