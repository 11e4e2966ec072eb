"""Who inherits a ruling: every re-encoding of the picture, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from pellucid.analyse.facts import image_facts
from pellucid.analyse.inheritance import Found, Known, RuledPictures, hashes_of
from pellucid.analyse.registration import overlay
from pellucid.base.pixels import Picture
from pellucid.records.recourse import load_recourse
from pellucid.runtime.reencode import RE_ENCODINGS
from tests.pictures import flat, scene, text_page

BOUNDS = load_recourse().inheritance


def find(ruled: Image.Image, later: Image.Image, kept: bool = True) -> Found | None:
    known = RuledPictures([Known("r", "a", "no_ai_found", "0" * 64, hashes_of(ruled, BOUNDS))])
    facts = image_facts(Picture(later, "1" * 64, "PNG", 0, ()))
    return known.find(facts, lambda: later, lambda _: ruled if kept else None, BOUNDS)


@pytest.mark.parametrize("change", RE_ENCODINGS)
def test_every_re_encoding_is_the_same_picture(change: str) -> None:
    picture = scene(800, 600, seed=4)
    found = find(picture, RE_ENCODINGS[change](picture))
    assert found is not None
    assert found.same


@given(x=st.floats(0.02, 0.8), y=st.floats(0.02, 0.8), seed=st.integers(20, 60))
def test_a_picture_with_a_part_exchanged_never_inherits(x: float, y: float, seed: int) -> None:
    picture = scene(400, 300, seed=4)
    changed = picture.copy()
    changed.paste(ImageOps.invert(scene(57, 42, seed)), (round(400 * x), round(300 * y)))
    found = find(picture, RE_ENCODINGS["hard"](changed))
    assert found is None or not found.same


def test_a_line_of_text_is_a_change() -> None:
    picture = scene(800, 600, seed=4)
    changed = picture.copy()
    ImageDraw.Draw(changed).text((200, 300), "NOT REAL", fill="white", font_size=30)
    found = find(picture, RE_ENCODINGS["jpeg60"](changed))
    assert found is not None
    assert not found.same


def test_says_which_part_of_the_ruled_picture_is_shown() -> None:
    picture = scene(800, 600, seed=4)
    laid = overlay(picture, RE_ENCODINGS["crop90"](picture))
    assert laid.box == pytest.approx((40, 30, 760, 570), abs=1.5)
    assert laid.share == pytest.approx(0.81, abs=0.01)


def test_less_than_its_share_is_not_the_picture() -> None:
    picture = scene(800, 600, seed=4)
    bounds = BOUNDS.model_copy(update={"share": 0.9})
    known = RuledPictures([Known("r", "a", "no_ai_found", "0" * 64, hashes_of(picture, bounds))])
    cropped = RE_ENCODINGS["crop90"](picture)
    facts = image_facts(Picture(cropped, "1" * 64, "PNG", 0, ()))
    found = known.find(facts, lambda: cropped, lambda _: picture, bounds)
    assert found is not None
    assert not found.same


def test_another_picture_is_not_known() -> None:
    assert find(scene(800, 600, seed=4), scene(800, 600, seed=5)) is None


def test_the_same_bytes_are_the_same_picture_however_plain() -> None:
    known = RuledPictures([Known("r", "a", "no_ai_found", "1" * 64, ())])
    facts = image_facts(Picture(flat(), "1" * 64, "PNG", 0, ()))
    found = known.find(facts, flat, lambda _: None, BOUNDS)
    assert found == Found(Known("r", "a", "no_ai_found", "1" * 64, ()), True, 0)


def test_of_a_picture_too_plain_no_hash_is_kept() -> None:
    assert hashes_of(flat(), BOUNDS) == ()
    assert find(flat(), flat((200, 41, 40))) is None


def test_a_ruled_picture_that_is_gone_gives_nothing_on() -> None:
    picture = scene(800, 600, seed=4)
    found = find(picture, RE_ENCODINGS["jpeg80"](picture), kept=False)
    assert found is not None
    assert (found.same, found.overlay) == (False, None)


@pytest.mark.parametrize("size", [(16, 16), (2000, 16), (16, 900), (37, 41)])
def test_lays_pictures_of_any_shape_over_each_other(size: tuple[int, int]) -> None:
    assert overlay(scene(*size), scene(*size)).structure > 0.9
    assert overlay(text_page(), scene(*size)).structure < 0.9
