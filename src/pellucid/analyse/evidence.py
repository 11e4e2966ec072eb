"""Everything said of a picture by its uploader, by its file, and by marks in its pixels: declaration, claims, signed records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pellucid.analyse.claims import read_claims, shown
from pellucid.analyse.credentials import SOURCE, Credentials, Records
from pellucid.analyse.stealth import stealth_claims
from pellucid.analyse.verdict import DECLARED
from pellucid.analyse.watermark import watermarks_in
from pellucid.base.pixels import Picture
from pellucid.records.report import Evidence

Declared = Literal["none", "edited", "generated"]


def evidence_in(data: bytes, picture_format: str, credentials: Credentials | Records | None) -> list[Evidence]:
    """Claims and records of the file. The bytes of a manifest are parsed only where the file shows one."""
    found = read_claims(data, picture_format)
    return with_records(found, credentials.read(data, picture_format) if credentials and shows_manifest(found) else [])


def shows_manifest(claims: Sequence[Evidence]) -> bool:
    return any(claim.source == SOURCE for claim in claims)


def with_records(claims: Sequence[Evidence], checked: Sequence[Evidence]) -> list[Evidence]:
    """The claims with what checking the manifest found, if it was, in place of "a manifest is there"."""
    return [*checked, *(claim for claim in claims if not checked or claim.source != SOURCE)]


def marks_in(picture: Picture) -> list[Evidence]:
    """Claims that generators write into the pixels: hidden parameters and open watermarks."""
    return [*map(shown, stealth_claims(picture)), *watermarks_in(picture.image)]


def declaration(declared: Declared | None) -> list[Evidence]:
    """What the uploader said, as evidence."""
    return [Evidence(kind="claim", source="uploader", says=declared, state=DECLARED)] if declared else []
