import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pellucid.records.bundle import ViewSpec
from pellucid.runtime.features import view_of
from pellucid.runtime.random_change import random_change
from pellucid.runtime.reencode import RE_ENCODINGS
from pellucid.runtime.views import caption_view, carrier, detection_view, to_tensor
from tests.pictures import scene

SPEC = ViewSpec()
sides = st.integers(16, 900)


@given(sides, sides)
def test_every_picture_becomes_one_size(width, height):
    image = Image.new("RGB", (width, height), (90, 120, 60))
    assert detection_view(image, SPEC).size == (224, 224)
    assert caption_view(image, SPEC).size == (224, 224)


def test_detection_crops_and_never_squashes():
    """A circle in a wide picture stays round: as many dark columns as rows."""
    y, x = np.mgrid[:300, :900]
    circle = np.where((x - 450) ** 2 + (y - 150) ** 2 < 100**2, 0, 255).astype(np.uint8)
    dark = np.asarray(detection_view(Image.fromarray(circle).convert("RGB"), SPEC).convert("L")) < 128
    assert abs(int(dark.any(axis=0).sum()) - int(dark.any(axis=1).sum())) <= 1


def test_a_picture_that_went_through_the_chain_hardly_changes_again():
    once = carrier(scene(640, 480), SPEC)
    twice = carrier(once, SPEC)
    difference = np.abs(np.asarray(once, dtype=int) - np.asarray(twice, dtype=int))
    assert difference.mean() < 0.6


def test_tensor_has_the_encoders_layout():
    tensor = to_tensor(detection_view(scene(), SPEC), SPEC)
    assert (tensor.shape, tensor.dtype) == ((3, 224, 224), np.float32)


def test_there_are_the_twelve_re_encodings_of_the_design():
    assert len(RE_ENCODINGS) == 12


@pytest.mark.parametrize("name", RE_ENCODINGS)
def test_a_re_encoding_keeps_the_picture_recognisable(name):
    image = scene(400, 300)
    changed = RE_ENCODINGS[name](image).resize((40, 30))
    assert np.corrcoef(np.asarray(changed).ravel(), np.asarray(image.resize((40, 30))).ravel())[0, 1] > 0.85


@given(st.text(max_size=20))
def test_a_random_change_is_the_same_for_the_same_seed(seed):
    image = scene(200, 150)
    assert random_change(image, seed).tobytes() == random_change(image, seed).tobytes()


def test_views_compose():
    image = scene(1000, 700)
    assert view_of(image, "web+jpeg60", SPEC, "x").tobytes() == view_of(RE_ENCODINGS["web"](image), "jpeg60", SPEC, "x").tobytes()
