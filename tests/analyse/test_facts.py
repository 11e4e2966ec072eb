"""The facts of a file: its own hash, and the picture's, which survives re-encoding."""

from __future__ import annotations

import hashlib

from pellucid.analyse.facts import image_facts, pdq_of
from pellucid.base.pixels import decode
from tests import pictures


def bits_apart(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


def test_facts_name_the_file_and_the_picture() -> None:
    data = pictures.jpeg(320, 240)
    facts = image_facts(decode(data))
    assert facts.sha256 == hashlib.sha256(data).hexdigest()
    assert (facts.format, facts.width, facts.height, facts.bytes) == ("JPEG", 320, 240, len(data))
    assert facts.pdq is not None
    assert len(facts.pdq) == 64
    assert facts.pdq_quality is not None
    assert 0 <= facts.pdq_quality <= 100


def test_notes_of_decoding_come_along() -> None:
    assert image_facts(decode(pictures.rotated())).notes == ["EXIF orientation applied"]


def test_the_picture_hash_survives_re_encoding_and_tells_pictures_apart() -> None:
    scene = pictures.scene(640, 480)
    whole = pdq_of(scene)[0]
    smaller = image_facts(decode(pictures.saved(scene.resize((480, 360)), "JPEG", quality=60))).pdq
    other = pdq_of(pictures.scene(640, 480, seed=5))[0]
    assert smaller is not None
    assert bits_apart(whole, smaller) <= 31
    assert bits_apart(whole, other) > 60


def test_a_plain_picture_has_a_hash_of_no_quality() -> None:
    assert pdq_of(pictures.flat())[1] == 0


def test_any_size_has_a_hash() -> None:
    for width, height in ((16, 16), (17, 900), (2000, 16), (513, 512)):
        assert len(pdq_of(pictures.scene(width, height))[0]) == 64
