import numpy as np
import pytest
from PIL import Image

from pellucid.runtime.random_change import drawn_change, random_change
from pellucid.runtime.reencode import RE_ENCODINGS, size_after
from tests.pictures import scene


@pytest.mark.parametrize("change", RE_ENCODINGS)
@pytest.mark.parametrize("size", [(161, 120), (1001, 640), (300, 900)])
def test_a_size_is_foretold_to_a_pixel(change, size):
    found = RE_ENCODINGS[change](scene(*size)).size
    assert all(abs(one - other) <= 1 for one, other in zip(size_after(change, size), found, strict=True))


def test_sizes_go_through_re_encodings_one_after_the_other():
    assert size_after("clean", (400, 300)) == (400, 300)
    assert size_after("hard+resize50", (1024, 1024)) == (256, 256)


def test_a_random_change_is_the_same_for_the_same_seed():
    changed = [np.asarray(random_change(scene(300, 240), seed)) for seed in ("a", "a", "b")]
    assert np.array_equal(changed[0], changed[1])
    assert changed[0].shape != changed[2].shape or not np.array_equal(changed[0], changed[2])


def test_some_random_changes_write_words_and_none_touches_the_picture_itself():
    grey = Image.new("RGB", (300, 240), (90, 90, 90))
    written = sum(np.asarray(random_change(grey, str(seed))).max() > 180 for seed in range(100))
    assert 3 <= written <= 30
    assert grey.getextrema() == ((90, 90),) * 3


@pytest.mark.parametrize("size", [(300, 240), (1200, 900), (90, 2000)])
def test_the_size_of_a_random_change_is_known_without_the_picture(size):
    for seed in map(str, range(30)):
        assert random_change(scene(*size), seed).size == (drawn_change(size, seed).side_px,) * 2


def test_draws_stay_as_they_were():
    """Features that are kept were made by them."""
    change = drawn_change((1024, 768), "00027bb0369ddc63/augment-1")
    assert (change.box, change.flipped, change.words, change.blur) == ((95, 68, 669, 642), False, None, None)
    assert (change.smaller, change.saves) == ((558, Image.Resampling.BOX), (("JPEG", 69),))
