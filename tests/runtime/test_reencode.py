import pytest

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
