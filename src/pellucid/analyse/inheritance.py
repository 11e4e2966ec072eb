"""Is this picture one on which a moderator has ruled? Then his ruling holds for it too; is it merely similar, a person looks.

    the same bytes ────────────────────────────────────────────────────────── the same
    PDQ near, of enough quality → laid over each other → no window differs ── the same, saved again
                                                       └ a window differs ─── similar: goes to review, the ruling beside it
    PDQ far, or a picture too plain for PDQ ───────────────────────────────── not known

A hash alone gives nobody's innocence on: a picture with one face exchanged has nearly the same hash. The hash of a cropped
picture is far off, so of a ruled picture two are kept: its own, and that of its middle 90 %.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pellucid.analyse.facts import pdq_of
from pellucid.analyse.registration import Overlay, overlay
from pellucid.records.label import RuledVerdict
from pellucid.records.recourse import Inheritance
from pellucid.records.report import ImageFacts

KEPT_SHARES = (1.0, 0.9)
# Each costs a decoded picture and a registration; the nearest hash is nearly always the right one.
MOST_VERIFIED = 3

Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class Known:
    """A picture on which a ruling is in force; `hashes` are hexadecimal PDQs, none where the picture is too plain for one."""

    ruling: str
    analysis: str
    verdict: RuledVerdict
    sha256: str
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """`known`, in `distance` of 256 bits; `overlay` where the two were compared."""

    known: Known
    same: bool
    distance: int
    overlay: Overlay | None = None


PictureOf = Callable[[Known], Image.Image | None]


class RuledPictures:
    """All that were ruled on, at one moment; never changes, so that any number of threads may ask."""

    def __init__(self, known: Sequence[Known]) -> None:
        self._known = tuple(known)
        self._by_bytes = {each.sha256: each for each in known}
        self._owners = [each for each in known for _ in each.hashes]
        self._hashes_n32 = _bytes_of([one for each in known for one in each.hashes])

    def __len__(self) -> int:
        return len(self._known)

    def find(
        self, facts: ImageFacts, picture: Callable[[], Image.Image], picture_of: PictureOf, bounds: Inheritance
    ) -> Found | None:
        """The ruled picture that `picture` is, or to which it is similar; it is decoded only where a hash is near.

        `picture_of` gives None where a ruled picture is not kept any more.
        """
        if same := self._by_bytes.get(facts.sha256):
            return Found(same, True, 0)
        near = self.near(facts, bounds)[:MOST_VERIFIED]
        if not near:
            return None
        image = picture()
        compared = [_compared(image, known, distance, picture_of, bounds) for known, distance in near]
        if same_again := next((found for found in compared if found.same), None):
            return same_again
        return next((found for found in compared if found.distance <= bounds.similar_distance), None)

    def near(self, facts: ImageFacts, bounds: Inheritance) -> list[tuple[Known, int]]:
        """Each picture once, with the smaller distance of its hashes, the nearest first."""
        if facts.pdq is None or (facts.pdq_quality or 0) < bounds.pdq_quality or not self._owners:
            return []
        distances = np.bitwise_count(self._hashes_n32 ^ _bytes_of([facts.pdq])).sum(axis=1, dtype=np.int64)
        found: dict[str, tuple[Known, int]] = {}
        for row in np.argsort(distances, kind="stable"):
            if distances[row] > bounds.candidate_distance:
                break
            owner = self._owners[int(row)]
            found.setdefault(owner.analysis, (owner, int(distances[row])))
        return list(found.values())


def hashes_of(image: Image.Image, bounds: Inheritance) -> tuple[str, ...]:
    """What is kept of a ruled picture to find it by; nothing where its PDQ would say little."""
    several = [pdq_of(_middle(image, share)) for share in KEPT_SHARES]
    return tuple(pdq for pdq, quality in several if quality >= bounds.pdq_quality)


def is_same(found: Overlay, bounds: Inheritance) -> bool:
    return found.structure >= bounds.structure and found.tone <= bounds.tone and found.share >= bounds.share


def _compared(image: Image.Image, known: Known, distance: int, picture_of: PictureOf, bounds: Inheritance) -> Found:
    earlier = picture_of(known)
    if earlier is None:
        return Found(known, False, distance)
    laid = overlay(earlier, image)
    return Found(known, is_same(laid, bounds), distance, laid)


def _middle(image: Image.Image, share: float) -> Image.Image:
    if share == 1:
        return image
    wide, high = round(image.width * share), round(image.height * share)
    left, top = (image.width - wide) // 2, (image.height - high) // 2
    return image.crop((left, top, left + wide, top + high))


def _bytes_of(hashes: Sequence[str]) -> Bits:
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8).reshape(-1, 32)
