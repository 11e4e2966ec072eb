"""A picture made from another for publishing: what is asked, what the site says of it, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pellucid.records.report import Report

Format = Literal["JPEG", "PNG", "WEBP", "AVIF"]
Says = Literal["generated", "edited"]
# As they are asked for.
FORMATS: Mapping[str, Format] = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "avif": "AVIF"}


@dataclass(frozen=True)
class Wanted:
    """The longest side in pixels (never enlarged; None leaves it) and the format (None: the original's, PNG for GIF)."""

    size: int | None = None
    format: Format | None = None


@dataclass(frozen=True)
class Label:
    """What the site says of a picture, on which `basis` (kinds of evidence; none where it was told to) and in which words."""

    says: Says
    basis: tuple[str, ...] = ()
    text: str | None = None
    declared: bool = False

    @property
    def is_inferred(self) -> bool:
        return self.basis == ("inference",)

    @property
    def assertion(self) -> dict[str, Any]:
        """As it is signed."""
        return {"label": self.says, "basis": list(self.basis), **({"text": self.text} if self.text else {})}


@dataclass(frozen=True)
class Derivative:
    """`credentials` tells in words whether it is signed; `says` what it is labelled or marked as."""

    data: bytes
    format: Format
    width: int
    height: int
    signed: bool
    credentials: str
    says: Says | None


def label_of(report: Report) -> Label | None:
    """The label that a report gives; None where it finds no AI."""
    verdict = report.verdict
    if verdict.label != "generated" and verdict.label != "edited":
        return None
    declared = verdict.basis == ["claim"] and any(piece.source == "uploader" for piece in report.evidence)
    return Label(verdict.label, tuple(verdict.basis), verdict.text, declared)
